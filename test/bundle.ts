import { rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { env, pid } from 'node:process'
import { bundle } from '../scripts/bundle.ts'

const folder = resolve(import.meta.dirname, `../.bundle-${pid}/cli`)

/** Programs that tests start again and again, to kill them. */
const killed = {
  'kill-node': resolve(import.meta.dirname, 'e2e/kill-node.ts'),
  'kill-child': resolve(import.meta.dirname, 'store/kill-child.ts')
}

/** Makes the command line that the tests run, as it is published, once for a run; it starts in half the time, and is compiled once. */
export async function setup(): Promise<void> {
  env['NODE_COMPILE_CACHE'] ??= resolve(folder, '../compiled')
  if (env['REJOIN_TEST_CLI'] !== undefined) return
  await bundle(folder, killed)
  env['REJOIN_TEST_CLI'] = resolve(folder, 'main.js')
}

/** Deletes it. */
export function teardown(): void {
  rmSync(dirname(folder), { recursive: true, force: true })
}
