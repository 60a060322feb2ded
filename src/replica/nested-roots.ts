import { blobPath, codeOf, type Digest, digestOf, isDigest, isObject, parseStrict, partsPath, utf8 } from '../core/index.ts'
import { type Descriptor, OciIndex, type Outside, type RootChange, tagOfRoot } from '../store/index.ts'
import { changesFor, type ListedRoot } from './folder-listing.ts'
import type { FolderReplica } from './folder-replica.ts'

const indexType = 'application/vnd.oci.image.index.v1+json'
const rootsType = 'application/vnd.rejoin.roots.v1+json'
/** roots without a name that index.json lists by itself: so many are written again with each run */
const openCount = 64
const maxListBytes = 64 * 1024 * 1024
const maxSmallBytes = 1024 * 1024
/** an index.json from elsewhere is not read over this */
const maxIndexBytes = 64 * 1024 * 1024

/**
 * Lists artifacts in index.json, as listRoots does; where it lists many that have no name, these go to an index of their own, a blob that index.json lists, so that a run
 * with little to bring writes little. What has a name stays in index.json, where other programs look for it.
 * @throws E_NO_SPACE E_IO E_DAMAGED
 */
export async function settleRoots(target: FolderReplica, roots: readonly ListedRoot[]): Promise<void> {
  const index = OciIndex.open(target.root)
  const lists = index.roots().filter(isList)
  const nested = new Set(lists.flatMap((list) => listedIn(target, list)))
  const changes = changesFor(index, roots).filter((change) => change.kind !== 'add' || !nested.has(change.descriptor.digest))
  const tagged = new Set(index.tags())
  const open = index.roots().filter((root) => !tagged.has(root) && !isList(root))
  const fresh = changes.flatMap((change) => (change.kind === 'add' && !isList(change.descriptor) ? [change.descriptor] : []))
  if (open.length + fresh.length <= openCount) return write(target, index, changes)
  const bytes = utf8(
    JSON.stringify({ schemaVersion: 2, mediaType: indexType, artifactType: rootsType, manifests: [...open, ...fresh] })
  )
  const digest = digestOf(bytes)
  if (bytes.length <= maxSmallBytes) await target.blobs.putMany([{ bytes, digest }])
  else await target.blobs.put(once(bytes), { digest, sizeBytes: bytes.length })
  const into = { mediaType: indexType, digest, size: bytes.length, artifactType: rootsType }
  write(target, index, [
    ...changes.filter((change) => change.kind !== 'add' || isList(change.descriptor)),
    { kind: 'nest', into, digests: open.map((root) => root.digest) }
  ])
}

/** Lists in index.json what another folder lists, as far as the blobs are there. What is damaged there is left out. */
export async function listFrom(target: FolderReplica, files: Outside): Promise<void> {
  let roots: readonly Descriptor[]
  try {
    if ((files.size('index.json') ?? 0) > maxIndexBytes) return
    roots = OciIndex.open(files.root, { readOnly: true }).roots()
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return
  }
  const there = roots.filter(({ digest, size }) => target.blobs.size(digest) === size)
  await settleRoots(
    target,
    there.map((descriptor) => ({ descriptor, tag: tagOfRoot(descriptor) }))
  )
}

function write(target: FolderReplica, index: OciIndex, changes: readonly RootChange[]): void {
  if (changes.length === 0) return
  target.sums.drop((path) => path === 'index.json')
  target.sums.write()
  index.change(changes)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield await Promise.resolve(bytes)
}

function isList(root: Descriptor): boolean {
  return root['artifactType'] === rootsType && root.mediaType === indexType
}

/** Returns the digests that such an index lists, none where it is damaged or not there. */
function listedIn({ files }: FolderReplica, { digest }: Descriptor): readonly Digest[] {
  try {
    const bytes = files.read(blobPath(digest), maxListBytes) ?? files.read(partsPath(digest, 0), maxListBytes)
    const value = bytes && parseStrict(bytes, { maxBytes: maxListBytes, maxDepth: 16 })
    const manifests = isObject(value) && Array.isArray(value['manifests']) ? value['manifests'] : []
    return manifests.flatMap((one) => {
      const found = isObject(one) ? one['digest'] : undefined
      return typeof found === 'string' && isDigest(found) ? [found] : []
    })
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined || code === 'E_IO' || code === 'E_GONE') throw error
    return []
  }
}
