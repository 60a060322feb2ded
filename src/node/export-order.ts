import { chunkBytes, type Digest, equal, type Frontier, type LogId } from '../core/index.ts'
import type { ListedRoot } from '../replica/index.ts'
import type { BlobNeed, Held } from '../sync/index.ts'
import type { ArtifactNeeds } from './export-artifacts.ts'
import type { Node } from './node.ts'

/** Small blobs first, as they are worth most a byte; then the large ones, in the order in which artifacts become complete. */
export function inOrder(artifacts: readonly ArtifactNeeds[]): readonly BlobNeed[] {
  const large = (blobs: readonly BlobNeed[]): readonly BlobNeed[] => blobs.filter(({ sizeBytes = 0 }) => sizeBytes > chunkBytes)
  const weight = (blobs: readonly BlobNeed[]): number => large(blobs).reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
  const needs = new Map<Digest, BlobNeed>()
  for (const { blobs } of artifacts)
    for (const need of blobs) if ((need.sizeBytes ?? 0) <= chunkBytes) needs.set(need.digest, need)
  const byWeight = artifacts.map((one) => ({ one, bytes: weight(one.blobs) })).toSorted((a, b) => a.bytes - b.bytes)
  for (const { one } of byWeight) for (const need of large(one.blobs)) needs.set(need.digest, need)
  return [...needs.values()]
}

/** Returns the artifacts that are whole, for index.json: with the name of the newest event that gives one. */
export function rootsOf(artifacts: readonly ArtifactNeeds[], lacking: ReadonlySet<Digest>): readonly ListedRoot[] {
  const newest = new Map<string, ArtifactNeeds>()
  const roots: ListedRoot[] = []
  for (const one of artifacts) {
    if (one.missing.length > 0 || one.blobs.some(({ digest }) => lacking.has(digest))) continue
    const tag = tagOf(one)
    if (tag === undefined) roots.push({ descriptor: descriptorOf(one), tag: undefined })
    else if (one.event.hlc >= (newest.get(tag)?.event.hlc ?? '')) newest.set(tag, one)
  }
  for (const [tag, one] of newest) roots.push({ descriptor: descriptorOf(one), tag })
  return roots.filter(({ descriptor }) => descriptor.mediaType.endsWith('+json'))
}

function tagOf({ event, digest }: ArtifactNeeds): string | undefined {
  const { repository, tag } = event.data
  if (typeof repository !== 'string') return undefined
  return typeof tag === 'string' ? `${repository}:${tag}` : `${repository}@${digest}`
}

function descriptorOf({ digest, event, blobs }: ArtifactNeeds): ListedRoot['descriptor'] {
  const { mediaType } = event.data
  return { mediaType: typeof mediaType === 'string' ? mediaType : '', digest, size: blobs[0]?.sizeBytes ?? 0 }
}

/** Returns what all of some nodes hold of each log: as far as their frontiers are of the history that is here. */
export function heldBy(node: Node, receivers: readonly Pick<Frontier, 'heads'>[]): ReadonlyMap<LogId, Held> {
  const held = new Map<LogId, Held>()
  if (receivers.length === 0) return held
  for (const { log, size } of node.store.listHeads()) {
    const { tiles, checkpoint } = node.store.needFolder(log)
    const sizes = receivers.map(({ heads }) => {
      const theirs = heads.find((head) => head.log === log)
      if (theirs === undefined || theirs.size === 0) return 0
      // who is ahead of this node holds at least all that it has
      if (theirs.size > size) return size
      const root = theirs.size === size ? checkpoint?.root : tiles.treeAt(theirs.size).root()
      return root !== undefined && equal(root, theirs.root) ? theirs.size : 0
    })
    const from = Math.min(...sizes)
    if (from > 0) held.set(log, { from, known: sizes })
  }
  return held
}

/** Returns what a file of so many bytes takes on a medium. */
export function rounded(bytes: number, blockBytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes
}

/** Returns a number of bytes for people, e.g. `12.3 MB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${Math.max(0, Math.round(bytes))} bytes`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = -1
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ${units[unit] ?? 'kB'}`
}
