import { base32Of, concat, fromBase32 } from '../bytes.ts'
import { type Digest, digestParts, hashOfDigest, sha256 } from '../digest.ts'
import { RejoinError } from '../error.ts'
import { bytes, text, uint64 } from '../protobuf-kind.ts'
import { field, message, type MessageCodec, repeated } from '../protobuf.ts'

/** Bytes in a chunk of a large blob; the last one may be shorter. */
export const chunkBytes = 1_048_576
/** Links in one node of the DAG. */
export const dagWidth = 1024
/** The largest blob that is exchanged: 2^40 bytes, whose leaf hashes take 32 MiB. */
export const maxBlobBytes: number = 2 ** 40

/** A CIDv1 with sha2-256, lower-case base32, e.g. `bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku`. */
export type Cid = string & { readonly __cid: true }

const rawCodec = 0x55
const dagPbCodec = 0x70

function cidBytes(codec: number, hash32: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(1, codec, 0x12, 0x20), hash32])
}

const spell = (binary: Uint8Array): Cid => `b${base32Of(binary)}` as Cid

/**
 * Returns a text as CID.
 * @throws E_DIGEST where it is not a CIDv1 of a raw leaf or a DAG-PB node with sha2-256, in base32
 */
export function parseCid(cid: string): Cid {
  const binary = cid.length === 59 && cid.startsWith('b') ? fromBase32(cid.slice(1)) : undefined
  const known =
    binary?.[0] === 1 && (binary[1] === rawCodec || binary[1] === dagPbCodec) && binary[2] === 0x12 && binary[3] === 0x20
  if (binary?.length !== 36 || !known) throw new RejoinError('E_DIGEST', `not a CID: ${JSON.stringify(cid.slice(0, 80))}`)
  return cid as Cid
}

/** Returns the CID of bytes as one raw leaf, from their SHA-256: it is the CID of a small blob. */
export function rawCid(hash32: Uint8Array): Cid {
  return spell(cidBytes(rawCodec, hash32))
}

/** Returns the CID that a sha256 digest is another spelling of, where the blob is small; undefined for sha512. */
export function cidOfDigest(digest: Digest): Cid | undefined {
  return digestParts(digest).algorithm === 'sha256' ? rawCid(hashOfDigest(digest)) : undefined
}

/** Returns how many chunks a blob has: at least one. */
export function chunkCount(sizeBytes: number, chunk: number = chunkBytes): number {
  return Math.max(1, Math.ceil(sizeBytes / chunk))
}

interface UnixFs {
  readonly type: number
  readonly sizeBytes: number
}
interface Link {
  readonly hash: Uint8Array
  readonly name: string
  readonly totalBytes: number
}
interface PbNode {
  readonly links: readonly Link[]
  readonly data: Uint8Array
}

// A leaf's CID has 36 bytes. DAG-PB writes the links (field 2) before the data (field 1), and a link's name even where it is empty.
const alwaysText = { ...text(0), zero: undefined }
const link: MessageCodec<Link> = message<Link>({
  hash: field(1, bytes(36)),
  name: field(2, alwaysText),
  totalBytes: field(3, { ...uint64(), zero: undefined })
})
const pbNode: MessageCodec<PbNode> = message<PbNode>({
  links: repeated(2, link, dagWidth),
  data: field(1, bytes(dagWidth * 9 + 32))
})
const unixFs: MessageCodec<UnixFs> = message<UnixFs>({ type: field(1, uint64()), sizeBytes: field(3, uint64()) })
const blockSize: MessageCodec<{ readonly sizeBytes: number }> = message({ sizeBytes: field(4, { ...uint64(), zero: undefined }) })
const fileType = 2

/** A node that links to others; a leaf is not one, since its bytes lie in the blob itself. */
export interface DagNode {
  readonly cid: Cid
  readonly bytes: Uint8Array
}

/** The DAG of a blob: the CID of its root, and its nodes from the lowest level to the root; none where the blob is a single leaf. */
export interface Dag {
  readonly root: Cid
  readonly nodes: readonly DagNode[]
}

interface Child {
  readonly cid: Uint8Array
  readonly sizeBytes: number
  /** of the child's own bytes and all below it */
  readonly totalBytes: number
}

function parentOf(children: readonly Child[]): { readonly child: Child; readonly node: Uint8Array } {
  const sizeBytes = children.reduce((sum, child) => sum + child.sizeBytes, 0)
  // UnixFS's blocksizes are written unpacked: its schema is proto2.
  const data = concat([unixFs.encode({ type: fileType, sizeBytes }), ...children.map((child) => blockSize.encode(child))])
  const links = children.map((child) => ({ hash: child.cid, name: '', totalBytes: child.totalBytes }))
  const node = pbNode.encode({ links, data })
  const totalBytes = children.reduce((sum, child) => sum + child.totalBytes, node.length)
  return { child: { cid: cidBytes(dagPbCodec, sha256(node)), sizeBytes, totalBytes }, node }
}

/** How a blob is cut, where it is not as this project cuts it. */
export interface DagShape {
  readonly chunk?: number
  readonly width?: number
}

/**
 * Returns the UnixFS DAG over the chunks of a blob: CIDv1, raw leaves, balanced, where a single leaf stands for itself.
 * @param leafHashes the SHA-256 of each chunk, 32 bytes each, one behind the other
 * @throws E_BAD_OBJECT where their number does not fit the size
 * @see protocols/blobs.md#BLOB-3
 */
export function dagOfLeaves(
  leafHashes: Uint8Array,
  sizeBytes: number,
  { chunk = chunkBytes, width = dagWidth }: DagShape = {}
): Dag {
  const count = chunkCount(sizeBytes, chunk)
  if (leafHashes.length !== count * 32) {
    throw new RejoinError('E_BAD_OBJECT', `${leafHashes.length} bytes of leaf hashes do not fit a blob of ${sizeBytes} bytes`)
  }
  let level: Child[] = []
  for (let i = 0; i < count; i++) {
    const leafBytes = Math.min(chunk, sizeBytes - i * chunk)
    level.push({ cid: cidBytes(rawCodec, leafHashes.subarray(i * 32, i * 32 + 32)), sizeBytes: leafBytes, totalBytes: leafBytes })
  }
  const nodes: DagNode[] = []
  while (level.length > 1) {
    const up: Child[] = []
    for (let i = 0; i < level.length; i += width) {
      const { child, node } = parentOf(level.slice(i, i + width))
      nodes.push({ cid: spell(child.cid), bytes: node })
      up.push(child)
    }
    level = up
  }
  return { root: spell((level[0] as Child).cid), nodes }
}

/** Returns the 32 hash bytes of a CID. */
export function hashOfCid(cid: Cid): Uint8Array {
  return (fromBase32(cid.slice(1)) as Uint8Array).slice(4)
}

/**
 * Returns what a node of a blob's DAG links to, in order: leaves or other nodes.
 * @throws E_FRAME E_DIGEST where the bytes are no such node
 */
export function linksOfNode(node: Uint8Array): readonly { readonly cid: Cid; readonly isLeaf: boolean }[] {
  return pbNode.decode(node).links.map(({ hash }) => {
    const cid = parseCid(spell(hash))
    return { cid, isLeaf: hash[1] === rawCodec }
  })
}
