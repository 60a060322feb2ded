import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Medium } from '../../test/e2e/media.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const mebibyte = 1024 * 1024

/** Returns the bytes of what is on its way to a medium. */
function partBytes(stick: string): number {
  try {
    return readdirSync(join(stick, 'tmp')).reduce((sum, name) => sum + statSync(join(stick, 'tmp', name)).size, 0)
  } catch {
    return 0
  }
}

/**
 * Exports a blob to a real exFAT, pulls that out when half of the blob is there, puts it back in, repaired, and runs the same command again.
 * @param root of a node that has one large blob
 * @returns how many bytes were written more than once
 */
export async function yankedHalfWay(root: string, place: string, sizeBytes: number): Promise<number> {
  await using medium = await Medium.make('exfat', join(place, 'yanked'), Math.ceil(sizeBytes * 1.25) + 64 * mebibyte)
  const args = [main, 'export', medium.path, '--data', root, '--json']
  const first = spawn(process.execPath, args, { stdio: 'ignore' })
  const ended = once(first, 'close')
  while (partBytes(medium.path) < sizeBytes / 2) {
    if (first.exitCode !== null) throw new Error('the export was over before the medium could be pulled out')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  // so that it writes nothing between the count and the yank
  first.kill('SIGSTOP')
  const wrote = partBytes(medium.path)
  await medium.yank()
  first.kill('SIGCONT')
  await ended
  await medium.mountAgain()
  const second = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = (await text(second.stdout)).trimEnd().split('\n')
  const result = JSON.parse(lines.at(-1) ?? '{}') as { readonly complete?: boolean; readonly written?: number }
  if (result.complete !== true) throw new Error(`the export after a yank is not complete: ${lines.at(-1) ?? ''}`)
  return Math.max(0, wrote + (result.written ?? 0) - sizeBytes)
}
