import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Digest, RejoinError } from '../../core/index.ts'
import { type GetFormat, type OutputFile, toFile, toStandardOutput } from '../../node/index.ts'
import { gzipOf, type MediumFile, readWhole, tarOf, wholeFile, type WriteHooks } from '../../replica/index.ts'
import { syncFolder } from '../../store/index.ts'
import { ask } from '../ask.ts'
import type { Context } from '../context.ts'
import { notice, print, printJson } from '../output.ts'

/** The options of `rejoin get`. */
export interface GetFlags {
  readonly output?: string
  readonly manifest?: boolean
  readonly format?: string
  readonly platform?: string
  readonly registry?: string
}

/** Writes an artifact: its document, all its blobs as OCI layout, or another format; to standard output, a file or a folder. */
export async function get(context: Context, what: string, { output, ...flags }: GetFlags): Promise<number> {
  const { manifest, format, platform, registry } = flags
  if (manifest === true && format !== undefined) throw new RejoinError('E_USAGE', '--manifest has no format')
  if (platform !== undefined && format !== 'docker-archive')
    throw new RejoinError('E_USAGE', '--platform needs --format docker-archive')
  if (registry !== undefined && format !== 'cnab-relocation-map')
    throw new RejoinError('E_USAGE', '--registry needs --format cnab-relocation-map')
  const out = output === '-' ? undefined : output
  for await (const record of ask(context, 'get', { what, ...flags })) {
    if (record.kind === 'blob') await writeBlob(context, String(record['path']), out, record)
    else if (record.kind === 'map') await writeMap(context, record['map'] as object, out, record)
    else await writeFiles(context, record as never, { out, isStream: output === '-', isAsked: format !== undefined })
  }
  return 0
}

function mustBeFree(output: string): void {
  if (existsSync(output)) throw new RejoinError('E_EXISTS', `${output} is there already`)
}

function told(context: Context, output: string, record: object): void {
  if (context.json) printJson({ ...record, kind: 'result' })
  else if (!context.quiet) notice(`wrote ${output}`)
}

async function writeBlob(context: Context, path: string, output: string | undefined, record: object): Promise<void> {
  if (output === undefined) {
    await toStandardOutput(readWhole(path))
    return
  }
  mustBeFree(output)
  await toFile(readWhole(path), output)
  told(context, output, { ...record, file: output })
}

async function writeMap(context: Context, map: object, output: string | undefined, record: object): Promise<void> {
  if (output === undefined) {
    printJson(map)
    return
  }
  mustBeFree(output)
  await toFile(one(Buffer.from(`${JSON.stringify(map)}\n`)), output)
  told(context, output, { ...record, file: output })
}

interface FilesRecord {
  readonly format: GetFormat
  readonly digest: Digest
  readonly files: readonly OutputFile[]
}

/** Where files go: `-` is isStream. */
interface Target {
  readonly out: string | undefined
  readonly isStream: boolean
  /** whether a format was asked for */
  readonly isAsked: boolean
}

async function writeFiles(
  context: Context,
  { format, digest, files }: FilesRecord,
  { out, isStream, isAsked }: Target
): Promise<void> {
  if (out === undefined && !(isStream && isAsked))
    throw new RejoinError('E_USAGE', 'this artifact has several blobs and needs a folder', {
      hint: isAsked
        ? 'add --output PATH, or --output - for standard output'
        : 'add --output FOLDER, or --manifest for its manifest'
    })
  const hooks: WriteHooks = {
    signal: context.signal,
    onFault: ({ path, reason }) => {
      throw new RejoinError('E_BAD_OBJECT', `${path}: ${reason}`, { hint: 'rejoin verify lists what is damaged' })
    }
  }
  const medium = files.map(mediumFile)
  if (out !== undefined) mustBeFree(out)
  if (format === 'oci-layout' && out !== undefined && !out.endsWith('.tar')) {
    await writeFolder(medium, out, hooks)
    if (context.json) printJson({ kind: 'result', format, digest, folder: out, blobs: files.filter(({ blob }) => blob).length })
    else if (!context.quiet) print(out)
    return
  }
  const tar = tarOf(medium, hooks)
  const bytes = format === 'cnab-thick' ? gzipOf(tar) : tar
  if (out === undefined) await toStandardOutput(bytes)
  else told(context, out, { format, digest, file: out, bytes: await toFile(bytes, out) })
}

function mediumFile({ path, size, blob, text }: OutputFile): MediumFile {
  return blob === undefined
    ? { path, sizeBytes: size, body: () => one(Buffer.from(text ?? '')) }
    : { path, sizeBytes: size, digest: blob.digest, body: () => readWhole(blob.path) }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield await Promise.resolve(bytes)
}

/** The folder has its name only once all of it is durable. */
async function writeFolder(files: readonly MediumFile[], output: string, hooks: WriteHooks): Promise<void> {
  const target = resolve(output)
  const part = `${target}.part`
  if (existsSync(part))
    throw new RejoinError('E_EXISTS', `${part} is there already`, {
      hint: 'of a get that was killed, or goes on: delete it if none does'
    })
  try {
    for (const file of files) {
      const path = join(part, file.path)
      await mkdir(dirname(path), { recursive: true })
      await toFile(wholeFile(file, hooks), path)
    }
    await rename(part, target)
    await syncFolder(dirname(target))
  } catch (error) {
    await rm(part, { recursive: true, force: true })
    throw error
  }
}
