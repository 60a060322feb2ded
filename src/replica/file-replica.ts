import type { Digest, EntryBlock, LogId, Offer, PublicKey } from '../core/index.ts'

/** A log as a replica of files lists it. All of it is a claim that offer() and the log's first line prove. */
export interface FileHead {
  readonly log: LogId
  readonly size: number
  readonly root: Uint8Array
  /** the writer, as the log's first line says; who lists the head may lie, and the first line is compared when it is taken */
  readonly author: PublicKey
  /** what changes whenever other texts are put in the place of hashes in this log, 0 where that is not known */
  readonly texts: number
}

/** How an operation that waits is stopped. */
export interface Waiting {
  readonly signal: AbortSignal
}

/** Something in a replica that can't be taken as it is. */
export interface FileFault {
  /** the path within the replica */
  readonly path: string
  /** where in the file, in bytes, as far as that is known */
  readonly offset?: number
  readonly reason: string
  readonly code: string
}

/**
 * What can be read of a replica that is files and runs nothing: a folder, an archive, a web root. Nothing that it returns is proven but where a
 * method says so; `sync/take.ts` proves all of it before anything is kept. Implementers must bound every size before they read, must build
 * every path from an ID, a digest or a number, must follow no link, and must write nothing. What is missing is undefined or an empty
 * iteration; damage is thrown with a code (then the caller goes on with the next object), and E_GONE where all of it went away.
 */
export interface FileReplica extends AsyncDisposable {
  /** what a person called it: a path or an address */
  readonly name: string
  readonly network: string
  /** 32 hexadecimal digits that this copy was given when it was made, where it says so; a node's data folder has those of its journal */
  readonly storeId: string | undefined
  /** Returns the heads that it lists; logs of which nothing can be read are left out and told to `onFault`. */
  readonly heads: (wait: Waiting & { readonly onFault?: (fault: FileFault) => void }) => Promise<readonly FileHead[]>
  /**
   * Returns the signed head of a log, with the hashes that lead to it from an entry on. Its signature must have been verified with the key that `head` names.
   * @param from entries that the caller has: the hashes begin with the tile that holds it
   * @param derive true: make the hashes from the lines, since those in tiles turned out to be wrong
   * @throws E_NOT_FOUND where it has no checkpoint or not so many entries · E_SIGNATURE E_CHECKPOINT … · E_INCOMPLETE where neither
   * tiles nor lines give a hash
   */
  readonly offer: (head: FileHead, from: number, wait: Waiting & { readonly derive?: boolean }) => Promise<Offer>
  /**
   * Yields the entries [from, to) in order; each block ends at the end of a tile of 256 or at `to`, and begins at the line that holds its first entry: the
   * first may begin before `from`, where a withheld run reaches over it. A block has at most 1,024 entries.
   * @throws E_INCOMPLETE where lines are missing · E_TOO_LARGE E_LINE E_WITHHELD; what was yielded before stands
   */
  readonly blocks: (log: LogId, from: number, to: number, wait: Waiting) => AsyncIterable<EntryBlock>
  /** Returns the leaf hashes of a level-0 tile, 32 bytes each, as many as there are; undefined where there is no such file. To name a damaged line. */
  readonly leaves: (log: LogId, tile: number, width: number, wait: Waiting) => Promise<Uint8Array | undefined>
  /** Takes note of which blobs will be asked for, in this order, where asking takes long. */
  readonly expect?: (digests: readonly Digest[]) => void
  /** Returns the bytes of a blob, counted, or undefined where it is not there. */
  readonly size: (digest: Digest, wait: Waiting) => Promise<number | undefined>
  /** Returns all of a blob of at most 1 MiB at once, or undefined where it must be read with blob(). Not compared with the digest. @throws as blob */
  readonly small?: (digest: Digest, sizeBytes: number) => Uint8Array | undefined
  /**
   * Yields a blob from a byte on, in pieces of up to 1 MiB; a piece is valid until the next one is asked for, and where it is all of a blob, for ever. Not
   * compared with the digest.
   * @throws E_NOT_FOUND · E_BAD_OBJECT where it is not what size() said · E_GONE
   */
  readonly blob: (digest: Digest, fromByte: number, wait: Waiting) => AsyncIterable<Uint8Array>
  /** Yields closings and fork proofs, which go before anything else; not verified. @see protocols/urgent.md */
  readonly urgent: (wait: Waiting) => AsyncIterable<Uint8Array>
  /** Yields the signed frontiers of nodes that lie there, not verified. @see protocols/frontier.md */
  readonly frontiers: (wait: Waiting) => AsyncIterable<Uint8Array>
  /** Yields the signed receipts of imports that lie there, not verified. @see protocols/receipt.md */
  readonly receipts: (wait: Waiting) => AsyncIterable<Uint8Array>
}
