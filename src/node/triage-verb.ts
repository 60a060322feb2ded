import { boundType, eventIn, RejoinError, type Verdict } from '../core/index.ts'
import type { EventRef } from '../store/index.ts'
import type { VerbRecord } from './control.ts'
import { textAt } from './entry.ts'
import { findPlaces } from './find.ts'
import { heldRecord, listHeld, rulingNow } from './held-events.ts'
import { authorOf } from './log-view.ts'
import type { Accepted } from './accepted.ts'
import type { Node } from './node.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin triage` asks for: the held events, or a person's decision about some. */
export interface TriageArgs {
  readonly action?: 'accept' | 'refuse' | 'withdraw'
  /** LOG/INDEX, or a digest that the events are about */
  readonly events?: readonly string[]
  readonly because?: string
  /** accept: use the events here, and pass nothing on */
  readonly keep?: boolean
  /** go on with events as they come to be held */
  readonly watch?: boolean
}

const maxReasonChars = 1000

/** Yields the held events, or records what a person decided and yields what came of it. @throws E_USAGE E_NOT_FOUND E_NO_SPACE */
export async function* triageVerb(context: VerbContext<TriageArgs>): AsyncGenerator<VerbRecord> {
  const { node, args, signal } = context
  if (args.action !== undefined) {
    yield* decide(context, args.action)
    return
  }
  // listeners begin before the listing, so that nothing falls between the two
  const following = args.watch === true ? followHeld(node, signal) : undefined
  const first = following?.next()
  for (const record of listHeld(node)) yield record
  if (following === undefined || first === undefined) return
  const begun = await first
  if (begun.done !== true) yield begun.value
  yield* following
}

async function* decide(
  { node, live, args }: VerbContext<TriageArgs>,
  action: NonNullable<TriageArgs['action']>
): AsyncGenerator<VerbRecord> {
  const { because, keep = false, events = [] } = args
  const verdict = verdictOf(action, keep)
  if ((because?.length ?? 0) > maxReasonChars)
    throw new RejoinError('E_USAGE', `a reason has at most ${maxReasonChars} characters`)
  const places: EventRef[] = []
  for (const word of events) for (const place of await findPlaces(node, word)) places.push(decidable(node, place))
  if (places.length === 0)
    throw new RejoinError('E_USAGE', 'no event is named', { hint: 'rejoin triage lists those that are held' })
  if (verdict === undefined) for (const place of places) needDecision(node, place)
  const before = places.map((place) => textAt(node, place)?.verdict ?? 'refuse')
  const at = new Date().toISOString()
  node.verdicts.decide(
    places.map(({ log, index }) => ({ log, index, ...(verdict && { verdict }), ...(because !== undefined && { because }), at }))
  )
  for (const [log, some] of Map.groupBy(places, (place) => place.log))
    await node.rejudge(log, new Set(some.map(({ index }) => index)))
  let isSought = false
  for (const [i, { log, index }] of places.entries()) {
    const after = textAt(node, { log, index })?.verdict ?? 'refuse'
    const sought = after === 'refuse' && verdict !== 'refuse'
    isSought ||= sought
    yield {
      kind: 'decision',
      action,
      log,
      index,
      author: authorOf(node, log, index),
      before: before[i],
      after,
      ...(because !== undefined && { because }),
      ...(sought && { waits: 'text' })
    } as VerbRecord
  }
  if (!isSought) return
  // its text went when it was refused: another replica may have it
  node.replica.seekAnew()
  live?.rulesChanged()
}

function verdictOf(action: NonNullable<TriageArgs['action']>, keep: boolean): Verdict | undefined {
  switch (action) {
    case 'accept':
      return keep ? 'keep' : 'relay'
    case 'refuse':
      return 'refuse'
    case 'withdraw':
      return undefined
    default:
      throw new RejoinError('E_USAGE', `triage knows no action ${JSON.stringify(action satisfies never)}`)
  }
}

/** Returns a place whose event a person may decide about. @throws E_USAGE for the own log, and for first lines, which hold their logs up */
function decidable(node: Node, place: EventRef): EventRef {
  if (node.store.opened(place.log).publicKey.every((byte, i) => byte === node.keys.signer.publicKey[i]))
    throw new RejoinError('E_USAGE', `${place.log}/${place.index} is an event of this node itself`)
  if (place.index === 0)
    throw new RejoinError('E_USAGE', `${place.log}/0 is the first line of its log, which stays with the log`, {
      hint: 'rejoin trust remove NAME no longer lets anything of its writer in'
    })
  const here = textAt(node, place)
  if (here !== undefined && eventIn(here.line)?.type === boundType)
    throw new RejoinError('E_USAGE', `${place.log}/${place.index} shows a token, which stays with the log`, {
      hint: 'a key of trust.yaml with its did and revokedFrom ends what a token binds'
    })
  return place
}

/** @throws E_NOT_FOUND where no decision stands */
function needDecision(node: Node, { log, index }: EventRef): void {
  if (node.verdicts.decisionOn(log, index) === undefined)
    throw new RejoinError('E_NOT_FOUND', `nobody decided about ${log}/${index}`, { hint: `rejoin trust explain ${log}/${index}` })
}

/** Yields events as they come to be held, until the signal is aborted. */
async function* followHeld(node: Node, signal: AbortSignal): AsyncGenerator<VerbRecord> {
  const waiting: Accepted[] = []
  let wake = (): void => {}
  const stop = node.onAccepted((accepted) => {
    waiting.push(...accepted.filter(({ verdict }) => verdict === 'hold'))
    wake()
  })
  const onAbort = (): void => wake()
  signal.addEventListener('abort', onAbort)
  try {
    while (!signal.aborted) {
      for (const { log, index, rule } of waiting.splice(0)) {
        const here = textAt(node, { log, index })
        if (here?.verdict !== 'hold') continue
        const { waits } = rulingNow(node, log, index, here.line, Date.now())
        yield heldRecord(node, log, index, here.line, { rule, waits, since: new Date().toISOString() })
      }
      if (waiting.length > 0 || signal.aborted) continue
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    stop()
  }
}
