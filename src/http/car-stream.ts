import {
  carBlockHead,
  carHeader,
  chunkBytes,
  type Cid,
  equal,
  hashOfCid,
  linksOfNode,
  RejoinError,
  sha256
} from '../core/index.ts'

/** The DAG of a file from one of its nodes on, as blocks. */
export interface CarSource {
  readonly root: Cid
  readonly sizeBytes: number
  /** Returns the bytes of a node, undefined for a leaf. */
  readonly nodeOf: (cid: Cid) => { readonly bytes: Uint8Array; readonly chunkCount: number } | undefined
  /** Returns bytes [from, to) of the file below the root. */
  readonly read: (from: number, to: number) => Promise<Uint8Array>
}

/** What of it is sent. */
export interface CarOptions {
  readonly dups: boolean
  /** the bytes of the file whose blocks are sent; none for the root alone */
  readonly span: { readonly from: number; readonly to: number } | undefined
}

/**
 * Yields a CAR, version 1, depth first: the header, the root, and of what is below only what the bytes need. Each leaf is compared with its
 * hash, so that damage on disk ends the stream and is not passed on.
 * @throws E_BAD_OBJECT
 */
export async function* carOf(source: CarSource, { dups, span }: CarOptions): AsyncGenerator<Uint8Array, void, void> {
  yield carHeader(source.root)
  const sent = new Set<Cid>()
  const isNew = (cid: Cid): boolean => {
    if (dups) return true
    if (sent.has(cid)) return false
    sent.add(cid)
    return true
  }
  /** @param chunk the first chunk of the file that is below it */
  async function* walk(cid: Cid, chunk: number): AsyncGenerator<Uint8Array, number, void> {
    const node = source.nodeOf(cid)
    if (node === undefined) {
      const from = chunk * chunkBytes
      if (isNew(cid)) {
        const bytes = await source.read(from, Math.min(source.sizeBytes, from + chunkBytes))
        if (!equal(sha256(bytes), hashOfCid(cid))) throw new RejoinError('E_BAD_OBJECT', `block ${cid} is damaged here`)
        yield carBlockHead(cid, bytes.length)
        yield bytes
      }
      return chunk + 1
    }
    if (isNew(cid)) {
      yield carBlockHead(cid, node.bytes.length)
      yield node.bytes
    }
    if (span === undefined) return chunk
    let next = chunk
    for (const { cid: child } of linksOfNode(node.bytes)) {
      const end = next + (source.nodeOf(child)?.chunkCount ?? 1)
      if (end * chunkBytes > span.from && next * chunkBytes < span.to) yield* walk(child, next)
      next = end
    }
    return next
  }
  yield* walk(source.root, 0)
}
