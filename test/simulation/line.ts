import { firstHlc, type Hlc, parseHlc, textOf } from '../../src/core/index.ts'

/** Returns the clock value in the line of a simulated event, or the smallest one where the line has none. */
export function hlcOf(bytes: Uint8Array): Hlc {
  const found = /"hlc":"([0-9a-f]{16})"/.exec(textOf(bytes))?.[1]
  return found === undefined ? firstHlc : parseHlc(found)
}
