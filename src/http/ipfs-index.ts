import { type Cid, chunkBytes, type Digest, dagOfLeaves, digestOfHash, linksOfNode } from '../core/index.ts'
import type { Node } from '../node/index.ts'

/** What a CID stands for here: all of a blob, or one chunk or node of the DAG of a large one. */
export type IpfsBlock =
  | { readonly kind: 'blob'; readonly digest: Digest; readonly sizeBytes: number }
  /** with the bytes [from, to) of the blob that are below it */
  | { readonly kind: 'node'; readonly digest: Digest; readonly bytes: Uint8Array; readonly from: number; readonly to: number }
  | { readonly kind: 'chunk'; readonly digest: Digest; readonly from: number; readonly to: number }

interface Known {
  readonly digest: Digest
  /** of a node, none for a chunk */
  readonly bytes: Uint8Array | undefined
  readonly firstChunk: number
  readonly chunkCount: number
}

/** how often new large blobs are looked for at most, where a CID is not known: whoever asks for nonsense must not cost more, in milliseconds */
const scanEveryMs = 1000

/** Which blob a CID belongs to. Small ones need no index, since their CID is their digest; of large ones nodes and chunks are noted as they are found. */
export class IpfsIndex {
  private readonly node: Node
  private readonly known = new Map<Cid, Known>()
  private readonly scanned = new Set<Digest>()
  private scanning: Promise<void> | undefined
  private scannedMs = Number.NEGATIVE_INFINITY

  constructor(node: Node) {
    this.node = node
  }

  /** Returns what a CID stands for, of what is passed on. @param hash its SHA-256 */
  async find(cid: Cid, isRaw: boolean, hash: Uint8Array): Promise<IpfsBlock | undefined> {
    const digest = digestOfHash(hash)
    if (isRaw && this.isShared(digest)) return { kind: 'blob', digest, sizeBytes: this.node.blobs.size(digest) ?? 0 }
    return this.knownBlock(cid) ?? ((await this.scan()) ? this.knownBlock(cid) : undefined)
  }

  private isShared(digest: Digest): boolean {
    return this.node.blobs.placeOf(digest) === 'shared'
  }

  private knownBlock(cid: Cid): IpfsBlock | undefined {
    const found = this.known.get(cid)
    const sizeBytes = found && this.isShared(found.digest) ? this.node.blobs.size(found.digest) : undefined
    if (found === undefined || sizeBytes === undefined) return undefined
    const { digest, bytes, firstChunk, chunkCount } = found
    const from = firstChunk * chunkBytes
    const to = Math.min(sizeBytes, from + chunkCount * chunkBytes)
    return bytes === undefined ? { kind: 'chunk', digest, from, to } : { kind: 'node', digest, bytes, from, to }
  }

  /** Looks for large blobs that came since. @returns whether it did */
  private async scan(): Promise<boolean> {
    if (this.scanning === undefined && performance.now() - this.scannedMs < scanEveryMs) return false
    this.scanning ??= this.scanAll().finally(() => {
      this.scanning = undefined
      this.scannedMs = performance.now()
    })
    await this.scanning
    return true
  }

  private async scanAll(): Promise<void> {
    const { blobs } = this.node
    for await (const { digest, place } of blobs.list()) {
      if (place !== 'shared' || this.scanned.has(digest)) continue
      const sizeBytes = blobs.size(digest) ?? 0
      if (sizeBytes > chunkBytes) this.note(digest, await blobs.leaves(digest), sizeBytes)
      this.scanned.add(digest)
    }
  }

  private note(digest: Digest, leaves: Uint8Array, sizeBytes: number): void {
    const { root, nodes } = dagOfLeaves(leaves, sizeBytes)
    const nodeOf = new Map(nodes.map(({ cid, bytes }) => [cid, bytes]))
    const noteBelow = (cid: Cid, firstChunk: number): number => {
      const bytes = nodeOf.get(cid)
      let next = firstChunk
      if (bytes === undefined) next++
      else for (const { cid: child } of linksOfNode(bytes)) next = noteBelow(child, next)
      this.known.set(cid, { digest, bytes, firstChunk, chunkCount: next - firstChunk })
      return next
    }
    noteBelow(root, 0)
  }

  /** Returns the bytes of a node and how many chunks of its blob are below it, where it is one. */
  nodeOf(cid: Cid): { readonly bytes: Uint8Array; readonly chunkCount: number } | undefined {
    const { bytes, chunkCount = 1 } = this.known.get(cid) ?? {}
    return bytes && { bytes, chunkCount }
  }
}
