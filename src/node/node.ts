import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { didOf, type LogId, peerIdOf, RejoinError, type RejoinEvent, type Succeeds, vkeyOf } from '../core/index.ts'
import { LocalReplica } from '../replica/index.ts'
import {
  type BlobStore,
  copiedFrom,
  createKeys,
  type Keys,
  openBlobs,
  openKeys,
  readOwnLog,
  type Repair,
  Store,
  type Writer,
  writeHome
} from '../store/index.ts'
import { newShare, type SyncShare } from '../sync/index.ts'
import { createTrust, Gate, loadTrust } from '../trust/index.ts'
import { type Config, createConfig, loadConfig } from './config.ts'
import { openOwnLog } from './open-log.ts'
import { PeerBook } from './peer-book.ts'

/** Something that a person should know about the data folder, as a sentence. */
export type Notice = string

/** How a node is opened. */
export interface NodeOptions {
  readonly onNotice?: (notice: Notice) => void
  readonly flags?: Partial<Config>
}

/** An event that was accepted into the replica, with its place. */
export interface Accepted {
  readonly log: LogId
  readonly index: number
  readonly event: RejoinEvent | undefined
  /** leaf hash in hexadecimal, where the text is withheld */
  readonly withheld: string | undefined
  readonly verdict: string
  readonly rule: string
}

/** A node: its key, its data folder, its rules. One process at a time has it open. */
export class Node implements AsyncDisposable {
  readonly root: string
  readonly config: Config
  readonly keys: Keys
  readonly store: Store
  readonly blobs: BlobStore
  readonly gate: Gate
  readonly replica: LocalReplica
  readonly peers: PeerBook
  readonly share: SyncShare = newShare()
  readonly did: string
  readonly nodeId: string
  private readonly notify: (notice: Notice) => void
  private readonly listeners = new Set<(accepted: readonly Accepted[]) => void>()
  private ownLog: LogId

  private constructor(root: string, config: Config, keys: Keys, store: Store, ownLog: LogId, notify: (notice: Notice) => void) {
    this.root = root
    this.config = config
    this.keys = keys
    this.store = store
    this.ownLog = ownLog
    this.notify = notify
    this.did = didOf(keys.signer.publicKey)
    this.nodeId = peerIdOf(keys.signer.publicKey)
    this.blobs = openBlobs(root)
    this.gate = new Gate(this.did, loadTrust(root))
    this.peers = new PeerBook(root)
    this.replica = new LocalReplica(store, this.gate, keys.signer.publicKey, {
      onAccepted: (log, judged) => {
        const accepted = judged.map(({ line, event, decision: { verdict, rule } }): Accepted => {
          const open = verdict === 'relay'
          return {
            log,
            index: line.index,
            event: open ? event : undefined,
            withheld: open ? undefined : Buffer.from(line.hash).toString('hex'),
            verdict,
            rule
          }
        })
        this.tell(accepted)
      },
      onHeard: (author, log, size) => this.peers.heard(didOf(author), log, size),
      onConflict: (log) => void this.conflicted(log)
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
  static async open(root: string, { onNotice = () => {}, flags = {} }: NodeOptions = {}): Promise<Node> {
    const config = loadConfig(root, flags)
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
      return new Node(root, config, keys, store, log, onNotice)
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
    for (const listener of this.listeners) listener(accepted)
  }

  /** Tells a person something about this node. */
  say(notice: Notice): void {
    this.notify(notice)
  }

  /** Reads trust.yaml again; rules that don't load leave those in force. @throws E_TRUST_FILE */
  reloadTrust(): void {
    this.gate.reload(loadTrust(this.root))
  }

  /** Another history of a log turned up. Where it is this node's own, it goes on in a new log that names the old one. */
  private async conflicted(log: LogId): Promise<void> {
    this.notify(`log ${log} has two histories; both signed heads are kept in private/forks, and the log is frozen`)
    if (log !== this.ownLog) return
    const folder = this.store.needFolder(log)
    const head = this.writer.sign()
    const next = await openOwnLog(this.store, this.keys, folder.opened.name, { log, size: head.size, root: head.root })
    this.ownLog = next
    this.store.openWriter(next, this.keys.signer)
    this.notify(`this node goes on in the new log ${next}`)
  }

  /** Closes everything; idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.peers.close()
    await this.store[Symbol.asyncDispose]()
  }
}

async function writableLog(
  store: Store,
  keys: Keys,
  name: string,
  ownLog: LogId | undefined,
  copied: string | undefined,
  onNotice: (notice: Notice) => void
): Promise<LogId> {
  const old = ownLog === undefined ? undefined : store.folder(ownLog)
  if (old !== undefined && copied === undefined) return old.log
  const head = old?.checkpoint
  const succeeds: Succeeds | undefined = head && { log: head.log, size: head.size, root: head.root }
  const log = await openOwnLog(store, keys, old?.opened.name ?? name, succeeds)
  if (copied !== undefined && old !== undefined) {
    onNotice(
      `this data folder is a copy (${copied}): it goes on in the new log ${log}, which names the old one, so that the two folders can't contradict each other`
    )
  }
  return log
}

function forgetJournal(root: string): void {
  try {
    unlinkSync(join(root, 'private/journal.ndjson'))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
  }
}

function sentenceOf({ log, what, count }: Repair): string {
  if (what === 'torn-line') return `log ${log}: a last line that was not written to its end was cut off (${count} bytes)`
  if (what === 'unproven-lines')
    return `log ${log}: ${count} entries that nothing proves were cut off; the next sync brings them again`
  return `log ${log}: its ${count} hash tiles were damaged and made again from its lines`
}
