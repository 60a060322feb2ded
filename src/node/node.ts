import { setTimeout as sleep } from 'node:timers/promises'
import { type Cosigner, type CosignerKey, didOf, type LogId, peerIdOf, peerLimitsOf, RejoinError, vkeyOf } from '../core/index.ts'
import { LocalReplica, StoreEnds } from '../replica/index.ts'
import {
  type BlobStore,
  copiedFrom,
  createKeys,
  HeadsOfStore,
  type Keys,
  OwnSize,
  openBlobs,
  openKeys,
  readOwnLog,
  Store,
  Verdicts,
  type Writer,
  writeHome
} from '../store/index.ts'
import { newShare, type SyncShare } from '../sync/index.ts'
import { Bindings, createTrust, Gate, type Judged, Known } from '../trust/index.ts'
import { endInTime } from './bounded.ts'
import { branchesOf } from './branches.ts'
import { type Config, createConfig, loadConfig } from './config.ts'
import { forgetJournal, openOwnLog, sentenceOf, writableLog } from './open-log.ts'
import { PeerBook } from './peer-book.ts'
import { PeerScores } from './peer-score.ts'
import { type Accepted, acceptedChange, acceptedOf } from './accepted.ts'
import { Rejudging } from './rejudging.ts'
import { finishRotation } from './rotate.ts'
import { Told } from './told.ts'
import { startingTrust } from './trust-in-force.ts'
import { witnessKeys, witnessOf } from './witness.ts'

/** how long judging again may take when the node is closed; what is left is done at the next start */
const judgeLimitMs = 10_000
/** how long work in the background gets to end when the node is closed, in milliseconds */
const endLimitMs = 10_000

/** Something that a person should know about the data folder, as a sentence. */
export type Notice = string

/** How a node is opened. */
export interface NodeOptions {
  readonly onNotice?: (notice: Notice) => void
  readonly flags?: Partial<Config>
  /** a folder of this machine that is not in any backup of data folders: notices where an older folder was put back */
  readonly stateFolder?: string | undefined
}

/** A node: its key, its data folder, its rules. One process at a time has it open. */
export class Node implements AsyncDisposable {
  readonly root: string
  readonly config: Config
  readonly keys: Keys
  readonly store: Store
  readonly blobs: BlobStore
  readonly known: Known
  readonly bindings: Bindings
  readonly verdicts: Verdicts
  readonly gate: Gate
  readonly replica: LocalReplica
  readonly peers: PeerBook
  readonly scores: PeerScores
  readonly share: SyncShare = newShare()
  readonly did: string
  readonly nodeId: string
  /** where its HTTP port is, while it is open */
  http: string | undefined
  /** the file that lists the logs for readers over the web */
  readonly heads: HeadsOfStore
  private readonly notify: (notice: Notice) => void
  private readonly listeners = new Set<(accepted: readonly Accepted[]) => void>()
  private readonly unseenListeners = new Set<() => void>()
  private readonly judgedListeners = new Set<(log: LogId, judged: readonly Judged[]) => void>()
  /** signs as a witness, where this node is one */
  readonly cosigner: Cosigner | undefined
  /** logs whose head was cosigned */
  readonly cosignedHeads: Told<LogId> = new Told()
  /** closings and fork proofs that are new here */
  readonly learned: Told<Uint8Array> = new Told()
  readonly rejudging: Rejudging
  private ownLog: LogId
  private stateFolder: string | undefined
  private ownSize: OwnSize | undefined
  private readonly stopGrown: () => void

  private constructor(root: string, config: Config, keys: Keys, store: Store, ownLog: LogId, notify: (notice: Notice) => void) {
    this.root = root
    this.config = config
    this.keys = keys
    this.store = store
    this.ownLog = ownLog
    this.notify = notify
    this.did = didOf(keys.signer.publicKey)
    this.nodeId = peerIdOf(keys.signer.publicKey)
    this.blobs = openBlobs(root, { lazy: true })
    this.cosigner = witnessOf(root, config.witness)
    const nowMs = Date.now()
    const rules = startingTrust(root, nowMs, notify)
    this.verdicts = new Verdicts(root)
    this.bindings = new Bindings(rules, (log, index) => textOfEntry(store, log, index))
    this.known = new Known(store, this.blobs, rules, nowMs, this.bindings)
    const ends = new StoreEnds(store)
    this.gate = new Gate(this.did, rules, {
      ends,
      bindings: this.bindings,
      evidence: this.known,
      decisionOn: (log, index) => this.verdicts.decisionOn(log, index)
    })
    this.heads = new HeadsOfStore(store)
    this.peers = new PeerBook(root)
    this.scores = new PeerScores(this.peers)
    this.scores.configure(rules.file.peers ?? peerLimitsOf({}))
    this.stopGrown = store.onGrown(({ log, size }) => {
      if (log === this.ownLog) this.ownSize?.note(size)
      // where it fails, that was told
      this.replica.endings.grown(log, size).catch(() => {})
    })
    this.replica = new LocalReplica(store, this.gate, keys.signer.publicKey, {
      verdicts: this.verdicts,
      bringers: this.scores,
      ends,
      witnesses: () => this.witnesses(),
      onCosigned: (log) => this.cosigned(log),
      judgeAgain: async (log, indexes) => await this.rejudging.inTurn(log, indexes),
      onUrgent: ({ log, bytes }) => {
        this.heads.forget(log)
        this.learned.tell(bytes)
        this.rejudging.stir(this.known.voices.beside(log))
      },
      load: async (event) => await this.known.load(event),
      onAccepted: (log, judged) => {
        this.rejudging.stir(this.known.heard(log, didOf(store.opened(log).publicKey), judged))
        this.tell(judged.map(({ line, event, decision }) => acceptedOf(log, line, event, decision)))
        for (const listener of this.judgedListeners) listener(log, judged)
      },
      onUnseen: () => {
        for (const listener of this.unseenListeners) listener()
      },
      onHeard: (author, log, size) => this.peers.heard(didOf(author), log, size),
      onConflict: (log) => void this.conflicted(log)
    })
    this.rejudging = new Rejudging({
      store,
      blobs: this.blobs,
      gate: this.gate,
      known: this.known,
      replica: this.replica,
      ownLog: () => this.ownLog,
      onRules: ({ file }) => this.scores.configure(file.peers ?? peerLimitsOf({})),
      onChanged: (changed) => this.tell(changed.map(acceptedChange)),
      onNotice: notify
    })
  }

  /** Makes the data folder of a new node. @throws E_EXISTS where there is one */
  static async init(root: string, name: string, network: string): Promise<void> {
    Store.create(root, network)
    const keys = createKeys(root)
    createTrust(root, name)
    createConfig(root, name)
    const store = await Store.open(root)
    await using _closing = store
    const log = await openOwnLog(store, keys, name)
    store.openWriter(log, keys.signer)
  }

  /**
   * Opens a data folder. Where it is a copy of another one, a new log is opened that names the old one, and that is told.
   * @throws E_NO_DATA E_LOCKED E_VERSION E_KEY E_TRUST_FILE E_CONFIG E_DAMAGED
   */
  static async open(root: string, { onNotice = () => {}, flags = {}, stateFolder }: NodeOptions = {}): Promise<Node> {
    const config = loadConfig(root, flags)
    const rotated = await finishRotation(root, (repair) => onNotice(sentenceOf(repair)))
    if (rotated !== undefined)
      onNotice(`a change of keys was completed that had been interrupted; the peer ID is ${rotated.nodeId} now`)
    const keys = openKeys(root)
    const ownLog = readOwnLog(root)
    const copied = copiedFrom(root)
    if (copied !== undefined) forgetJournal(root)
    const store = await Store.open(root, { ownLog, onRepair: (repair) => onNotice(sentenceOf(repair)) })
    try {
      const log = await writableLog(store, keys, config.name, ownLog, copied, onNotice)
      const writer = store.openWriter(log, keys.signer)
      if (writer.folder.opened.publicKey.some((byte, i) => byte !== keys.signer.publicKey[i])) {
        throw new RejoinError('E_KEY', "keys/writer is not the key of this node's log", {
          hint: 'put back the key file from a backup'
        })
      }
      if (copied !== undefined) writeHome(root)
      const node = new Node(root, config, keys, store, log, onNotice)
      node.guard(stateFolder)
      for (const path of store.urgent.damaged) onNotice(`${path} is damaged: what it says of that log is not known here`)
      await node.bindings.noteAll(store.index)
      await node.known.ready((place) => node.gate.identityOf(place))
      await node.replica.endings.applyAll()
      node.rejudging.begin()
      return node
    } catch (error) {
      await store[Symbol.asyncDispose]()
      throw error
    }
  }

  /** The log that this node writes. */
  get log(): LogId {
    return this.ownLog
  }

  /** The verifier key of this node's log. */
  get vkey(): string {
    return vkeyOf(`rejoin/${this.ownLog}`, this.keys.signer.publicKey)
  }

  /** The writer of this node's log. */
  get writer(): Writer {
    return this.store.writer as Writer
  }

  /** Calls back with every event that is accepted, own ones too. Returns how to stop it. */
  onAccepted(listener: (accepted: readonly Accepted[]) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Tells all listeners about accepted events. */
  tell(accepted: readonly Accepted[]): void {
    for (const { log, index, event } of accepted)
      if (log === this.ownLog && event !== undefined)
        this.rejudging.stir(this.known.voices.add(event, { log, index, author: this.did }))
    for (const listener of this.listeners) listener(accepted)
  }

  /** Tells a person something about this node. */
  say(notice: Notice): void {
    this.notify(notice)
  }

  /** Calls back when entries came as hashes whose texts others may have. Returns how to stop it. */
  onUnseen(listener: () => void): () => void {
    this.unseenListeners.add(listener)
    return () => void this.unseenListeners.delete(listener)
  }

  /** Calls back with every verdict on what comes from others. Returns how to stop it. */
  onJudged(listener: (log: LogId, judged: readonly Judged[]) => void): () => void {
    this.judgedListeners.add(listener)
    return () => void this.judgedListeners.delete(listener)
  }

  /** Returns the witnesses whose cosignatures this node can verify. */
  witnesses(): readonly CosignerKey[] {
    return witnessKeys(this.gate.rules, this.cosigner)
  }

  /** A head was cosigned: what is held may have waited for a quorum. */
  private cosigned(log: LogId): void {
    this.heads.forget(log)
    this.cosignedHeads.tell(log)
    const held = this.store.places.held.list().find((one) => one.log === log)
    const indexes = new Set(held?.entries.map(({ index }) => index))
    // where it fails, that is told
    if (indexes.size > 0) this.rejudging.inTurn(log, indexes).catch(() => {})
  }

  /**
   * Reads trust.yaml again and judges everything again by it, in the background; rules that don't load leave those in force.
   * @returns whether they are others than before
   * @throws E_TRUST_FILE
   */
  reloadTrust(): boolean {
    return this.rejudging.reload()
  }

  /** Resolves once everything was judged by the rules in force. */
  async settled(): Promise<void> {
    await this.rejudging.settled()
  }

  /** Judges entries of a log again, and moves their text and blobs to where the verdicts let them lie. @returns how many verdicts changed */
  async rejudge(log: LogId, indexes?: ReadonlySet<number>): Promise<number> {
    return await this.rejudging.rejudge(log, indexes)
  }

  /** Compares the own log with what this machine signed of it before, and keeps note of that from now on. */
  private guard(stateFolder: string | undefined): void {
    if (stateFolder === undefined) return
    this.ownSize?.close()
    this.stateFolder = stateFolder
    try {
      this.ownSize = OwnSize.open(stateFolder, this.ownLog)
    } catch (error) {
      this.notify(`the size of the own log can't be noted outside the data folder: ${(error as Error).message}`)
      return
    }
    const { size } = this.ownSize
    if (size > this.writer.folder.size) {
      this.writer.awaitTail(size)
      this.notify(
        `the own log had ${size} events and only ${this.writer.folder.size} are here: an older folder was put back. Nothing is appended until a peer brings the others back`
      )
    }
    this.ownSize.note(this.writer.folder.checkpoint?.size ?? 0)
  }

  /** Another history of a log turned up. Where it is this node's own, it goes on in a new log that names the old one. */
  private async conflicted(log: LogId): Promise<void> {
    const fork = this.replica.endings.forkOf(log)
    this.notify(
      fork === undefined
        ? `a signed head of log ${log} contradicts what is here; both are kept in private/forks, and the log is frozen until a peer shows more`
        : `log ${log} has two histories and ends at entry ${fork.atIndex}; the proof is logs/${log}/fork, and the log is frozen`
    )
    if (log === this.ownLog) await this.goOnInNewLog()
  }

  /** A session was through, and whatever a peer has of the own log is here: what it could not bring back is given up. */
  async tailSought(): Promise<void> {
    if (!this.writer.lacksTail) return
    this.notify('no peer brought the lost events of the own log back')
    await this.goOnInNewLog()
  }

  /** Leaves the own log as it is, and goes on in a new one that names it. @returns the new log */
  async goOnInNewLog(): Promise<LogId> {
    const folder = this.store.needFolder(this.ownLog)
    const head = this.writer.sign()
    const fork = this.replica.endings.forkOf(this.ownLog)
    const next = await openOwnLog(this.store, this.keys, folder.opened.name, {
      log: this.ownLog,
      size: head.size,
      root: head.root,
      ...(fork && { other: branchesOf(folder, fork)[1] })
    })
    const waiting = this.writer
    this.ownLog = next
    const writer = this.store.openWriter(next, this.keys.signer)
    writer.tailWaitMs = waiting.tailWaitMs
    this.guard(this.stateFolder)
    waiting.giveUp(writer)
    this.notify(`this node goes on in the new log ${next}`)
    return next
  }

  /** Closes everything; idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.race([this.rejudging.settled(), sleep(judgeLimitMs, undefined, { ref: false })])
    this.rejudging.stop()
    await endInTime(
      [
        { what: 'judging again', work: async () => await this.rejudging.settled() },
        // of sessions that were cut off: what they proved is kept
        { what: 'storing what came', work: async () => await this.share.queue.tail }
      ],
      endLimitMs,
      this.notify
    )
    this.peers.close()
    this.blobs.index.close()
    this.verdicts.flush()
    this.replica.close()
    if (!this.writer.lacksTail) this.writer.sign()
    this.heads.close()
    await this.store[Symbol.asyncDispose]()
    this.stopGrown()
    this.ownSize?.close()
    this.ownSize = undefined
  }
}

function textOfEntry(store: Store, log: LogId, index: number): Uint8Array | undefined {
  return index < (store.folder(log)?.size ?? 0) ? store.lineOf(log, index) : undefined
}
