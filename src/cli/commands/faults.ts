import type { AnyRecord } from '../ask.ts'
import { printable } from '../output.ts'

/** Names something on a medium that was not taken, on standard error. */
export function tellFault({ path, reason, code }: AnyRecord): void {
  process.stderr.write(`rejoin: not taken: ${printable(String(path))}: ${printable(String(reason))} (${String(code)})\n`)
}
