import { chunkBytes, type Digest } from '../core/index.ts'
import { Folder, FolderReplica } from '../replica/index.ts'
import { type BlobNeed, takeBlobs, Taker } from '../sync/index.ts'
import type { VerbRecord } from './control.ts'
import { type ArtifactNeeds, artifactsIn } from './export-artifacts.ts'
import { reporting } from './reporting.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin export` asks for. */
export interface ExportArgs {
  /** an absolute path */
  readonly replica: string
}

/** Writes all that this node passes on to a folder; yields progress, artifacts and one result. */
export async function* exportVerb({ node, args, signal }: VerbContext<ExportArgs>): AsyncGenerator<VerbRecord> {
  if (!node.writer.lacksTail) node.writer.sign()
  const result = yield* reporting(async (say) => {
    await using source = Folder.open(node.root)
    await using target = FolderReplica.open(args.replica, node.store.network)
    const taker = new Taker(target, { signal, onEntries: (_, events) => say({ kind: 'progress', events } as VerbRecord) })
    const taken = await taker.takeAll(source)
    const spans = node.store.listHeads().map(({ log, size }) => ({ log, from: 0, to: size }))
    const artifacts = await Array.fromAsync(artifactsIn(node.store, node.blobs, spans))
    const needs = inOrder(artifacts).filter(({ digest, sizeBytes }) => target.blobs.size(digest) !== sizeBytes)
    let bytes = 0
    const blobs = await takeBlobs(source, target.blobs, needs, {
      signal,
      leavesOf: async ({ digest }) => await node.blobs.leaves(digest),
      onBytes: (count) => say({ kind: 'progress', bytes: (bytes += count) } as VerbRecord)
    })
    return { taken, blobs, missing: new Set(artifacts.flatMap(({ missing }) => missing)).size }
  })
  const { taken, blobs, missing } = result
  yield {
    kind: 'result',
    complete: taken.faults.length === 0 && blobs.bad.length === 0 && blobs.missing.length === 0,
    events: taken.events,
    refused: 0,
    held: 0,
    blobs: blobs.done.length,
    bytes: taken.bytes + blobs.bytes,
    missing: missing + blobs.missing.length,
    bad: taken.faults.length + blobs.bad.length,
    conflicts: taken.conflicts.length
  } as VerbRecord
}

/** Small blobs first, as they are worth most a byte; then the large ones, in the order in which artifacts become complete. */
export function inOrder(artifacts: readonly ArtifactNeeds[]): readonly BlobNeed[] {
  const large = (blobs: readonly BlobNeed[]): readonly BlobNeed[] => blobs.filter(({ sizeBytes = 0 }) => sizeBytes > chunkBytes)
  const weight = (blobs: readonly BlobNeed[]): number => large(blobs).reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
  const needs = new Map<Digest, BlobNeed>()
  for (const { blobs } of artifacts)
    for (const need of blobs) if ((need.sizeBytes ?? 0) <= chunkBytes) needs.set(need.digest, need)
  for (const { blobs } of artifacts.toSorted((a, b) => weight(a.blobs) - weight(b.blobs)))
    for (const need of large(blobs)) needs.set(need.digest, need)
  return [...needs.values()]
}
