import { RejoinError } from '../error.ts'
import { equal } from '../bytes.ts'
import { linesOf, rootWith } from '../log/block.ts'
import { type Checkpoint, verifyCheckpoint } from '../log/checkpoint.ts'
import { type LogId, logIdOfHash } from '../log/log-id.ts'
import type { Tree } from '../log/merkle.ts'
import type { PublicKey } from '../key.ts'
import { bytes, fixedBytes, uint64 } from '../protobuf-kind.ts'
import { field, message, type MessageCodec, optional } from '../protobuf.ts'
import type { ProvenBlock } from './plan.ts'

/** Longest announcement. */
export const maxAnnouncementBytes: number = 64 * 1024
/** Lines go along only where they are together at most this long. */
export const maxAnnouncedTextBytes: number = 16 * 1024

/** The newest checkpoint of a log, and its newest lines where they are small. @see protocols/gossip.md */
export interface Announcement {
  readonly log: Uint8Array
  /** index of the first line in `text` */
  readonly from: number
  readonly note: Uint8Array
  readonly cose: Uint8Array | undefined
  /** lines [from, size of the checkpoint) with newlines, as the announcer has them; empty where they are too long */
  readonly text: Uint8Array
}

const codec: MessageCodec<Announcement> = message<Announcement>({
  log: field(1, fixedBytes(32)),
  from: field(2, uint64()),
  note: field(3, bytes(16 * 1024)),
  cose: optional(4, bytes(16 * 1024)),
  text: field(5, bytes(maxAnnouncedTextBytes))
})

/** Returns the bytes of an announcement. */
export function encodeAnnouncement(announcement: Announcement): Uint8Array {
  return codec.encode(announcement)
}

/** Returns an announcement. @throws E_TOO_LARGE E_FRAME */
export function parseAnnouncement(message64k: Uint8Array): Announcement {
  if (message64k.length > maxAnnouncementBytes) throw new RejoinError('E_TOO_LARGE', 'an announcement is over 64 KiB')
  return codec.decode(message64k.slice())
}

/** What a node knows of the log that is announced. */
export interface KnownLog {
  /** the writer's key where the log is here; undefined where the log is unknown */
  readonly key: PublicKey | undefined
  /** whether the rules let anything of that writer in */
  readonly admitted: boolean
  /** whether the log is frozen by a fork */
  readonly frozen: boolean
  /** the tree of what is here; not changed */
  readonly tree: Tree
}

/** What to do with an announcement: the answer to gossipsub, and what to do besides. */
export type GossipDecision =
  | { readonly verdict: 'reject'; readonly code: string }
  | { readonly verdict: 'ignore'; readonly action: 'none' | 'pull' | 'conflict'; readonly log: LogId }
  /** the block goes through the gate; accept only where all its lines are relayed, else ignore and announce again with hashes */
  | {
      readonly verdict: 'judge'
      readonly log: LogId
      readonly checkpoint: Checkpoint
      readonly cose: Uint8Array | undefined
      readonly block: ProvenBlock
    }
  | { readonly verdict: 'accept'; readonly log: LogId }

/**
 * Returns what to do with an announcement: a pure function of it and of what is here.
 * Malformed, badly signed or not leading to the signed root → reject. Unknown writer, gap, stale → ignore.
 * @param known looks up what is here of a log
 */
export function decideAnnouncement(message64k: Uint8Array, known: (log: LogId) => KnownLog): GossipDecision {
  try {
    return decide(parseAnnouncement(message64k), known)
  } catch (error) {
    if (error instanceof RejoinError) return { verdict: 'reject', code: error.code }
    throw error
  }
}

function decide({ log: id, from, note, cose, text }: Announcement, known: (log: LogId) => KnownLog): GossipDecision {
  const log = logIdOfHash(id)
  const { key, admitted, frozen, tree } = known(log)
  if (key === undefined) return { verdict: 'ignore', action: 'pull', log }
  const checkpoint = verifyCheckpoint(note, log, key)
  const { size, root } = checkpoint
  if (!admitted || frozen) return { verdict: 'ignore', action: 'none', log }
  if (size < tree.size) return { verdict: 'ignore', action: 'none', log }
  if (size === tree.size && !equal(root, tree.root())) return { verdict: 'ignore', action: 'conflict', log }
  // lines of a head that is here already go through no gate, and may be no lines of this log: a message with some goes no further
  if (size === tree.size) return text.length === 0 ? { verdict: 'accept', log } : { verdict: 'ignore', action: 'none', log }
  if (from !== tree.size || text.length === 0) return { verdict: 'ignore', action: 'pull', log }
  const block = { from, count: size - from, text }
  const lines = linesOf(block)
  if (!equal(rootWith(tree, lines), root)) return { verdict: 'ignore', action: 'pull', log }
  return { verdict: 'judge', log, checkpoint, cose, block: { ...block, lines, tileHash: undefined } }
}
