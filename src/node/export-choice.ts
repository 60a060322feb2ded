import {
  globFault,
  isPlatform,
  type Load,
  type Omitted,
  packVolumes,
  parseDuration,
  parseInstant,
  parseSize,
  RejoinError,
  type Selection
} from '../core/index.ts'
import { blobOrder, type ExportPlan, type MediumContent, type PlannedArtifact } from '../replica/index.ts'

/** The options of `rejoin export` that choose, as they were typed. */
export interface ChoiceFlags {
  readonly repo?: readonly string[]
  readonly type?: readonly string[]
  readonly since?: string
  readonly platform?: readonly string[]
  readonly maxBytes?: string
  readonly volumes?: boolean
}

/** Returns what flags choose. @throws E_USAGE for one that is malformed */
export function selectionOf({ repo = [], type = [], since, platform = [] }: ChoiceFlags, nowMs: number): Selection {
  for (const pattern of [...repo, ...type]) {
    const fault = globFault(pattern)
    if (fault !== undefined) throw new RejoinError('E_USAGE', `${JSON.stringify(pattern)}: ${fault.message}`)
  }
  const bad = platform.find((one) => !isPlatform(one))
  if (bad !== undefined)
    throw new RejoinError('E_USAGE', `not a platform: ${JSON.stringify(bad)}`, { hint: '--platform linux/amd64 or linux/arm/v7' })
  const sinceMs = since === undefined ? undefined : timeOf(since, nowMs)
  return { repositories: repo, types: type, platforms: platform, ...(sinceMs !== undefined && { sinceMs }) }
}

function timeOf(text: string, nowMs: number): number {
  const duration = parseDuration(text)
  const at = duration === undefined ? parseInstant(text) : nowMs - duration
  if (at === undefined)
    throw new RejoinError('E_USAGE', `not a time: ${JSON.stringify(text)}`, {
      hint: '--since 2026-11-01, or 30d for thirty days ago'
    })
  return at
}

/** Returns the bytes that a medium may have. @throws E_USAGE */
export function maxBytesOf({ maxBytes, volumes }: ChoiceFlags): number | undefined {
  if (maxBytes === undefined) {
    if (volumes === true) throw new RejoinError('E_USAGE', '--volumes needs --max-bytes', { hint: '--volumes --max-bytes 4GiB' })
    return undefined
  }
  const size = parseSize(/^\d+$/.test(maxBytes) ? Number(maxBytes) : maxBytes)
  if (size === undefined || size <= 0)
    throw new RejoinError('E_USAGE', `not a size: ${JSON.stringify(maxBytes)}`, { hint: '--max-bytes 4GiB' })
  return size
}

/** What an export comes to: the media it fills, and what did not fit. */
export interface Filled {
  readonly media: readonly MediumContent[]
  /** bytes of blobs and of what every medium has, by medium */
  readonly bytes: readonly number[]
  /** artifacts that this export does not carry, as there is no room */
  readonly left: readonly PlannedArtifact[]
}

interface Unit extends Load {
  readonly artifacts: readonly PlannedArtifact[]
}

/**
 * Distributes what is planned over media: an artifact with what refers to it is one whole. Without a limit there is one medium; with one and without
 * volumes what did not fit on the first is left.
 * @param everyBytes what each medium has besides blobs
 * @param perBlob what a blob takes on a medium
 * @param there the blobs that lie on each of the first media already, with what they take
 * @throws E_NO_SPACE where not even the logs fit, or, with volumes, one whole does not
 */
export function fill(
  plan: ExportPlan,
  everyBytes: number,
  perBlob: (sizeBytes: number) => number,
  maxBytes: number | undefined,
  volumes: boolean,
  there: readonly ReadonlyMap<string, number>[] = []
): Filled {
  const units = unitsOf(plan.artifacts, perBlob)
  if (maxBytes !== undefined && everyBytes > maxBytes)
    throw new RejoinError('E_NO_SPACE', `the events alone take ${everyBytes} bytes, and a medium may have ${maxBytes}`, {
      hint: 'choose fewer with --repo, --type or --since'
    })
  const packed = packVolumes(units, everyBytes, maxBytes ?? Number.MAX_SAFE_INTEGER, there)
  const [large] = packed.tooLarge
  if (large !== undefined && volumes) {
    const bytes = [...large.parts.values()].reduce((sum, one) => sum + one, everyBytes)
    throw new RejoinError(
      'E_NO_SPACE',
      `${large.artifacts[0]?.name ?? 'an artifact'} takes ${bytes} bytes with all that belongs to it, and a volume may have ${maxBytes}`,
      {
        hint: `--max-bytes ${bytes} would hold it`
      }
    )
  }
  const all = packed.volumes.length === 0 ? [{ loads: [], bytes: everyBytes }] : packed.volumes
  const taken = volumes ? all : all.slice(0, 1)
  const left = [...packed.tooLarge, ...(volumes ? [] : all.slice(1).flatMap(({ loads }) => loads))].flatMap(
    ({ artifacts }) => artifacts
  )
  const media = taken.map(({ loads }) =>
    contentOf(
      plan,
      loads.flatMap(({ artifacts }) => artifacts),
      volumes ? 'volume' : 'space'
    )
  )
  return { media, bytes: taken.map(({ bytes }) => bytes), left }
}

function contentOf(plan: ExportPlan, artifacts: readonly PlannedArtifact[], because: string): MediumContent {
  const blobs = blobOrder(artifacts)
  const here = new Set(blobs.map(({ digest }) => digest))
  const omitted = new Map<string, Omitted>()
  for (const artifact of plan.artifacts) {
    for (const one of artifact.omitted) if (!here.has(one.digest)) omitted.set(one.digest, one)
    for (const { digest } of artifact.blobs) if (!here.has(digest)) omitted.set(digest, { digest, because })
  }
  return { plan: { ...plan, artifacts }, blobs, omitted: [...omitted.values()] }
}

function unitsOf(artifacts: readonly PlannedArtifact[], perBlob: (sizeBytes: number) => number): readonly Unit[] {
  const groups = new Map<string, PlannedArtifact[]>()
  for (const artifact of artifacts) groups.set(artifact.group, [...(groups.get(artifact.group) ?? []), artifact])
  return [...groups.values()].map((together) => ({
    artifacts: together,
    parts: new Map(
      together.flatMap(({ blobs }) => blobs.map(({ digest, sizeBytes }): [string, number] => [digest, perBlob(sizeBytes)]))
    )
  }))
}
