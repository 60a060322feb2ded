import { createReadStream, existsSync } from 'node:fs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { RejoinError } from '../../core/index.ts'
import { ask } from '../ask.ts'
import type { Context } from '../context.ts'
import { notice, print, printJson } from '../output.ts'

/** Writes an artifact: its document to standard output or to a file, or all its blobs as OCI layout into a folder. */
export async function get(
  context: Context,
  what: string,
  flags: { readonly output?: string; readonly manifest?: boolean }
): Promise<number> {
  for await (const record of ask(context, 'get', { what, ...(flags.manifest === true && { manifest: true }) })) {
    if (record.kind === 'blob') await writeBlob(context, String(record['path']), flags.output, record)
    else await writeFolder(context, record as never, flags.output)
  }
  return 0
}

async function writeBlob(context: Context, path: string, output: string | undefined, record: object): Promise<void> {
  if (output === undefined || output === '-') {
    await pipeline(createReadStream(path), process.stdout, { end: false })
    return
  }
  if (existsSync(output)) throw new RejoinError('E_EXISTS', `${output} is there already`)
  await copyFile(path, output)
  if (context.json) printJson({ ...record, kind: 'result', file: output })
  else if (!context.quiet) notice(`wrote ${output}`)
}

interface FolderRecord {
  readonly digest: string
  readonly mediaType: string
  readonly size: number
  readonly blobs: readonly { readonly digest: string; readonly path: string }[]
}

async function writeFolder(
  context: Context,
  { digest, mediaType, size, blobs }: FolderRecord,
  output: string | undefined
): Promise<void> {
  if (output === undefined || output === '-')
    throw new RejoinError('E_USAGE', 'this artifact has several blobs and needs a folder', {
      hint: 'add --output FOLDER, or --manifest for its manifest'
    })
  if (existsSync(output)) throw new RejoinError('E_EXISTS', `${output} is there already`)
  for (const blob of blobs) {
    const folder = join(output, 'blobs', blob.digest.split(':')[0] ?? 'sha256')
    await mkdir(folder, { recursive: true })
    await copyFile(blob.path, join(folder, basename(blob.path)))
  }
  await writeFile(join(output, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(
    join(output, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [{ mediaType, digest, size }]
    })
  )
  if (context.json) printJson({ kind: 'result', folder: output, blobs: blobs.length })
  else if (!context.quiet) print(output)
}
