import {
  type Digest,
  entryCount,
  isNarrow,
  isWithheld,
  type Load,
  type LogId,
  parseEvent,
  parseWithheld,
  reasonFor,
  type Reference,
  referenceIn,
  type RejoinEvent,
  type Selection,
  withReferrers
} from '../core/index.ts'
import { type Closure, closureOf, type PlannedBlob } from './export-closure.ts'
import type { FileHead, FileReplica, Waiting } from './file-replica.ts'

/** An artifact that is to be carried, and why. */
export interface PlannedArtifact extends Load, Closure {
  readonly digest: Digest
  /** `repository:tag`, a title, or its digest */
  readonly name: string
  readonly type: string
  readonly mediaType: string | undefined
  readonly why: string
  /** what it is carried because of: itself, or the artifact that it refers to */
  readonly group: Digest
  readonly bytes: number
}

/** A log that is to be carried. */
export interface PlannedLog {
  readonly head: FileHead
  /** entries before this one are there already, and go as hashes */
  readonly from: number
  /** entries from `from` on that go as text, and as hashes because they are not chosen */
  readonly chosen: number
  readonly withheld: number
}

/** What an export is to carry, exactly. */
export interface ExportPlan {
  readonly logs: readonly PlannedLog[]
  /** in the order of their first events, each before what refers to it where the events stand so */
  readonly artifacts: readonly PlannedArtifact[]
  /** artifacts all of whose events are there already */
  readonly there: number
  readonly isChosen: (event: RejoinEvent) => boolean
}

/** What a plan depends on. */
export interface PlanOptions extends Waiting {
  readonly selection: Selection
  /** up to which entry of each log the other side has everything */
  readonly base?: ReadonlyMap<LogId, number>
}

interface Seen {
  readonly order: number
  readonly name: string
  readonly type: string
  readonly mediaType: string
  readonly sizeBytes: number | undefined
  why: string | undefined
  isNew: boolean
}

/** Returns what an export would carry, without writing anything. @throws what reading the source throws */
export async function planExport(source: FileReplica, { selection, base = new Map(), signal }: PlanOptions): Promise<ExportPlan> {
  const heads = [...(await source.heads({ signal }))].toSorted((a, b) => (a.log < b.log ? -1 : 1))
  const narrow = isNarrow(selection)
  const seen = new Map<Digest, Seen>()
  const references: Reference[] = []
  for (const head of heads)
    for await (const { event, index } of eventsOf(source, head, { signal })) {
      const reference = referenceIn(event)
      if (narrow && reference.about !== undefined) references.push(reference)
      const why = narrow ? reasonFor(event, selection) : 'everything is'
      if (reference.artifact !== undefined) note(seen, reference.artifact, event, why, index >= (base.get(head.log) ?? 0))
    }
  const closures = new Map<Digest, Closure>()
  const chosen = new Set([...seen].flatMap(([digest, { why }]) => (why === undefined ? [] : [digest])))
  const partOf = new Map<Digest, Digest>()
  let because: ReadonlyMap<Digest, Digest> = new Map()
  for (let before = -1; before !== chosen.size; ) {
    before = chosen.size
    for (const digest of chosen) {
      const one = seen.get(digest)
      if (closures.has(digest) || one === undefined) continue
      const closure = await closureOf(source, { digest, ...one }, selection, { signal })
      closures.set(digest, closure)
      for (const { digest: part, role } of closure.blobs) if (role === 'manifest' && part !== digest) partOf.set(part, digest)
      for (const { digest: part } of closure.omitted) partOf.set(part, digest)
    }
    if (narrow) because = new Map([...because, ...withReferrers(chosen, references, partOf)])
  }
  const about = new Set<Digest>([...chosen, ...partOf.keys()])
  const isChosen = (event: RejoinEvent): boolean => {
    if (!narrow || event.type.startsWith('log.') || reasonFor(event, selection) !== undefined) return true
    const { about: subject } = referenceIn(event)
    return subject !== undefined && about.has(subject)
  }
  const artifacts = [...chosen].flatMap((digest) => {
    const one = seen.get(digest)
    const closure = closures.get(digest)
    return one === undefined || closure === undefined || !one.isNew ? [] : planned(digest, one, closure, because, partOf)
  })
  const logs: PlannedLog[] = []
  for (const head of heads) logs.push(await logPlan(source, head, base.get(head.log) ?? 0, narrow, isChosen, { signal }))
  return {
    logs,
    artifacts: artifacts.toSorted((a, b) => (seen.get(a.digest)?.order ?? 0) - (seen.get(b.digest)?.order ?? 0)),
    there: chosen.size - artifacts.length,
    isChosen
  }
}

function note(seen: Map<Digest, Seen>, digest: Digest, event: RejoinEvent, why: string | undefined, isNew: boolean): void {
  const known = seen.get(digest)
  if (known !== undefined) {
    known.why ??= why
    known.isNew ||= isNew
    return
  }
  const text = (member: string): string => (typeof event.data[member] === 'string' ? event.data[member] : '')
  const [repository, tag, title] = [text('repository'), text('tag'), text('title')]
  const name = repository === '' ? title : `${repository}${tag === '' ? '' : `:${tag}`}`
  const { size } = event.data
  seen.set(digest, {
    order: seen.size,
    name: name === '' ? digest : name,
    type: text('artifactType') || text('mediaType') || event.type,
    mediaType: text('mediaType'),
    sizeBytes: typeof size === 'number' ? size : undefined,
    why,
    isNew
  })
}

function planned(
  digest: Digest,
  { name, type, mediaType, why }: Seen,
  closure: Closure,
  because: ReadonlyMap<Digest, Digest>,
  partOf: ReadonlyMap<Digest, Digest>
): PlannedArtifact {
  const parts = new Map(closure.blobs.map((blob): [string, number] => [blob.digest, blob.sizeBytes]))
  let group = digest
  for (let next = because.get(group); next !== undefined; next = because.get(group)) group = partOf.get(next) ?? next
  const refers = because.get(digest)
  return {
    digest,
    name,
    type,
    mediaType: mediaType === '' ? undefined : mediaType,
    why: refers === undefined ? (why ?? 'everything is') : `it refers to ${refers}`,
    group,
    parts,
    bytes: closure.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    ...closure
  }
}

async function logPlan(
  source: FileReplica,
  head: FileHead,
  base: number,
  narrow: boolean,
  isChosen: (event: RejoinEvent) => boolean,
  { signal }: Waiting
): Promise<PlannedLog> {
  const from = Math.min(base, head.size)
  if (!narrow) return { head, from, chosen: head.size - from, withheld: 0 }
  let chosen = 0
  let withheld = 0
  for await (const { event, index } of eventsOf(source, head, { signal }))
    if (index >= from) {
      if (isChosen(event)) chosen++
      else withheld++
    }
  return { head, from, chosen, withheld }
}

/** Yields the events of a log whose text is there. */
async function* eventsOf(
  source: FileReplica,
  { log, size }: FileHead,
  { signal }: Waiting
): AsyncGenerator<{ readonly event: RejoinEvent; readonly index: number }, void, void> {
  for await (const { from, text } of source.blocks(log, 0, size, { signal })) {
    let index = from
    for (let start = 0, end = text.indexOf(10); end >= 0; start = end + 1, end = text.indexOf(10, start)) {
      const line = text.subarray(start, end)
      if (isWithheld(line)) index += entryCount(parseWithheld(line, index))
      else yield { event: parseEvent(line), index: index++ }
    }
  }
}

/**
 * Returns the blobs of artifacts in the order in which they go out, each once: first every manifest and what is small, since signatures, SBOMs and VEX
 * are worth most a byte, then the rest artifact by artifact, those first that become whole with the fewest bytes.
 */
export function blobOrder(artifacts: readonly PlannedArtifact[]): readonly PlannedBlob[] {
  const order = new Map<Digest, PlannedBlob>()
  const add = (blob: PlannedBlob): void => void (order.has(blob.digest) || order.set(blob.digest, blob))
  for (const { blobs } of artifacts) for (const blob of blobs) if (blob.role === 'manifest') add(blob)
  for (const { blobs } of artifacts) for (const blob of blobs) if (blob.role === 'config') add(blob)
  const rest = ({ blobs }: PlannedArtifact): number =>
    blobs.reduce((sum, { digest, sizeBytes }) => sum + (order.has(digest) ? 0 : sizeBytes), 0)
  const waiting = artifacts.map((artifact) => ({ artifact, bytes: rest(artifact) })).toSorted((a, b) => a.bytes - b.bytes)
  for (const { artifact } of waiting) for (const blob of artifact.blobs) add(blob)
  return [...order.values()]
}
