import { env } from 'node:process'

/** The command line that tests run: see test/bundle.ts. */
export const main: string = env['REJOIN_TEST_CLI'] ?? ''
if (main === '') throw new Error('the command line was not made: the configuration of vitest does it')
