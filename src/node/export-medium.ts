import { once } from 'node:events'
import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type FrontierLine, type LogId, RejoinError, type Selection, tarBlockBytes, tarPadding } from '../core/index.ts'
import {
  type ExportPlan,
  type FileFault,
  type FileReplica,
  Folder,
  type MediumContent,
  mediumFiles,
  type MediumFile,
  planExport,
  type Sealing,
  tarOf,
  zstdOf
} from '../replica/index.ts'
import { withoutHeld } from '../sync/index.ts'
import { ioError, openKeys, syncFolder, writeFully } from '../store/index.ts'
import type { VerbRecord } from './control.ts'
import type { ExportChoice } from './exporting.ts'
import { type Filled, fill } from './export-choice.ts'
import { planRecords } from './plan-records.ts'
import { reporting } from './reporting.ts'

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
  readonly write: (
    files: readonly MediumFile[],
    volume: number | undefined,
    hooks: WriterHooks
  ) => Promise<{ readonly bytes: number; readonly there: number; readonly path: string }>
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
  if (dryRun) {
    yield* planRecords(plan, filled)
    return
  }
  const contents = filled.media
  const total = filled.bytes.reduce((sum, bytes) => sum + bytes, 0)
  const faults: FileFault[] = []
  const done = yield* reporting(async (say) => {
    let bytes = 0
    const onBytes = (count: number): void => say({ kind: 'progress', bytes: (bytes += count), total } as VerbRecord)
    const written: { bytes: number; there: number; path: string }[] = []
    for (const [i, content] of contents.entries()) {
      const files = await mediumFiles(source, content, sealing, wait)
      written.push(
        await writer.write(files, volumes ? i + 1 : undefined, { signal, onBytes, onFault: (fault) => void faults.push(fault) })
      )
      if (volumes) say(volumeRecord(content, i + 1, written.at(-1)?.path ?? ''))
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
    paths: done.map(({ path }) => path)
  } as VerbRecord
}

function volumeRecord({ plan, blobs }: MediumContent, volume: number, path: string): VerbRecord {
  return {
    kind: 'volume',
    volume,
    path,
    artifacts: plan.artifacts.length,
    blobs: blobs.length,
    bytes: blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
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

/** Plans what goes on which medium. */
async function planMedia(
  own: FileReplica,
  source: FileReplica,
  options: Pick<MediumExport, 'selection' | 'maxBytes' | 'volumes'> & { readonly held: ReadonlyMap<LogId, number> },
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
    2 * tarBlockBytes
  const perBlob = (sizeBytes: number): number => sizeBytes + overhead(`blobs/sha256/${'0'.repeat(64)}`, sizeBytes)
  return { plan, filled: fill(plan, everyBytes, perBlob, options.maxBytes, options.volumes === true) }
}

/** Returns what a selection leaves for one folder, where it goes beside what is there. @throws E_NO_SPACE */
export async function choiceFor(
  root: string,
  { selection, maxBytes, held }: Pick<MediumExport, 'selection' | 'maxBytes'> & { readonly held: ReadonlyMap<LogId, number> },
  signal: AbortSignal
): Promise<ExportChoice & { readonly left: number }> {
  await using own = Folder.open(root)
  const sealing = { signer: openKeys(root).signer, nowMs: Date.now() }
  const { plan, filled } = await planMedia(own, own, { selection, maxBytes, held }, () => 0, sealing, signal)
  const [medium] = filled.media
  return {
    isChosen: plan.isChosen,
    artifacts: new Map(medium?.plan.artifacts.map(({ digest, parts }) => [digest, parts])),
    omitted: medium?.omitted ?? [],
    left: filled.left.length
  }
}

/** The writer of a plan that is only shown. */
export const noWriter: MediumWriter = {
  overhead: () => 0,
  write: async () => await Promise.reject(new Error('bug: a plan is not written'))
}

/** Returns the writer of archives: `-` is standard output, `x.tar.zst` with volumes `x.1.tar.zst` and so on. */
export function archiveWriter(out: string): MediumWriter {
  return {
    overhead: (path, sizeBytes) => tarBlockBytes + tarPadding(sizeBytes) + (path.length > 100 ? 2 * tarBlockBytes : 0) + 4,
    write: async (files, volume, hooks) => {
      const path = volume === undefined ? out : out.replace(/(\.tar(?:\.zst)?)?$/, `.${volume}$1`)
      const tar = tarOf(files, hooks)
      const bytes = out.endsWith('.zst') ? zstdOf(tar) : tar
      return { path, there: 0, bytes: out === '-' ? await toStandardOutput(bytes) : await toFile(bytes, path) }
    }
  }
}

async function toStandardOutput(pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let total = 0
  let broken: Error | undefined
  process.stdout.on('error', (error) => (broken = error))
  for await (const piece of pieces) {
    if (broken !== undefined) throw new RejoinError('E_GONE', 'who reads the archive went away before its end', { cause: broken })
    // a piece lends its memory only until the next one is asked for
    if (!process.stdout.write(piece.slice())) await Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')])
    total += piece.length
  }
  return total
}

/** The file has its name only once all of it is durable. */
async function toFile(pieces: AsyncIterable<Uint8Array>, path: string): Promise<number> {
  const part = `${path}.part`
  let total = 0
  try {
    const file = await open(part, 'w')
    try {
      for await (const piece of pieces) {
        await writeFully(file, piece, total, path)
        total += piece.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(part, path)
    await syncFolder(dirname(path))
    return total
  } catch (cause) {
    await unlink(part).catch(() => {})
    throw cause instanceof RejoinError || (cause as NodeJS.ErrnoException).syscall === undefined
      ? cause
      : ioError(cause, 'write', path)
  }
}
