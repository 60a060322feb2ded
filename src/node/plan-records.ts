import type { Digest } from '../core/index.ts'
import type { ExportPlan, PlannedBlob } from '../replica/index.ts'
import type { VerbRecord } from './control.ts'
import type { Filled } from './export-choice.ts'
import type { FolderShare } from './folder-plan.ts'

/** What is known of a medium before it is written: what lies there, and its room. */
export interface KnownShare extends Pick<FolderShare, 'dir' | 'inParts' | 'room'> {
  /** blobs of the plan that lie there, and how that is known; `remembered`: on an encrypted medium, which this node can't read, it put them there itself */
  readonly there: ReadonlyMap<Digest, 'listed' | 'hashed' | 'remembered'>
}

/** Yields a plan: a record for each log, for each artifact why it goes, what of it, and on which volume; at last the sums. */
export function* planRecords(
  plan: ExportPlan,
  { media, bytes, left }: Filled,
  shares: readonly KnownShare[] = []
): Generator<VerbRecord, void, void> {
  for (const { head, from, chosen, withheld } of plan.logs)
    yield { kind: 'log', log: head.log, from, to: head.size, chosen, withheld } as VerbRecord
  const volumeOf = new Map(media.flatMap(({ plan: { artifacts } }, i) => artifacts.map(({ digest }) => [digest, i + 1])))
  const counted = new Set<string>()
  for (const artifact of plan.artifacts) {
    const { digest, name, type, why, blobs, omitted, missing } = artifact
    const fresh = blobs.filter(({ digest: blob }) => !counted.has(blob))
    for (const { digest: blob } of blobs) counted.add(blob)
    const volume = volumeOf.get(digest)
    const share = volume === undefined ? undefined : shares[volume - 1]
    yield {
      kind: 'artifact',
      digest,
      name,
      type,
      why,
      fits: volume !== undefined,
      volume: volume ?? null,
      bytes: artifact.bytes,
      shared: artifact.bytes - sizeOf(fresh),
      ...(share !== undefined && { toWrite: sizeOf(blobs.filter(({ digest: blob }) => !share.there.has(blob))) }),
      blobs: blobs.map(({ digest: blob, sizeBytes, role }) => ({
        digest: blob,
        bytes: sizeBytes,
        role,
        ...(share !== undefined && placed(share, blob))
      })),
      omitted,
      missing
    } as VerbRecord
  }
  const hasRoom = !shares.some(({ room: { device, roomBytes } }) => neededOn(shares, device) > roomBytes)
  yield {
    kind: 'plan',
    fits: left.length === 0 && hasRoom,
    artifacts: plan.artifacts.length,
    there: plan.there,
    left: left.length,
    volumes: media.map(({ plan: { artifacts }, blobs }, i) => ({
      volume: i + 1,
      artifacts: artifacts.length,
      blobs: blobs.length,
      bytes: bytes[i] ?? 0,
      ...(shares[i] !== undefined && sumsOf(shares[i], blobs))
    }))
  } as VerbRecord
}

/** A volume that is going to be written, named before the first write. */
export function volumeRecord(volume: number, path: string, artifacts: number, blobs: readonly PlannedBlob[]): VerbRecord {
  return { kind: 'volume', volume, path, artifacts, blobs: blobs.length, bytes: sizeOf(blobs) } as VerbRecord
}

/** `there` says how it is known that a blob lies there, null where it goes now. */
function placed({ there, inParts }: KnownShare, digest: Digest): object {
  return { there: there.get(digest) ?? null, ...(inParts.has(digest) && { parts: true }) }
}

function sumsOf({ dir, there, inParts, room }: KnownShare, blobs: readonly PlannedBlob[]): object {
  const lying = blobs.filter(({ digest }) => there.has(digest))
  return {
    path: dir,
    there: lying.length,
    hashed: lying.filter(({ digest }) => there.get(digest) === 'hashed').length,
    parts: inParts.size,
    needed: room.neededBytes,
    room: room.roomBytes
  }
}

function neededOn(shares: readonly KnownShare[], device: number): number {
  return shares.reduce((sum, { room }) => sum + (room.device === device ? room.neededBytes : 0), 0)
}

function sizeOf(blobs: readonly PlannedBlob[]): number {
  return blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
