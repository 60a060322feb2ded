import { tokenFaults } from '../../core/index.ts'
import { type AnyRecord, ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** A verdict as it was recorded. */
interface Recorded {
  readonly verdict: string
  readonly rule: string
  readonly conjuncts?: Readonly<Record<string, string>>
  readonly waits?: string
  readonly warnings?: readonly string[]
  readonly trust: string
  readonly at: string
  readonly inForce: boolean
}

interface Explanation extends AnyRecord {
  readonly log: string
  readonly index: number
  readonly author: string
  readonly verdict: string
  readonly type?: string
  readonly subject?: string
  readonly time?: string
  readonly history: readonly Recorded[]
  readonly token?: { readonly identity?: string; readonly fault?: string }
  readonly decision?: { readonly verdict: string; readonly because?: string; readonly at: string }
  readonly now?: {
    readonly verdict: string
    readonly rule: string
    readonly conjuncts: readonly { readonly text: string; readonly value: string }[]
    readonly waits?: string
    readonly warnings: readonly string[]
    readonly facts: Readonly<Record<string, unknown>>
  }
}

/** Prints why events have the verdicts that they have. */
export async function trustExplain(context: Context, event: string): Promise<number> {
  await printAll(context, ask(context, 'explain', { event }), (record) => explain(record as Explanation))
  return 0
}

function explain({ log, index, author, verdict, type, subject, time, history, decision, token, now }: Explanation): void {
  print(`event      ${log}/${index}`)
  print(`author     ${printable(author)}`)
  if (type !== undefined) print(`what       ${[type, subject, time].filter((one) => one !== undefined).join('  ')}`)
  print(`verdict    ${verdict}`)
  if (token?.identity !== undefined) print(`token      binds the log to ${printable(token.identity)} from here on`)
  else if (token?.fault !== undefined)
    print(`token      binds nobody: ${tokenFaults[token.fault as keyof typeof tokenFaults] ?? printable(token.fault)}`)
  for (const [i, one] of history.entries()) {
    if (isSame(one, history[i - 1])) continue
    print(
      `recorded   ${one.at}  ${one.verdict} by ${one.rule}${waiting(one.waits)}  (trust file ${one.trust.slice(0, 12)}, ${one.inForce ? 'in force' : 'no longer in force'})`
    )
    tell(Object.entries(one.conjuncts ?? {}), one.warnings ?? [])
  }
  if (history.length === 0) print('recorded   nothing')
  if (decision !== undefined)
    print(
      `decided    ${decision.at}  ${decision.verdict} by a person${decision.because === undefined ? '' : `: ${printable(decision.because)}`}`
    )
  if (now === undefined) {
    print('now        its text is not here: what the rules in force say of it is not known')
    return
  }
  print(`now        ${now.verdict} by ${now.rule}${waiting(now.waits)}`)
  tell(
    now.conjuncts.map(({ text, value }) => [text, value]),
    now.warnings
  )
  // what quotas and rates count is no fact that a condition can name; --json has it
  const {
    voices,
    usage: _,
    ...facts
  } = now.facts as {
    readonly voices?: { readonly said: number; readonly needed: number }
    readonly usage?: unknown
  }
  if (voices !== undefined && voices.needed > 1) print(`  voices   ${voices.said} of ${voices.needed} keys have said this`)
  for (const [name, value] of Object.entries(facts)) fact(name, value)
}

/** Judging again records the same again; said once it is enough for a person. */
function isSame(one: Recorded, before: Recorded | undefined): boolean {
  if (before === undefined) return false
  const said = ({ verdict, rule, conjuncts, waits, warnings, trust }: Recorded): string =>
    JSON.stringify([verdict, rule, conjuncts, waits, warnings, trust])
  return said(one) === said(before)
}

const waiting = (waits: string | undefined): string =>
  waits === undefined ? '' : `, waits for ${waits === 'voices' ? 'more keys to say the same' : waits}`

function tell(conjuncts: readonly (readonly [string, string])[], warnings: readonly string[]): void {
  for (const [text, value] of conjuncts) print(`  ${value.padEnd(8)} ${printable(text)}`)
  for (const warning of warnings) print(`  warning  ${printable(warning)}`)
}

const shownItems = 8

/** Prints a fact by its name in conditions: `event.type`. Long lists are counted. */
function fact(name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [member, one] of Object.entries(value)) fact(`${name}.${member}`, one)
    return
  }
  const text =
    Array.isArray(value) && value.length > shownItems
      ? `${value.length} items`
      : value === null
        ? 'waits for content'
        : JSON.stringify(value)
  print(`  ${name.padEnd(24)} ${printable(text)}`)
}
