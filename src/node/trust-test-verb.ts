import {
  basisOf,
  checkSuccession,
  type Compiled,
  decideOn,
  didOf,
  parseDuration,
  parseInstant,
  RejoinError
} from '../core/index.ts'
import { compileTrustBytes, isWeaker, Known, readBeside, replay, type ReplayChange } from '../trust/index.ts'
import type { VerbRecord } from './control.ts'
import { findLog } from './find.ts'
import { authorOf } from './log-view.ts'
import type { Node } from './node.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin trust test` asks for. */
export interface TrustTestArgs {
  /** bytes of the trust file that is tried, base64 */
  readonly file: string
  /** what it is called */
  readonly label: string
  /** where the key sets lie that it names; the data folder where it is left out */
  readonly folder?: string
  readonly log?: string
  /** an instant, or how long ago: `2026-11-01`, `30d` */
  readonly since?: string
  /** every change, not the first fifty */
  readonly all?: boolean
}

const shownCount = 50

/**
 * Tries a trust file on every event whose text is here, and changes nothing: yields what would get another verdict, and the totals.
 * @throws E_TRUST_FILE where the file would not load · E_USAGE E_NOT_FOUND
 */
export async function* trustTestVerb({ node, args, signal }: VerbContext<TrustTestArgs>): AsyncGenerator<VerbRecord> {
  const compiled = compileTrustBytes(Buffer.from(args.file, 'base64'), args.label, readBeside(args.folder ?? node.root))
  const nowMs = Date.now()
  const bindings = node.bindings.by(compiled)
  const sinceMs = args.since === undefined ? undefined : parseSince(args.since, nowMs)
  const log = args.log === undefined ? undefined : findLog(node, args.log)
  const known = new Known(node.store, node.blobs, compiled, nowMs, bindings)
  await known.ready()
  const steps = replay({
    store: node.store,
    compiled,
    own: node.did,
    known,
    bindings,
    reputationsOf: (of) => node.verdicts.reputations(of),
    decisionOn: (of, index) => node.verdicts.decisionOn(of, index),
    nowMs,
    log,
    sinceMs
  })
  let changed = 0
  let percent = -1
  for (;;) {
    signal.throwIfAborted()
    const next = await steps.next()
    if (next.done === true) {
      const shown = args.all === true ? changed : Math.min(changed, shownCount)
      yield {
        kind: 'result',
        ok: next.value.weaker === 0,
        ...next.value,
        changed,
        shown,
        ...aboutFile(node, compiled)
      } as VerbRecord
      return
    }
    const { done, total, changes } = next.value
    for (const change of changes) if (changed++ < shownCount || args.all === true) yield recordOf(node, change, nowMs)
    const reached = Math.floor((done / total) * 100)
    if (reached === percent) continue
    percent = reached
    yield { kind: 'progress', done, total } as VerbRecord
  }
}

/** @throws E_USAGE */
function parseSince(text: string, nowMs: number): number {
  const ms = parseInstant(text)
  if (ms !== undefined) return ms
  const ago = parseDuration(text)
  if (ago !== undefined && ago !== Infinity) return nowMs - ago
  throw new RejoinError('E_USAGE', `not a time: ${JSON.stringify(text.slice(0, 40))}`, {
    hint: 'such as 2026-11-01, 2026-11-01T12:00:00Z or 30d, for thirty days ago'
  })
}

function recordOf(node: Node, { log, index, event, before, after }: ReplayChange, nowMs: number): VerbRecord {
  const { verdict, rule, conjuncts, waits, warnings } = after
  return {
    kind: 'change',
    log,
    index,
    author: authorOf(node, log, index),
    ...(event && { type: event.type, subject: event.subject }),
    before,
    ...was(node, { log, index, event, before, after }, nowMs),
    after: verdict,
    rule,
    conjuncts,
    ...(waits !== undefined && { waits }),
    warnings,
    weaker: isWeaker(before, verdict)
  } as VerbRecord
}

/** The rule in force that gives the verdict that it has now, where one still does. */
function was(node: Node, { log, index, event, before }: ReplayChange, nowMs: number): { readonly was?: string } {
  if (event === undefined) return {}
  const author = didOf(node.store.opened(log).publicKey)
  const facts = node.gate.factsOf({ index, start: 0, end: 0 }, event, { log, author, nowMs })
  const { verdict, rule } = decideOn(facts, node.gate.rules, node.did)
  return verdict === before ? { was: rule } : {}
}

function aboutFile(
  node: Node,
  { file }: Compiled
): { readonly trust: string; readonly inForce: string; readonly warnings: readonly string[] } {
  const inForce = node.gate.rules.file
  const warnings = file.digest === inForce.digest ? [] : checkSuccession(inForce, file).map(({ message }) => message)
  return { trust: basisOf(file), inForce: basisOf(inForce), warnings }
}
