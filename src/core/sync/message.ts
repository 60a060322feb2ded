import { bool, bytes, fixedBytes, text, uint64 } from '../protobuf-kind.ts'
import { field, message, type MessageCodec, oneOf, optional, repeated } from '../protobuf.ts'
import { maxInterests, type WireInterest, wireInterest } from './interest-frame.ts'

/** Version of the sync protocol, as in its protocol ID. */
export const syncVersion = 1
/** Longest frame, without its length. */
export const maxSyncFrameBytes: number = 256 * 1024
/** Most bytes that the text of one LINES frame has once it is decompressed. */
export const maxLinesTextBytes: number = 1024 * 1024
/** Most heads in one CHANGED frame. */
export const maxHeadsAFrame = 1000
/** Most ranges in one RANGE frame. */
export const maxRangesAFrame = 512

/** A log as one side has it. */
export interface WireHead {
  /** 32 bytes of the log ID */
  readonly log: Uint8Array
  readonly size: number
  readonly root: Uint8Array
  /** the writer's public key, 32 bytes; the log's first line proves it */
  readonly author: Uint8Array
  /** number of the change of that side's journal that last put other texts in the place of hashes in this log; 0 for none */
  readonly texts: number
  /** first 16 bytes of the SHA-256 of the head's note, where witnesses have cosigned it */
  readonly cosigned?: Uint8Array | undefined
}

/** A range of log IDs with the fingerprint of what one side has in it; without one, all of it was listed. */
export interface WireRange {
  /** first log ID that may be in it; empty for the lowest */
  readonly low: Uint8Array
  /** first log ID beyond it; empty for no bound */
  readonly high: Uint8Array
  readonly fingerprint: Uint8Array | undefined
}

/** Every message of a sync session. @see protocols/sync.md, protocols/proto/sync.proto */
export type SyncMessage =
  | {
      readonly kind: 'hello'
      readonly version: number
      readonly network: string
      /** public key of the node, 32 bytes */
      readonly node: Uint8Array
      /** 16 random bytes of its store */
      readonly store: Uint8Array
      /** number of its newest change */
      readonly seq: number
      /** 16 random bytes that salt the fingerprints of this session */
      readonly salt: Uint8Array
      /** what this side may want the text of; none for everything */
      readonly interest: readonly WireInterest[]
    }
  | { readonly kind: 'since'; readonly store: Uint8Array | undefined; readonly seq: number; readonly logCount: number }
  | { readonly kind: 'urgent'; readonly note: Uint8Array; readonly other: Uint8Array }
  | { readonly kind: 'changed'; readonly heads: readonly WireHead[]; readonly last: boolean }
  | { readonly kind: 'range'; readonly ranges: readonly WireRange[] }
  | {
      readonly kind: 'want'
      readonly id: number
      readonly log: Uint8Array
      readonly from: number
      readonly to: number
      readonly proof: boolean
    }
  | { readonly kind: 'checkpoint'; readonly id: number; readonly note: Uint8Array; readonly cose: Uint8Array | undefined }
  | {
      readonly kind: 'hashes'
      readonly id: number
      readonly tiles: Uint8Array
      readonly edge: Uint8Array
      readonly last: boolean
    }
  | {
      readonly kind: 'lines'
      readonly id: number
      readonly from: number
      readonly count: number
      /** the lines with their newlines; on the wire, where `size` is not 0, as one zstd frame of that decompressed size */
      readonly text: Uint8Array
      readonly size: number
      /** true where the sender has the text of all these entries: hashes among them are what the other side's interest leaves out */
      readonly narrowed: boolean
    }
  | { readonly kind: 'end'; readonly id: number; readonly count: number; readonly reason: number }
  | { readonly kind: 'bye'; readonly entries: number; readonly complete: boolean }

/** Why a WANT ended. */
export const endReason: { readonly done: 0; readonly gone: 1; readonly policy: 2 } = { done: 0, gone: 1, policy: 2 }

const hash32 = fixedBytes(32)
const head: MessageCodec<WireHead> = message<WireHead>({
  log: field(1, hash32),
  size: field(2, uint64()),
  root: field(3, hash32),
  author: field(4, hash32),
  texts: field(5, uint64()),
  cosigned: optional(6, fixedBytes(16))
})
const range: MessageCodec<WireRange> = message<WireRange>({
  low: field(1, bytes(32)),
  high: field(2, bytes(32)),
  fingerprint: optional(3, fixedBytes(16))
})

/** The codec of one frame. */
export const syncMessage: MessageCodec<SyncMessage> = oneOf<SyncMessage>({
  hello: [
    1,
    message({
      version: field(1, uint64()),
      network: field(2, text(64)),
      node: field(3, hash32),
      store: field(4, fixedBytes(16)),
      seq: field(5, uint64()),
      salt: field(6, fixedBytes(16)),
      interest: repeated(7, wireInterest, maxInterests)
    })
  ],
  since: [2, message({ store: optional(1, fixedBytes(16)), seq: field(2, uint64()), logCount: field(3, uint64()) })],
  urgent: [3, message({ note: field(1, bytes(16 * 1024)), other: field(2, bytes(16 * 1024)) })],
  changed: [4, message({ heads: repeated(1, head, maxHeadsAFrame), last: field(2, bool()) })],
  range: [5, message({ ranges: repeated(1, range, maxRangesAFrame) })],
  want: [
    6,
    message({
      id: field(1, uint64()),
      log: field(2, hash32),
      from: field(3, uint64()),
      to: field(4, uint64()),
      proof: field(5, bool())
    })
  ],
  checkpoint: [7, message({ id: field(1, uint64()), note: field(2, bytes(16 * 1024)), cose: optional(3, bytes(16 * 1024)) })],
  hashes: [
    8,
    message({ id: field(1, uint64()), tiles: field(2, bytes(64 * 1024)), edge: field(3, bytes(8 * 32)), last: field(4, bool()) })
  ],
  lines: [
    9,
    message({
      id: field(1, uint64()),
      from: field(2, uint64()),
      count: field(3, uint64()),
      text: field(4, bytes(maxSyncFrameBytes)),
      size: field(5, uint64(maxLinesTextBytes)),
      narrowed: field(6, bool())
    })
  ],
  end: [10, message({ id: field(1, uint64()), count: field(2, uint64()), reason: field(3, uint64(2)) })],
  bye: [11, message({ entries: field(1, uint64()), complete: field(2, bool()) })]
})
