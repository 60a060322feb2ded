import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { env } from 'node:process'
import { bundle } from '../scripts/bundle.ts'
import { bundleFolder } from './bundle-folder.ts'

const folder = join(bundleFolder, 'cli')

/** Programs that tests start again and again, to kill them. */
const killed = {
  'kill-node': resolve(import.meta.dirname, 'e2e/kill-node.ts'),
  'kill-child': resolve(import.meta.dirname, 'store/kill-child.ts')
}

/** Makes the command line that the tests run, as it is published, once for a run; it starts in half the time. */
export async function setup(): Promise<void> {
  if (env['REJOIN_TEST_CLI'] !== undefined) return
  await bundle(folder, killed)
  env['REJOIN_TEST_CLI'] = join(folder, 'main.js')
}

/** Deletes it. */
export function teardown(): void {
  rmSync(bundleFolder, { recursive: true, force: true })
}
