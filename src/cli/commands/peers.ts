import { tokenFaults } from '../../core/index.ts'
import { ask, printAll, type AnyRecord } from '../ask.ts'
import type { Context } from '../context.ts'
import { print, printable } from '../output.ts'

/** What a person decides about a peer. */
export interface PeerRuling {
  readonly action: 'block' | 'allow' | 'reset'
  readonly peer: string
  readonly because?: string
}

/** Prints the peers this node knows, and the writers that it heard of and does not trust; or rules on a peer and prints it. */
export async function peers(context: Context, ruling?: PeerRuling): Promise<number> {
  const { action, peer, because } = ruling ?? {}
  const args = ruling === undefined ? {} : { action, peer, ...(because !== undefined && { because }) }
  await printAll(context, ask(context, 'peers', args), (record) => {
    if (ruling !== undefined && context.quiet) return
    if (record.kind === 'peer') printPeer(record)
    else
      print(
        `unknown writer  ${String(record['did'])}  log ${String(record['log'])}  ${String(record['size'])} events; to trust it: rejoin trust add NAME ${String(record['did'])}${tokenWords(record)}`
      )
  })
  return 0
}

/** A token that it showed, and that binds nobody here. */
function tokenWords({ token }: AnyRecord & { readonly token?: unknown }): string {
  return typeof token === 'string' && token in tokenFaults
    ? `; it shows a token, but ${tokenFaults[token as keyof typeof tokenFaults]}`
    : ''
}

/** e.g. `connected  graylisted   -90  /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…  until 2026-11-21T20:00:00.000Z` */
function printPeer(record: AnyRecord): void {
  const { connected, standing, score, address, until, because } = record as AnyRecord & {
    readonly until?: string
    readonly because?: string
  }
  const state = connected === true ? 'connected' : 'known    '
  const more = [until !== undefined && `until ${until}`, because !== undefined && printable(because)].filter(
    (one) => one !== false
  )
  print(
    [`${state}  ${String(standing).padEnd(10)}  ${String(score).padStart(4)}  ${printable(String(address))}`, ...more].join('  ')
  )
}
