import {
  checkCosignable,
  codeOf,
  type Compiled,
  consistencyPath,
  cosign,
  type Cosigner,
  type CosignerKey,
  didOf,
  encodeAnnouncement,
  equal,
  hashOfLogId,
  type LogId,
  parseAnnouncement,
  parseNote,
  parseTlogPolicy,
  RejoinError,
  verifiedCosignatures,
  withCosignatures
} from '../core/index.ts'
import { type GossipVerdict, type Host, topicId } from '../net/index.ts'
import { isCovered } from '../replica/index.ts'
import { hashesOf, readCosigned, readWitness, type StoredHead, writeCosigned } from '../store/index.ts'
import type { Node } from './node.ts'

/** how long a witness waits for more entries before it cosigns: each cosignature is made durable first */
const cosignDelayMs = 50

/** Returns this node's witness, where its settings say that it is one. @throws E_CONFIG where it has no key */
export function witnessOf(root: string, witness: boolean): Cosigner | undefined {
  if (!witness) return undefined
  const cosigner = readWitness(root)
  if (cosigner === undefined)
    throw new RejoinError('E_CONFIG', 'this node is to be a witness and has no witness key', {
      hint: 'rejoin trust key witness makes one'
    })
  return cosigner
}

/** Returns the witnesses whose cosignatures a node can verify: those of its trust file, and itself. */
export function witnessKeys({ file: { tlogPolicy } }: Compiled, own: Cosigner | undefined): readonly CosignerKey[] {
  const named = tlogPolicy === undefined ? [] : [...parseTlogPolicy(tlogPolicy).witnesses.values()]
  return own === undefined || named.some(({ publicKey }) => equal(publicKey, own.key.publicKey)) ? named : [...named, own.key]
}

/**
 * Cosigns the heads of other logs that this node verified as going on from what it cosigned before, and passes cosignatures on.
 * @see protocols/witness.md
 */
export class Witnessing {
  private readonly node: Node
  private readonly host: Host
  private readonly topic: string
  private readonly waiting = new Map<LogId, NodeJS.Timeout>()
  private readonly stops: readonly (() => void)[]

  constructor(node: Node, host: Host) {
    this.node = node
    this.host = host
    this.topic = topicId(node.store.network, 'heads')
    this.stops = [node.store.onGrown((head) => this.soon(head)), node.cosignedHeads.on((log) => this.publish(log))]
  }

  /** Looks at every log again, as after a start. */
  begin(): void {
    for (const head of this.node.store.listHeads()) this.soon(head)
  }

  private soon({ log }: StoredHead): void {
    if (this.node.cosigner === undefined || log === this.node.log || this.waiting.has(log)) return
    this.waiting.set(
      log,
      setTimeout(() => {
        this.waiting.delete(log)
        try {
          this.cosign(log, this.node.cosigner as Cosigner)
        } catch (error) {
          if (codeOf(error) === undefined) throw error
          this.node.say(`log ${log} was not cosigned: ${(error as Error).message}`)
        }
      }, cosignDelayMs)
    )
  }

  private cosign(log: LogId, cosigner: Cosigner): void {
    const { store, gate, replica, root } = this.node
    const folder = store.needFolder(log)
    const { checkpoint, opened } = folder
    if (checkpoint === undefined || checkpoint.size === 0 || replica.isFrozen(log)) return
    if (!gate.admits(didOf(opened.publicKey), log)) return
    const own = verifiedCosignatures(parseNote(checkpoint.note), [cosigner.key])
    if (own.length > 0) return
    const last = readCosigned(root, log)
    const grew = last !== undefined && last.size > 0 && last.size < checkpoint.size
    const path = grew ? consistencyPath(last.size, checkpoint.size, hashesOf(folder, checkpoint.size)) : []
    checkCosignable(last, checkpoint, path)
    if (last?.size !== checkpoint.size) writeCosigned(root, checkpoint)
    const before = verifiedCosignatures(parseNote(checkpoint.note), this.node.witnesses())
    const { note } = withCosignatures(checkpoint, opened.publicKey, [...before, cosign(checkpoint, cosigner, Date.now())])
    replica.cosigned(log, note)
  }

  /**
   * Takes an announcement of a head that is here: its cosignatures are kept, and it is passed on only where nothing in it is unknown, since
   * anybody can add a line to a note.
   */
  heard(log: LogId, announcement: Uint8Array): GossipVerdict {
    const { note } = parseAnnouncement(announcement)
    if (parseNote(note).signatures.length === 1) return 'accept'
    this.node.replica.cosigned(log, note)
    const ours = this.node.store.needFolder(log).checkpoint
    return ours !== undefined && isCovered(note, ours.note) ? 'accept' : 'ignore'
  }

  /** Announces a head again, with the cosignatures that are known now. */
  private publish(log: LogId): void {
    const { checkpoint, coseCheckpoint } = this.node.store.needFolder(log)
    if (checkpoint === undefined) return
    const { size, note } = checkpoint
    const announcement = { log: hashOfLogId(log), from: size, note, cose: coseCheckpoint, text: new Uint8Array(0) }
    void this.host.gossip.publish(this.topic, encodeAnnouncement(announcement))
  }

  /** Cosigns nothing more. */
  stop(): void {
    for (const timer of this.waiting.values()) clearTimeout(timer)
    for (const stop of this.stops) stop()
  }
}
