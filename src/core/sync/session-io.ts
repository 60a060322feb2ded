import type { PublicKey } from '../key.ts'
import type { EntryBlock } from '../log/block.ts'
import type { Checkpoint } from '../log/checkpoint.ts'
import type { LogId } from '../log/log-id.ts'
import type { Tree } from '../log/merkle.ts'
import type { Interest } from '../trust/interest.ts'
import type { EntryRange } from './catchup.ts'
import type { SyncMessage, WireHead } from './message.ts'
import type { Offer, ProvenBlock } from './plan.ts'

/** A log that this side has or lacks, as the other side's head and this side's state say. */
export interface Pull {
  readonly log: LogId
  readonly author: PublicKey
  /** tree of what is here */
  readonly have: Tree
  /** entries that the other side has */
  readonly size: number
  /** set where only the first entries are asked for, to look whether the log is to be let in; `have` is empty then */
  readonly look?: true
}

/** Entries of which this side has only hashes and wants the texts. */
export interface TextPull {
  readonly log: LogId
  /** whole tiles of 256 entries, or up to the size that both sides have */
  readonly ranges: readonly EntryRange[]
}

/** What this side is, when a session begins. */
export interface SessionSelf {
  readonly network: string
  readonly node: Uint8Array
  readonly store: Uint8Array
  readonly seq: number
  readonly salt: Uint8Array
  /** what this side remembers of the other one: the store and change number up to which it has everything */
  readonly cursor: { readonly store: Uint8Array; readonly seq: number } | undefined
  readonly logCount: number
  /** what this side may want the text of; none for everything */
  readonly interest: readonly Interest[]
  /** fork proofs that go out first */
  readonly urgent: readonly { readonly note: Uint8Array; readonly other: Uint8Array }[]
}

/** What a session is told. */
export type SessionInput =
  | { readonly kind: 'start' }
  | { readonly kind: 'message'; readonly message: SyncMessage }
  /** the answer to `changes`: heads that changed, or undefined where the cursor is not of this store */
  | { readonly kind: 'changes'; readonly heads: readonly WireHead[] | undefined }
  /** the answer to `heads`: all of them */
  | { readonly kind: 'heads'; readonly heads: readonly WireHead[] }
  | { readonly kind: 'pulls'; readonly pulls: readonly Pull[] }
  /** the answer to `seek` */
  | { readonly kind: 'texts'; readonly pulls: readonly TextPull[] }
  /** lines of a `texts` were not the log's */
  | { readonly kind: 'texts-refused'; readonly log: LogId }
  /** a `serve` is through */
  | { readonly kind: 'served'; readonly entries: number }
  /** another session gave ranges back, or stored what was waited for */
  | { readonly kind: 'poke' }
  /** some time has gone by; whether anything moved since the last one shows what is stuck */
  | { readonly kind: 'tick' }
  /** the other side closed the stream */
  | { readonly kind: 'ended' }

/** What a session wants done, in this order. */
export type SessionEffect =
  | { readonly kind: 'send'; readonly message: SyncMessage }
  | { readonly kind: 'changes'; readonly store: Uint8Array; readonly seq: number }
  | { readonly kind: 'heads' }
  | { readonly kind: 'survey'; readonly heads: readonly WireHead[] }
  /** after the survey of the same heads, at least once a session */
  | { readonly kind: 'seek'; readonly node: Uint8Array; readonly store: Uint8Array; readonly heads: readonly WireHead[] }
  /** with what the other side may want the text of; none for everything */
  | {
      readonly kind: 'serve'
      readonly want: Extract<SyncMessage, { kind: 'want' }>
      readonly interest: readonly Interest[]
    }
  /** the first entries of a log that a pull wanted to look into, proven and not to be stored, undefined where they are too large; `pulls` answers it */
  | { readonly kind: 'looked'; readonly head: WireHead; readonly block: ProvenBlock | undefined }
  | { readonly kind: 'prepare'; readonly offer: Offer }
  | { readonly kind: 'store'; readonly log: LogId; readonly blocks: readonly ProvenBlock[] }
  | { readonly kind: 'commit'; readonly log: LogId; readonly checkpoint: Checkpoint; readonly cose: Uint8Array | undefined }
  /** lines that came for hashes; nothing about them was checked */
  | { readonly kind: 'texts'; readonly node: Uint8Array; readonly log: LogId; readonly block: EntryBlock }
  | { readonly kind: 'conflict'; readonly log: LogId; readonly note: Uint8Array }
  | { readonly kind: 'urgent'; readonly note: Uint8Array; readonly other: Uint8Array }
  | { readonly kind: 'cursor'; readonly node: Uint8Array; readonly store: Uint8Array; readonly seq: number }
  | { readonly kind: 'poke' }
  | { readonly kind: 'close'; readonly complete: boolean }
