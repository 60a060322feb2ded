import { type FrontierLine, type LogId, type Selection, tarBlockBytes, tarPadding } from '../core/index.ts'
import {
  type ExportPlan,
  type FileFault,
  type FileReplica,
  Folder,
  mediumFiles,
  type MediumFile,
  planExport,
  type Sealing,
  tarOf,
  zstdOf
} from '../replica/index.ts'
import { withoutHeld } from '../sync/index.ts'
import { openKeys } from '../store/index.ts'
import { plannedLines } from './artifact-lines.ts'
import type { VerbRecord } from './control.ts'
import { type Filled, fill } from './export-choice.ts'
import { refuseWhereFull, roomAt } from './export-room.ts'
import { type KnownShare, planRecords, volumeRecord } from './plan-records.ts'
import { reporting } from './reporting.ts'
import { toFile, toStandardOutput } from './write-out.ts'

/** What an export to an archive or an encrypted medium is to do. */
export interface MediumExport {
  readonly selection: Selection
  /** what the other side holds: these entries go as hashes, and blobs that only they name don't go */
  readonly base?: readonly Pick<FrontierLine, 'log' | 'size'>[]
  readonly maxBytes?: number | undefined
  readonly volumes?: boolean
  readonly dryRun?: boolean
}

/** Writes one medium. @returns bytes that were written */
export interface MediumWriter {
  /** what each file takes besides its bytes */
  readonly overhead: (path: string, sizeBytes: number) => number
  /** where a volume goes */
  readonly pathOf: (volume: number | undefined) => string
  /** returns what lies there, and the room, without writing anything; left out where that can't be told */
  readonly look?: (files: readonly MediumFile[], volume: number | undefined) => Promise<KnownShare>
  readonly write: (
    files: readonly MediumFile[],
    volume: number | undefined,
    hooks: WriterHooks
  ) => Promise<{ readonly bytes: number; readonly there: number }>
}

/** What a writer tells. */
export interface WriterHooks {
  readonly signal: AbortSignal
  readonly onBytes: (count: number) => void
  readonly onFault: (fault: FileFault) => void
}

/** What SHA256SUMS and `omitted` have for each blob, at most. */
const listedBytes = 320
/** what index.json has for each artifact, at most */
const indexBytes = 700

/** What an export carried, for whoever remembers it. */
export interface Exported {
  readonly plan: ExportPlan
  readonly complete: boolean
}

/**
 * Writes all that a node passes on, or what is chosen of it, to media; yields the plan where it is only to be shown, else progress and one result. Reads
 * the data folder as the flat files that it is, so that a node that is up goes on.
 */
export async function* exportMedium(
  root: string,
  { selection, base, maxBytes, volumes = false, dryRun = false }: MediumExport,
  writer: MediumWriter,
  signal: AbortSignal,
  onExported: (exported: Exported) => void = () => {}
): AsyncGenerator<VerbRecord, void, void> {
  await using own = Folder.open(root)
  const held = new Map((base ?? []).map(({ log, size }) => [log, size]))
  const source = withoutHeld(own, new Map([...held].map(([log, from]) => [log, { from, known: [from] }])))
  const wait = { signal }
  const sealing = { signer: openKeys(root).signer, nowMs: Date.now() }
  const { plan, filled } = await planMedia(own, source, { selection, maxBytes, volumes, held }, writer.overhead, sealing, signal)
  const contents = filled.media
  const shares: KnownShare[] = []
  // of several media the texts would take too much memory
  let kept: readonly MediumFile[] | undefined
  if (writer.look !== undefined)
    for (const [i, content] of contents.entries()) {
      const files = await mediumFiles(source, content, sealing, wait)
      if (contents.length === 1) kept = files
      shares.push(await writer.look(files, volumes ? i + 1 : undefined))
    }
  if (dryRun) {
    yield* planRecords(plan, filled, shares)
    return
  }
  refuseWhereFull(shares.map(({ room }) => room))
  if (volumes)
    for (const [i, { plan, blobs }] of contents.entries())
      yield volumeRecord(i + 1, writer.pathOf(i + 1), plan.artifacts.length, blobs)
  const total = filled.bytes.reduce((sum, bytes) => sum + bytes, 0)
  const faults: FileFault[] = []
  const done = yield* reporting(async (say) => {
    let bytes = 0
    const onBytes = (count: number): void => say({ kind: 'progress', bytes: (bytes += count), total } as VerbRecord)
    const written: { bytes: number; there: number }[] = []
    for (const [i, content] of contents.entries()) {
      const files = kept ?? (await mediumFiles(source, content, sealing, wait))
      written.push(
        await writer.write(files, volumes ? i + 1 : undefined, { signal, onBytes, onFault: (fault) => void faults.push(fault) })
      )
      const bad = new Set(faults.map(({ path }) => path))
      for (const line of plannedLines(content.plan.artifacts, bad)) say(line)
    }
    return written
  })
  for (const { path, reason } of faults) yield { kind: 'fault', ok: false, path, reason, code: 'E_BAD_OBJECT' } as VerbRecord
  const missing = new Set(plan.artifacts.flatMap((artifact) => artifact.missing)).size
  const complete = faults.length === 0 && missing === 0 && filled.left.length === 0
  onExported({ plan, complete })
  yield {
    kind: 'result',
    complete,
    ...resultOf(plan, filled),
    bytes: done.reduce((sum, { bytes }) => sum + bytes, 0),
    there: done.reduce((sum, { there }) => sum + there, 0),
    missing,
    bad: faults.length,
    conflicts: 0,
    paths: done.map((_, i) => writer.pathOf(volumes ? i + 1 : undefined))
  } as VerbRecord
}

function resultOf({ logs }: ExportPlan, { media, left }: Filled): object {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)
  return {
    logs: logs.length,
    events: sum(logs.map(({ chosen }) => chosen)),
    withheld: sum(logs.map(({ withheld }) => withheld)),
    refused: 0,
    held: 0,
    artifacts: sum(media.map(({ plan }) => plan.artifacts.length)),
    blobs: sum(media.map(({ blobs }) => blobs.length)),
    omitted: sum(media.map(({ plan }) => sum(plan.artifacts.map(({ omitted }) => omitted.length)))),
    left: left.length
  }
}

/** What media are planned for. */
export interface MediaOptions extends Pick<MediumExport, 'selection' | 'maxBytes' | 'volumes'> {
  readonly held: ReadonlyMap<LogId, number>
  /** returns the blobs that lie on each of the first media already, with what they take */
  readonly look?: (plan: ExportPlan) => Promise<readonly ReadonlyMap<string, number>[]>
  /** returns what each medium has besides the files of an archive, in bytes */
  readonly besides?: (plan: ExportPlan) => number
}

/** Plans what goes on which medium. @throws E_NO_SPACE where bytes are limited, as `fill` */
export async function planMedia(
  own: FileReplica,
  source: FileReplica,
  options: MediaOptions,
  overhead: MediumWriter['overhead'],
  sealing: Sealing,
  signal: AbortSignal
): Promise<{ readonly plan: ExportPlan; readonly filled: Filled }> {
  const wait = { signal }
  const plan = await planExport(own, { selection: options.selection, ...wait, base: options.held })
  const bare = await mediumFiles(source, { plan, blobs: [], omitted: [] }, sealing, wait)
  const blobCount = new Set(plan.artifacts.flatMap(({ blobs }) => blobs.map(({ digest }) => digest))).size
  const everyBytes =
    bare.reduce((sum, { path, sizeBytes }) => sum + sizeBytes + overhead(path, sizeBytes), 0) +
    blobCount * listedBytes +
    plan.artifacts.length * indexBytes +
    (options.besides?.(plan) ?? 2 * tarBlockBytes)
  const perBlob = (sizeBytes: number): number => sizeBytes + overhead(`blobs/sha256/${'0'.repeat(64)}`, sizeBytes)
  const there = await options.look?.(plan)
  return { plan, filled: fill(plan, everyBytes, perBlob, options.maxBytes, options.volumes === true, there) }
}

/** Returns the writer of archives: `-` is standard output, `x.tar.zst` with volumes `x.1.tar.zst` and so on. */
export function archiveWriter(out: string): MediumWriter {
  const pathOf = (volume: number | undefined): string =>
    volume === undefined ? out : out.replace(/(\.tar(?:\.zst)?)?$/, `.${volume}$1`)
  const overhead = (path: string, sizeBytes: number): number =>
    tarBlockBytes + tarPadding(sizeBytes) + (path.length > 100 ? 2 * tarBlockBytes : 0) + 4
  const look = async (files: readonly MediumFile[], volume: number | undefined): Promise<KnownShare> => {
    const bytes = files.reduce((sum, { path, sizeBytes }) => sum + sizeBytes + overhead(path, sizeBytes), 2 * tarBlockBytes)
    const room = roomAt(pathOf(volume), [bytes])
    return await Promise.resolve({ dir: pathOf(volume), there: new Map(), inParts: new Set(), room })
  }
  return {
    overhead,
    pathOf,
    // how much smaller zstd makes it is not known before
    ...(out.endsWith('.tar') && { look }),
    write: async (files, volume, hooks) => {
      const tar = tarOf(files, hooks)
      const bytes = out.endsWith('.zst') ? zstdOf(tar) : tar
      return { there: 0, bytes: out === '-' ? await toStandardOutput(bytes) : await toFile(bytes, pathOf(volume)) }
    }
  }
}
