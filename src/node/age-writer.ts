import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, isObject, parseStrict, RejoinError, sealPath, utf8 } from '../core/index.ts'
import { type AgeEntry, type AgeMark, AgeMedium, digestInPath, filledBytes, type MediumFile } from '../replica/index.ts'
import { lockMedium, readFileRangeSync, replaceFileSync } from '../store/index.ts'
import type { MediumWriter, WriterHooks } from './export-medium.ts'
import { roomAt } from './export-room.ts'
import type { KnownShare } from './plan-records.ts'

const maxMarkBytes = 256 * 1024 * 1024
/** what a file takes more: zeros, age's header for some recipients, and 16 bytes for each 64 KiB */
const overhead = (sizeBytes: number): number =>
  filledBytes(sizeBytes) - sizeBytes + 1024 + Math.ceil(filledBytes(sizeBytes) / 65_536) * 16

/**
 * Returns the writer of encrypted folders. What was put on a medium is remembered in the data folder, since it can't be read there; a volume is
 * a folder `1`, `2` … in it.
 */
export function ageWriter(root: string, dir: string, recipients: readonly string[]): MediumWriter {
  const pathOf = (volume: number | undefined): string => (volume === undefined ? dir : join(dir, String(volume)))
  return {
    overhead: (_, sizeBytes) => overhead(sizeBytes),
    pathOf,
    look: async (files, volume) => await lookAt(root, pathOf(volume), files, recipients),
    write: async (files, volume, hooks) => {
      if (volume !== undefined) mkdirSync(pathOf(volume), { recursive: true })
      return await writeMedium(root, AgeMedium.open(pathOf(volume)), files, recipients, hooks)
    }
  }
}

/** What lies there is known by what this node put there, for the same recipients. */
async function lookAt(
  root: string,
  dir: string,
  files: readonly MediumFile[],
  recipients: readonly string[]
): Promise<KnownShare> {
  const medium = AgeMedium.find(dir)
  const mark = medium && readMark(markPathOf(root, medium.store))
  const isSame = mark?.recipients.join() === recipients.join()
  const known = new Map(isSame && mark ? medium.filesOf(mark).map((entry) => [entry.path, entry]) : [])
  const there = new Map<Digest, 'remembered'>()
  const sizes: number[] = []
  for (const file of files) {
    const { path, sizeBytes } = file
    const digest = digestInPath(path)
    const old = known.get(path)
    const isThere = old?.sizeBytes === sizeBytes && (digest !== undefined || old.sha256 === (await sumOf(file)))
    if (isThere && digest !== undefined) there.set(digest, 'remembered')
    // the seal alone is no reason to write
    else if (!isThere && path !== sealPath) sizes.push(sizeBytes + overhead(sizeBytes))
  }
  return { dir, there, inParts: new Set(), room: roomAt(dir, sizes) }
}

function markPathOf(root: string, store: string): string {
  return join(root, 'private/media', `${store}.age.json`)
}

async function writeMedium(
  root: string,
  medium: AgeMedium,
  files: readonly MediumFile[],
  recipients: readonly string[],
  hooks: WriterHooks
): Promise<{ readonly bytes: number; readonly there: number }> {
  const markPath = markPathOf(root, medium.store)
  let before = readMark(markPath)
  const sums = new Map<string, string>()
  for (const file of files) if (digestInPath(file.path) === undefined) sums.set(file.path, await sumOf(file))
  const isThere = (file: MediumFile): boolean =>
    file.path === sealPath ||
    (before?.entries.some(
      ({ path, sizeBytes, sha256 }) => path === file.path && sizeBytes === file.sizeBytes && sha256 === sums.get(file.path)
    ) ??
      false)
  if (
    before?.index !== undefined &&
    before.recipients.join() === recipients.join() &&
    medium.holds(before) &&
    files.every(isThere)
  )
    return { bytes: 0, there: files.length }
  await using lock = await lockMedium(medium.root, { signal: hooks.signal, isOpaque: true })
  const signal = AbortSignal.any([hooks.signal, lock.lost])
  before = readMark(markPath)
  let bytes = 0
  let written = 0
  await medium.write(files, (path) => sums.get(path), recipients, before, {
    ...hooks,
    signal,
    onFile: (_, sizeBytes) => {
      bytes += sizeBytes
      written++
    },
    onMark: (mark) => replaceFileSync(markPath, utf8(`${JSON.stringify(mark)}\n`), { durable: true })
  })
  return { bytes, there: files.length - written }
}

async function sumOf(file: MediumFile): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of file.body()) hash.update(piece)
  return hash.digest('hex')
}

/** It only saves work: where it is unreadable, everything is written once more. */
function readMark(path: string): AgeMark | undefined {
  const bytes = readFileRangeSync(path, 0, maxMarkBytes)
  if (bytes === undefined) return undefined
  try {
    const value = parseStrict(bytes, { maxBytes: maxMarkBytes, maxDepth: 4 })
    if (!isObject(value) || !Array.isArray(value['recipients']) || !Array.isArray(value['entries'])) return undefined
    const { index, recipients, entries } = value
    return {
      recipients: recipients as readonly string[],
      index: typeof index === 'string' ? index : undefined,
      entries: entries as unknown as readonly AgeEntry[]
    }
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}
