import type { ExportPlan } from '../replica/index.ts'
import type { VerbRecord } from './control.ts'
import type { Filled } from './export-choice.ts'

/** Yields a plan: a record for each log, for each artifact why it goes, what of it, and on which volume; at last the sums. */
export function* planRecords(plan: ExportPlan, { media, bytes, left }: Filled): Generator<VerbRecord, void, void> {
  for (const { head, from, chosen, withheld } of plan.logs)
    yield { kind: 'log', log: head.log, from, to: head.size, chosen, withheld } as VerbRecord
  const volumeOf = new Map(media.flatMap(({ plan: { artifacts } }, i) => artifacts.map(({ digest }) => [digest, i + 1])))
  const counted = new Set<string>()
  for (const artifact of plan.artifacts) {
    const { digest, name, type, why, blobs, omitted, missing } = artifact
    const fresh = blobs.filter(({ digest: blob }) => !counted.has(blob))
    for (const { digest: blob } of blobs) counted.add(blob)
    yield {
      kind: 'artifact',
      digest,
      name,
      type,
      why,
      fits: volumeOf.has(digest),
      volume: volumeOf.get(digest) ?? null,
      bytes: artifact.bytes,
      shared: artifact.bytes - fresh.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      blobs: blobs.map(({ digest: blob, sizeBytes, role }) => ({ digest: blob, bytes: sizeBytes, role })),
      omitted,
      missing
    } as VerbRecord
  }
  yield {
    kind: 'plan',
    fits: left.length === 0,
    artifacts: plan.artifacts.length,
    there: plan.there,
    left: left.length,
    volumes: media.map(({ plan: { artifacts }, blobs }, i) => ({
      volume: i + 1,
      artifacts: artifacts.length,
      blobs: blobs.length,
      bytes: bytes[i] ?? 0
    }))
  } as VerbRecord
}
