import { concat, hex } from '../bytes.ts'
import { type Digest, digestParts, hashOfDigest, parseDigest } from '../digest.ts'
import { RejoinError } from '../error.ts'
import { bytes, type Kind, uint64 } from '../protobuf-kind.ts'
import { field, message, type MessageCodec, oneOf, repeated } from '../protobuf.ts'
import { varintSize, writeVarint } from '../varint.ts'
import { chunkBytes, chunkCount, maxBlobBytes } from './blob-dag.ts'

/** Digests in one request. */
export const maxDigests = 1024
/** Chunks in one request. */
export const maxChunks = 64
/** Bytes of a blob in one piece. */
export const pieceBytes = 262_144
/** The longest frame, without its length. */
export const maxFrameBytes: number = pieceBytes + 64

/** Returns the protocol's name on a network, as libp2p negotiates it. */
export function blobProtocol(network: string): string {
  return `/rejoin/${network}/blob/1`
}

/** What the asker sends. Each request is answered in turn. @see protocols/blobs.md */
export type BlobRequest =
  /** whole blobs, as far as they are of at most one chunk */
  | { readonly kind: 'blobs'; readonly digests: readonly Digest[] }
  /** the leaf hashes of a larger one */
  | { readonly kind: 'leaves'; readonly digest: Digest }
  /** chunks from `first` on */
  | { readonly kind: 'chunks'; readonly digest: Digest; readonly first: number; readonly count: number }
  /** nothing is asked: what the other side asked for in vain is here now */
  | { readonly kind: 'have'; readonly digests: readonly Digest[] }
  /** nothing more is asked; with the number of blobs, leaf lists and ranges that were */
  | { readonly kind: 'end'; readonly count: number }

/** What became of one wanted thing: its bytes follow, or one of the reasons why not. */
export type BlobStatus = 'here' | 'absent' | 'refused' | 'large'

/** What the answering side sends: for each wanted thing a header and its bytes in pieces, at last an end with counts. */
export type BlobAnswer =
  /** sizeBytes: of the whole blob, 0 where it is absent or refused */
  | { readonly kind: 'header'; readonly status: BlobStatus; readonly sizeBytes: number }
  | { readonly kind: 'piece'; readonly bytes: Uint8Array }
  /** everything asked was answered; with the number of headers and of bytes in pieces */
  | { readonly kind: 'end'; readonly count: number; readonly sizeBytes: number }

const multihashCodes = { sha256: 0x12, sha512: 0x13 } as const

/** Returns a digest as multihash: `12 20` and 32 bytes for sha256, `13 40` and 64 for sha512. */
export function multihashOf(digest: Digest): Uint8Array {
  const hash = hashOfDigest(digest)
  return concat([Uint8Array.of(multihashCodes[digestParts(digest).algorithm], hash.length), hash])
}

/**
 * Returns the digest that a multihash stands for.
 * @throws E_DIGEST where it is none, or of another algorithm
 */
export function digestOfMultihash(multihash: Uint8Array): Digest {
  const algorithm =
    multihash[0] === multihashCodes.sha256 ? 'sha256' : multihash[0] === multihashCodes.sha512 ? 'sha512' : undefined
  if (algorithm === undefined || multihash[1] !== multihash.length - 2)
    throw new RejoinError('E_DIGEST', 'not a multihash of sha256 or sha512')
  return parseDigest(`${algorithm}:${hex(multihash.subarray(2))}`)
}

const multihash = bytes(66, 34)
const digestKind: Kind<Digest> = {
  wire: 2,
  zero: undefined,
  isZero: () => false,
  size: (digest) => multihash.size(multihashOf(digest)),
  write: (digest, to, at) => multihash.write(multihashOf(digest), to, at),
  read: (cursor) => digestOfMultihash(multihash.read(cursor))
}

const statuses: readonly BlobStatus[] = ['here', 'absent', 'refused', 'large']
const statusNumber = uint64(statuses.length - 1)
const statusKind: Kind<BlobStatus> = {
  wire: 0,
  zero: 'here',
  isZero: (status) => status === 'here',
  size: () => 1,
  write: (status, to, at) => statusNumber.write(statuses.indexOf(status), to, at),
  read: (cursor) => statuses[statusNumber.read(cursor)] as BlobStatus
}

const maxFirst = chunkCount(maxBlobBytes) - 1

/** The codec of requests. @see protocols/proto/blobs.proto */
export const blobRequest: MessageCodec<BlobRequest> = oneOf<BlobRequest>({
  blobs: [1, message({ digests: repeated(1, digestKind, maxDigests) })],
  leaves: [2, message({ digest: field(1, digestKind) })],
  chunks: [3, message({ digest: field(1, digestKind), first: field(2, uint64(maxFirst)), count: field(3, uint64(maxChunks)) })],
  have: [4, message({ digests: repeated(1, digestKind, maxDigests) })],
  end: [15, message({ count: field(1, uint64()) })]
})

/** The codec of answers. @see protocols/proto/blobs.proto */
export const blobAnswer: MessageCodec<BlobAnswer> = oneOf<BlobAnswer>({
  header: [1, message({ status: field(1, statusKind), sizeBytes: field(2, uint64(maxBlobBytes)) })],
  piece: [2, message({ bytes: field(1, bytes(pieceBytes)) })],
  end: [15, message({ count: field(1, uint64()), sizeBytes: field(2, uint64()) })]
})

/**
 * Returns the bytes that stand before a piece's own in its frame, so that they can be sent without being copied.
 * @param sizeBytes of the piece, from 1 to 262,144
 */
export function pieceHead(sizeBytes: number): Uint8Array {
  const field1 = 1 + varintSize(sizeBytes) + sizeBytes
  const field2 = 1 + varintSize(field1) + field1
  const head = new Uint8Array(pieceHeadBytes)
  let at = writeVarint(head, 0, field2)
  head[at++] = 0x12
  at = writeVarint(head, at, field1)
  head[at++] = 0x0a
  return head.subarray(0, writeVarint(head, at, sizeBytes))
}

/** The most bytes that pieceHead returns. */
export const pieceHeadBytes = 11

/** Returns how many bytes a range of chunks has. */
export function rangeBytes(sizeBytes: number, first: number, count: number): number {
  return Math.max(0, Math.min(sizeBytes, (first + count) * chunkBytes) - first * chunkBytes)
}
