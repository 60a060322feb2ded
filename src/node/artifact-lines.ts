import { blobPath, type Digest } from '../core/index.ts'
import type { PlannedArtifact } from '../replica/index.ts'
import type { VerbRecord } from './control.ts'
import type { ArtifactNeeds } from './export-artifacts.ts'
import { authorOf } from './log-view.ts'
import type { Node } from './node.ts'

/** An artifact that became whole, as a record: one line on the screen. */
export interface ArtifactRecord {
  readonly kind: 'artifact'
  readonly digest: Digest
  /** `REPOSITORY:TAG`, where it has one */
  readonly name?: string
  readonly artifactType: string
  /** not of archives and encrypted media, which are written from the files alone */
  readonly author?: string
  readonly blobs: number
  readonly bytes: number
  /** what is about it and came along, by kind: `{"application/vnd.cyclonedx+json":1}` */
  readonly with: Readonly<Record<string, number>>
  readonly missing: number
}

/** Tells of each artifact once it is whole, with what came with it. */
export class ArtifactLines {
  private readonly node: Node
  private readonly say: (record: VerbRecord) => void
  private readonly open = new Map<ArtifactNeeds, Set<Digest>>()
  private readonly ofBlob = new Map<Digest, ArtifactNeeds[]>()
  private readonly about = new Map<Digest, ArtifactNeeds[]>()
  /** artifacts of which something goes now */
  private readonly going = new Set<Digest>()

  constructor(node: Node, artifacts: readonly ArtifactNeeds[], say: (record: VerbRecord) => void) {
    this.node = node
    this.say = say
    for (const one of artifacts) {
      this.open.set(one, new Set(one.blobs.map(({ digest }) => digest)))
      for (const { digest } of one.blobs) this.ofBlob.set(digest, [...(this.ofBlob.get(digest) ?? []), one])
      if (one.refers !== undefined) this.about.set(one.refers, [...(this.about.get(one.refers) ?? []), one])
    }
  }

  /** Takes note that blobs need not be written: they are there. */
  keepOnly(lacking: ReadonlySet<Digest>): void {
    for (const [one, blobs] of this.open) {
      for (const digest of blobs) if (!lacking.has(digest)) blobs.delete(digest)
      // nothing of it goes now
      if (blobs.size === 0) this.open.delete(one)
      else this.going.add(one.digest)
    }
  }

  /** Tells of all of them. */
  tellAll(): void {
    for (const one of this.open.keys()) this.going.add(one.digest)
    for (const one of this.open.keys()) if (one.refers === undefined || !this.going.has(one.refers)) this.tell(one)
    this.open.clear()
  }

  /** Takes note that a blob is there now. */
  have(digest: Digest): void {
    for (const one of this.ofBlob.get(digest) ?? []) {
      const blobs = this.open.get(one)
      if (blobs?.delete(digest) !== true || blobs.size > 0) continue
      this.open.delete(one)
      // what is about another one that is told stands in its line
      if (one.refers === undefined || !this.going.has(one.refers)) this.tell(one)
    }
  }

  private tell(one: ArtifactNeeds): void {
    const { event, digest, blobs, log, missing } = one
    const { repository, tag } = event.data
    const along = this.about.get(digest) ?? []
    const kinds: Record<string, number> = {}
    for (const { event: other } of along) kinds[typeOf(other.data)] = (kinds[typeOf(other.data)] ?? 0) + 1
    const all = [one, ...along].flatMap((each) => each.blobs)
    const unique = new Map((along.length === 0 ? blobs : all).map((need) => [need.digest, need.sizeBytes ?? 0]))
    const record: ArtifactRecord = {
      kind: 'artifact',
      digest,
      ...(typeof repository === 'string' && { name: typeof tag === 'string' ? `${repository}:${tag}` : repository }),
      artifactType: typeOf(event.data),
      author: authorOf(this.node, log),
      blobs: unique.size,
      bytes: [...unique.values()].reduce((sum, bytes) => sum + bytes, 0),
      with: kinds,
      missing: missing.length
    }
    this.say(record)
  }
}

function typeOf({ artifactType, mediaType }: Readonly<Record<string, unknown>>): string {
  return typeof artifactType === 'string' ? artifactType : typeof mediaType === 'string' ? mediaType : 'unknown'
}

/** Yields a record for each artifact that went on a medium; what is about another one that went stands in its line. @param bad paths that could not be read */
export function* plannedLines(
  artifacts: readonly PlannedArtifact[],
  bad: ReadonlySet<string>
): Generator<ArtifactRecord, void, void> {
  const groups = Map.groupBy(artifacts, ({ group }) => group)
  for (const group of groups.values()) {
    const main = group.find(({ digest, group: about }) => digest === about) ?? (group[0] as PlannedArtifact)
    const kinds: Record<string, number> = {}
    for (const one of group) if (one !== main) kinds[one.type] = (kinds[one.type] ?? 0) + 1
    const unique = new Map(group.flatMap(({ blobs }) => blobs.map((blob) => [blob.digest, blob.sizeBytes])))
    yield {
      kind: 'artifact',
      digest: main.digest,
      ...(main.name !== main.digest && { name: main.name }),
      artifactType: main.type,
      blobs: unique.size,
      bytes: [...unique.values()].reduce((sum, bytes) => sum + bytes, 0),
      with: kinds,
      missing: main.missing.length + main.blobs.filter(({ digest }) => bad.has(blobPath(digest))).length
    }
  }
}
