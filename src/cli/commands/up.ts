import type { Config } from '../../node/index.ts'
import { listenControl, Live, Node, runVerb, watchTrust } from '../../node/index.ts'
import { RejoinError } from '../../core/error.ts'
import { runAnyVerb } from '../any-verb.ts'
import { type Context, stateFolder } from '../context.ts'
import { diagnostics, type RoomLog } from '../diagnostics.ts'
import { print, printJson } from '../output.ts'

/** The options of `rejoin up`. */
export interface UpFlags {
  readonly listen?: readonly string[]
  readonly http?: string
  readonly peer?: readonly string[]
  readonly mdns?: boolean
  readonly next?: boolean
  readonly witness?: boolean
}

/** Brings the node up until it is asked to end. @returns 0 after SIGTERM or SIGINT */
export async function up(context: Context, flags: UpFlags): Promise<number> {
  const settings: Partial<Config> = {
    ...(flags.listen !== undefined && { listen: flags.listen }),
    ...(flags.http !== undefined && { http: flags.http }),
    ...(flags.peer !== undefined && { peers: flags.peer }),
    ...(flags.mdns === false && { mdns: false }),
    ...(flags.witness === true && { witness: true })
  }
  const logOf = diagnostics(context)
  const log = logOf('node')
  await using node = await Node.open(context.root, {
    flags: settings,
    stateFolder: stateFolder(),
    onNotice: (text) => log.warn({}, text)
  })
  await using live = await Live.open(node, { log: logOf('net') })
  await using _http = await openHttpOf(node, live, logOf('http'))
  const { ForgeFollower } = await import('../../forge/index.ts')
  await using follower = new ForgeFollower(node, live, logOf('forge'))
  const stopControl = await listenControl(context.root, (verb, args, signal) =>
    runAnyVerb(node, live, verb, args, signal, follower)
  )
  const onReload = (): void => {
    try {
      if (node.reloadTrust()) live.rulesChanged()
    } catch (error) {
      log.error({}, error instanceof RejoinError ? error.message : String(error))
    }
  }
  process.on('SIGHUP', onReload)
  const stopWatching = watchTrust(node.root, onReload, () =>
    [...(node.gate.rules.file.issuers?.values() ?? [])].map(({ jwks }) => jwks)
  )
  try {
    for await (const record of runVerb(node, live, 'id', {}, context.signal))
      sayReady(context, record as never, flags.next === true)
    await new Promise<void>((resolve) => {
      if (context.signal.aborted) resolve()
      context.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } finally {
    process.off('SIGHUP', onReload)
    stopWatching()
    await stopControl()
  }
  return 0
}

/** Opens the HTTP port where one was asked for; what it needs is loaded only then. */
async function openHttpOf(node: Node, live: Live, log: RoomLog): Promise<AsyncDisposable | undefined> {
  const { http } = node.config
  if (http === '') return undefined
  const { openHttp } = await import('../../http/index.ts')
  return await openHttp(node, http, { log, live })
}

function sayReady(context: Context, record: Readonly<Record<string, unknown>>, next: boolean): void {
  const { kind: _, ...id } = record
  if (context.json) {
    printJson({ ready: true, ...id })
    return
  }
  const addresses = record['addresses'] as readonly string[]
  print(`node       ${String(record['nodeId'])}`)
  print(`key        ${String(record['did'])}`)
  for (const address of addresses) print(`address    ${address}`)
  if (typeof record['http'] === 'string') print(`http       ${record['http']}`)
  if (!next) return
  print('')
  print('The node is up. In another terminal, try:')
  print(`  scripts/rejoin publish --data ${context.root} README.md --type text/markdown`)
  print(`  scripts/rejoin log --data ${context.root}`)
  print(`  scripts/rejoin status --data ${context.root}`)
}
