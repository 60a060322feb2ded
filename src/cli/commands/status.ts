import { ask, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable, printJson } from '../output.ts'

/** Prints what this node holds and whom it is connected to. */
export async function status(context: Context, { code = false }: { readonly code?: boolean } = {}): Promise<number> {
  if (code) {
    await printAll({ ...context, json: false }, ask(context, 'status', {}), (record) =>
      context.json ? printJson({ kind: 'code', code: record['code'] }) : print(String(record['code']))
    )
    return 0
  }
  await printAll(context, ask(context, 'status', {}), (record) => {
    print(
      `node       ${printable(String(record['name']))}  ${String(record['nodeId'])}  ${record['up'] === true ? 'up' : 'not up'}`
    )
    for (const one of record['logs'] as readonly { readonly log: string; readonly author: string; readonly size: number }[])
      print(`log        ${one.log}  ${String(one.size).padStart(8)}  ${printable(one.author)}`)
    for (const peer of record['peers'] as readonly { readonly address: string; readonly direction: string }[])
      print(`peer       ${printable(peer.address)}  ${peer.direction}`)
    for (const forge of record['forge'] as readonly ForgeState[]) printForge(forge)
    for (const one of record['oneWay'] as readonly OneWayRecord[]) print(wordOneWay(one))
    for (const site of record['sites'] as readonly Site[]) print(wordSite(site))
    for (const one of record['conflicts'] as readonly (Conflict | Dispute)[])
      print(one.kind === 'tag' ? `TAG        ${wordDispute(one)}` : `FORK       ${wordConflict(one)}`)
  })
  return 0
}

interface OneWayRecord {
  readonly target: string
  readonly assumedAt: string | null
  readonly confirmed: number
  readonly confirmedAt: string | null
  readonly unconfirmed: number
}

/** e.g. `one-way    default  1200 events confirmed 2026-11-28T16:00:00Z, 30 on their way, last sent 2026-11-28T17:00:00Z` */
function wordOneWay({ target, assumedAt, confirmed, confirmedAt, unconfirmed }: OneWayRecord): string {
  const said = confirmedAt === null ? 'nothing confirmed' : `${confirmed} events confirmed ${confirmedAt}`
  const sent = assumedAt === null ? '' : `, ${unconfirmed} on their way, last sent ${assumedAt}`
  return `one-way    ${printable(target)}  ${said}${sent}`
}

interface ForgeState {
  readonly url: string
  readonly connected: boolean
  readonly waiting: number
  readonly held: number
  readonly awaySince?: string
  readonly nextTry?: string
  readonly conflicts: readonly { readonly repository: string; readonly tag: string }[]
}

/** e.g. `forge      https://registry.example  away since 2026-11-28T16:00:00Z, 3 waiting, next try 2026-11-28T16:05:00Z` */
function printForge({ url, connected, waiting, held, awaySince, nextTry, conflicts }: ForgeState): void {
  const state = connected ? 'there' : awaySince === undefined ? 'not asked yet' : `away since ${awaySince}`
  const next = awaySince === undefined || nextTry === undefined ? '' : `, next try ${nextTry}`
  print(`forge      ${printable(url)}  ${state}, ${waiting} waiting${held === 0 ? '' : `, ${held} held (rejoin triage)`}${next}`)
  for (const { repository, tag } of conflicts)
    print(`CONFLICT   ${printable(`${repository}:${tag}`)} was moved here and at ${printable(url)}; rejoin forge outbox list`)
}

interface Conflict {
  readonly kind: 'fork'
  readonly log: string
  readonly author: string | null
  readonly proof: string | null
  readonly endsAt: number | null
}

function wordConflict({ log, author, proof, endsAt }: Conflict): string {
  const whose = author === null ? '' : ` of ${printable(author)}`
  if (proof === null) return `log ${log}${whose} may have two histories and is frozen; both signed heads are in private/forks`
  return `log ${log}${whose} has two histories: it ends at entry ${endsAt} and is frozen; ${proof} proves it`
}

interface Statement {
  readonly digest: string | null
  readonly author: string
}

interface Dispute {
  readonly kind: 'tag'
  readonly repository: string
  readonly tag: string
  readonly winner: Statement
  readonly losers: readonly Statement[]
}

function wordDispute({ repository, tag, winner, losers }: Dispute): string {
  const word = ({ digest, author }: Statement): string =>
    `${digest === null ? 'nothing' : digest.slice(0, 19)} by ${printable(author)}`
  return `${repository}:${tag} is ${word(winner)}; ${losers.map(word).join(', ')} said otherwise; setting the tag again settles it`
}

interface Site {
  readonly name: string
  readonly confirmed: number
  readonly onItsWay: number
  readonly behind: number
  readonly since: string | null
}

function wordSite({ name, confirmed, onItsWay, behind, since }: Site): string {
  const way = onItsWay === 0 ? '' : `, ${onItsWay} on their way since ${since ?? 'some time'}`
  return `site       ${printable(name)}  ${confirmed} events confirmed${way}${behind === 0 ? '' : `, ${behind} on no medium yet`}`
}
