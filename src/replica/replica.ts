import type { Checkpoint, EntryBlock, Interest, LogId, Offer, ProvenBlock, Pull, TextPull, WireHead } from '../core/index.ts'

/** What a request for entries gets first: the newest checkpoint with the hashes that lead to it from `from`. */
export interface Proof {
  readonly note: Uint8Array
  readonly cose: Uint8Array | undefined
  readonly size: number
  /** hashes of the full tiles from floor(from / 256) on, 32 bytes each */
  readonly tiles: Uint8Array
  /** subtrees of the last, unfinished tile, 32 bytes each */
  readonly edge: Uint8Array
}

/** What taking entries in came to. */
export interface Taken {
  readonly events: number
  readonly refused: number
  readonly held: number
}

/**
 * Anything that holds logs and can be synced with. One session machine runs for each side, over the Replica of that side.
 * Implementers must store nothing that accept() was not given, must keep it in order, and must not show entries beyond a commit().
 */
export interface Replica {
  readonly network: string
  /** public key of the node that it belongs to, 32 bytes */
  readonly node: Uint8Array
  /** Returns the ID of this store and the number of its newest change. */
  readonly journal: () => { readonly storeId: string; readonly seq: number }
  /** Returns the heads of all logs up to their newest checkpoints. */
  readonly heads: () => readonly WireHead[]
  /** Returns the heads that changed after a number, or undefined where it is not a number of this store. */
  readonly changedSince: (storeId: string, seq: number) => readonly WireHead[] | undefined
  /** Returns the proof for going on from `from`. @throws E_NOT_FOUND */
  readonly proof: (log: LogId, from: number) => Proof | Promise<Proof>
  /** Returns entries from `from` on, up to `to` and about `maxBytes`, whole tiles where possible. */
  readonly read: (log: LogId, from: number, to: number, maxBytes: number) => EntryBlock | Promise<EntryBlock>
  /**
   * Returns those of another side's heads that this side wants more of, or wants to look into first.
   * @param node public key of the other side's node, where it is known
   */
  readonly survey: (heads: readonly WireHead[], node?: Uint8Array) => readonly Pull[]
  /**
   * Returns what this side wants of a log that survey() wanted to look into. Nothing of it may be stored. Absent
   * where survey() never wants that.
   * @param block its first entries, proven: the first tile, or all where it has fewer; undefined where they are larger than they may be
   */
  readonly looked?: (head: WireHead, block: ProvenBlock | undefined) => readonly Pull[]
  /** Returns what this side may want the text of; none for everything. It saves others bytes, and accept() judges all the same. */
  readonly interest: () => readonly Interest[]
  /** Returns a number that is another one once the interest may have changed; absent where it never does. */
  readonly interestEpoch?: () => number
  /**
   * Returns of which entries only the hashes are here and the texts are wanted from another side: of the heads that it listed, and of any
   * other log that it may have. Whole tiles, or up to the size that both sides have. Called at least once a session, after survey().
   * @param node public key of the other side's node
   * @param store the 16 bytes of its store, which numbers its `texts`
   */
  readonly seek: (node: Uint8Array, store: Uint8Array, heads: readonly WireHead[]) => readonly TextPull[]
  /**
   * Takes lines that came for seek(), of whole tiles or up to the end of the range: must verify them against this side's own tree before
   * anything else, and judge them. Some may still be withheld.
   * @throws E_ROOT E_LINE E_WITHHELD where they are not the log's: then nothing of them is stored
   */
  readonly takeTexts: (log: LogId, block: EntryBlock, node: Uint8Array, by?: string) => Promise<Taken>
  /** Notes the offer that a long catch-up follows. */
  readonly prepare: (offer: Offer) => void
  /**
   * Judges proven entries and stores them; resolves once there is room for more.
   * @param by peer ID of who brought them, where the connection proves it; absent for what comes from elsewhere
   */
  readonly accept: (log: LogId, blocks: readonly ProvenBlock[], by?: string) => Promise<Taken>
  /** Makes what was accepted durable and puts the checkpoint in place. */
  readonly commit: (log: LogId, checkpoint: Checkpoint, cose: Uint8Array | undefined) => Promise<void>
  /** Keeps a signed head that contradicts the log that is here. */
  readonly conflict: (log: LogId, note: Uint8Array) => Promise<void>
  /** Returns the closings and fork proofs that go out before anything else, at most 100. @see protocols/urgent.md */
  readonly urgent: () => readonly Uint8Array[]
  /** Verifies an urgent record, keeps what it adds, and lets it bite. @throws where it does not verify */
  readonly takeUrgent: (record: Uint8Array) => Promise<void>
  /** Returns of which logs another side's heads say another thing than what is here; they are only claims. */
  readonly contradicted: (heads: readonly WireHead[]) => readonly LogId[]
  /** Returns what this side remembers of another store, by its node's public key. */
  readonly cursor: (node: Uint8Array) => { readonly storeId: string; readonly seq: number } | undefined
  /** Remembers that everything of a store up to a change number is here. */
  readonly setCursor: (node: Uint8Array, storeId: string, seq: number) => void
}
