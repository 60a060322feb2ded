import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sharedPath } from '../shared.ts'

const run = promisify(execFile)

/** Runs a program of Debian's that must succeed; returns what it printed. */
export async function tool(name: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(name, [...args], { maxBuffer: 64 * 1024 * 1024, encoding: 'utf8' })
  return stdout
}

/** Copies an image with all that it lists and its digests, from or to a registry of the loopback. */
export async function skopeoCopy(from: string, to: string): Promise<void> {
  const side = from.startsWith('docker://') ? '--src-tls-verify=false' : '--dest-tls-verify=false'
  await tool('skopeo', 'copy', '-q', '--all', '--preserve-digests', side, from, to)
}

/** Unpacks a layout of the corpus; returns its folder. */
export async function layout(root: string, name: 'oras-images' | 'regclient-testrepo'): Promise<string> {
  const folder = join(root, name)
  mkdirSync(folder, { recursive: true })
  await tool('tar', 'xf', sharedPath(`corpus/oci/${name}.tar`), '-C', folder)
  return folder
}
