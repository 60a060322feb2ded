import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** A person's decision about held events. */
export interface TriageRuling {
  readonly action: 'accept' | 'refuse' | 'withdraw'
  readonly events: readonly string[]
  readonly because?: string
  readonly keep?: boolean
}

/** Prints the held events by rule and author; with --watch goes on as others come to be held. */
export async function triage(context: Context, flags: { readonly watch?: boolean }): Promise<number> {
  let group = ''
  let count = 0
  await printAll(context, ask(context, 'triage', { watch: flags.watch === true }), (record) => {
    const { author, rule, waits } = record
    const heading = `held by ${String(rule)}, of ${printable(String(author))}${waits === 'content' ? ', waiting for content' : waits === 'voices' ? ', waiting for more keys to say the same' : ''}`
    if (heading !== group) print(heading)
    group = heading
    count++
    print(wordHeld(record))
  })
  if (context.json || context.quiet || flags.watch === true) return 0
  print(
    count === 0
      ? 'nothing is held'
      : `${count} held: rejoin trust explain EVENT says why, rejoin triage accept|refuse EVENT decides`
  )
  return 0
}

/** Records a person's decision and prints what came of it. */
export async function decide(context: Context, ruling: TriageRuling): Promise<number> {
  await printAll(context, ask(context, 'triage', ruling), (record) => {
    if (context.quiet) return
    const { before, after, waits } = record
    const later =
      waits === 'text'
        ? '; its text is asked for at the next sync'
        : waits === 'forge'
          ? '; it is taken at the next sync with the forge'
          : ''
    const change = before === after ? `stays ${String(after)}` : `${String(before)} → ${String(after)}`
    print(`${placeOf(record)}  ${printable(String(record['author']))}  ${change}${later}`)
  })
  return 0
}

const placeOf = ({ log, index, reference }: AnyRecord): string =>
  typeof reference === 'string' ? printable(reference) : `${String(log).slice(0, 8)}/${String(index)}`

function wordHeld(record: AnyRecord): string {
  const { type, subject, repository, since } = record
  const parts = [placeOf(record), since ?? '', type, typeof subject === 'string' ? subject.slice(0, 19) : '', repository ?? '']
  return `  ${parts.map((one) => printable(String(one))).join('  ')}`.trimEnd()
}
