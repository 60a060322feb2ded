import { dirname, join } from 'node:path'
import { env } from 'node:process'

/** The command line that tests run: see test/bundle.ts. */
export const main: string = env['REJOIN_TEST_CLI'] ?? ''
if (main === '') throw new Error('the command line was not made: the configuration of vitest does it')

/** Returns the path of a program that lies beside it. */
export function besideMain(name: 'kill-node' | 'kill-child'): string {
  return join(dirname(main), `${name}.js`)
}
