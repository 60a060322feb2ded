import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { errorCodes, type ErrorCode, RejoinError } from '../../core/error.ts'
import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { notice, print, printable } from '../output.ts'

/** The options of `rejoin publish`. */
export interface PublishFlags {
  readonly type?: string
  readonly subject?: string
  readonly annotation?: readonly string[]
  readonly repo?: string
  readonly tag?: string
}

function annotationsOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  const found: [string, string][] = pairs.map((pair) => {
    const at = pair.indexOf('=')
    if (at <= 0)
      throw new RejoinError('E_USAGE', `not an annotation: ${JSON.stringify(pair)}`, { hint: '--annotation KEY=VALUE' })
    return [pair.slice(0, at), pair.slice(at + 1)]
  })
  return Object.fromEntries(found)
}

/** Publishes files, or standard input for `-`. @returns 0, or the exit code of the first refusal */
export async function publishFiles(context: Context, files: readonly string[], flags: PublishFlags): Promise<number> {
  const spooled: string[] = []
  const paths: string[] = []
  for (const file of files) {
    if (file !== '-') {
      paths.push(resolve(file))
      continue
    }
    // the file's name becomes the document's title: the same for the same input, whenever it is published
    const folder = join(tmpdir(), `rejoin-stdin-${randomBytes(8).toString('hex')}`)
    mkdirSync(folder, { mode: 0o700 })
    spooled.push(folder)
    const path = join(folder, 'stdin')
    await (await import('../../node/index.ts')).spool(process.stdin, path)
    paths.push(path)
  }
  const options = {
    ...(flags.type !== undefined && { type: flags.type }),
    ...(flags.subject !== undefined && { subject: flags.subject }),
    ...(flags.repo !== undefined && { repository: flags.repo }),
    ...(flags.tag !== undefined && { tag: flags.tag }),
    annotations: annotationsOf(flags.annotation ?? [])
  }
  let exit = 0
  try {
    await printAll(
      context,
      noted(ask(context, 'publish', { files: paths, options }), spooled, (code) => (exit = exit === 0 ? exitOf(code) : exit)),
      (record) => {
        if (record.kind === 'error') {
          process.stderr.write(
            `rejoin: error: ${printable(String(record['file']))}: ${printable(String(record['error']))} (${String(record['code'])})\n`
          )
          if (record['hint'] !== undefined) process.stderr.write(`rejoin: hint: ${printable(String(record['hint']))}\n`)
          return
        }
        print(
          `${String(record['digest'])}  ${String(record['log'])}/${String(record['index'])}  ${printable(String(record['file']))}`
        )
        tellImages(record)
        const warnings = record['warnings'] as readonly string[]
        if (warnings.length > 0 && !context.quiet)
          notice(
            `warning: ${printable(String(record['file']))}: ${printable(warnings[0] ?? '')}${warnings.length > 1 ? ` (and ${warnings.length - 1} more)` : ''}`
          )
      }
    )
  } finally {
    for (const folder of spooled) rmSync(folder, { recursive: true, force: true })
  }
  return exit
}

/** Prints what the images of a bundle are called from now on. */
function tellImages(record: AnyRecord): void {
  const images = (record['images'] ?? []) as readonly { readonly image: string; readonly digest: string }[]
  const relocation = record['relocation'] as Readonly<Record<string, string>> | undefined
  for (const { image, digest } of images) print(`  ${printable(image)} -> ${printable(relocation?.[image] ?? digest)}`)
}

function exitOf(code: string): number {
  return code in errorCodes ? errorCodes[code as ErrorCode].exit : 1
}

/** Passes records on, with `-` for what came from standard input, and tells the code of each refusal. */
async function* noted(
  records: AsyncIterable<AnyRecord>,
  spooled: readonly string[],
  refused: (code: string) => void
): AsyncGenerator<AnyRecord> {
  for await (const record of records) {
    if (record.kind === 'error') refused(String(record['code']))
    yield spooled.includes(dirname(String(record['file']))) ? { ...record, file: '-' } : record
  }
}
