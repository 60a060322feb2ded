import { writeFile } from 'node:fs/promises'
import { ask } from '../ask.ts'
import type { Context } from '../context.ts'
import { notice, printJson } from '../output.ts'

/** The options of `rejoin proof`. */
export interface ProofFlags {
  readonly format?: string
  readonly output?: string
  readonly entry?: string
}

/** Writes the proof that an event is in its log, and with --entry the event's exact bytes beside it. */
export async function proof(context: Context, event: string, flags: ProofFlags): Promise<number> {
  for await (const record of ask(context, 'proof', { event, ...(flags.format !== undefined && { format: flags.format }) })) {
    const bytes = Buffer.from(String(record['proof']), 'base64')
    if (flags.entry !== undefined) await writeFile(flags.entry, Buffer.from(String(record['entry']), 'base64'))
    if (flags.output !== undefined) await writeFile(flags.output, bytes)
    if (context.json) printJson(record)
    else if (flags.output === undefined) process.stdout.write(bytes)
    else if (!context.quiet)
      notice(
        `wrote ${flags.output}: entry ${String(record['index'])} of ${String(record['size'])} in log ${String(record['log'])}`
      )
  }
  return 0
}
