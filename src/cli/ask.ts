import { codeOf } from '../core/error.ts'
import { askNode, type VerbRecord } from '../node/control.ts'
import { type Context, stateFolder } from './context.ts'
import { diagnostics } from './diagnostics.ts'
import { endProgress, printJson, progress } from './output.ts'

/** how long a command waits for a node that is starting or ending, in milliseconds */
const startingMs = 3000
const againMs = 100

/** A record of a verb with all its members. */
export type AnyRecord = VerbRecord & Readonly<Record<string, unknown>>

/** How a verb is asked for. */
export interface AskOptions {
  /** the command needs the network: without a node that is up, one is brought up for this command */
  readonly network?: boolean
}

/**
 * Yields the records of a verb: from the node that is up, else from the data folder opened here.
 * @throws what the verb throws
 */
export async function* ask(
  { root, signal, quiet }: Context,
  verb: string,
  args: object,
  { network = false }: AskOptions = {}
): AsyncGenerator<AnyRecord> {
  const logOf = diagnostics({ quiet })
  const log = logOf('node')
  const flags = network ? { listen: [], mdns: false, peers: [] } : {}
  for (const giveUpMs = Date.now() + startingMs; ; ) {
    const running = askNode(root, verb, args, signal)
    let next = await running.next()
    for (; next.done !== true; next = await running.next()) yield next.value as AnyRecord
    if (next.value) return
    // a command that a running node answers needs none of this, which takes five times as long to load as the rest of it
    const { Live, Node } = await import('../node/index.ts')
    const { runAnyVerb } = await import('./any-verb.ts')
    const options = { flags, stateFolder: stateFolder(), onNotice: (text: string) => log.warn({}, text) }
    const opened = await Node.open(root, options).catch((error: unknown) => {
      // a node that is starting or ending has the folder open, and no socket yet or any more
      if (codeOf(error) === 'E_LOCKED' && Date.now() < giveUpMs) return undefined
      throw error
    })
    if (opened === undefined) {
      await new Promise((resolve) => setTimeout(resolve, againMs))
      signal.throwIfAborted()
      continue
    }
    await using node = opened
    if (!network) {
      yield* runAnyVerb(node, undefined, verb, args, signal) as AsyncIterable<AnyRecord>
      return
    }
    await using live = await Live.open(node, { log: logOf('net') })
    yield* runAnyVerb(node, live, verb, args, signal) as AsyncIterable<AnyRecord>
    return
  }
}

/** Prints the records of a verb: as JSON lines, or as `show` words them; progress goes to standard error. */
export async function printAll(
  context: Context,
  records: AsyncIterable<AnyRecord>,
  show: (record: AnyRecord) => void
): Promise<void> {
  try {
    for await (const record of records) {
      if (context.json) printJson(record)
      else if (record.kind === 'progress') progress(wordProgress(record))
      else {
        endProgress()
        show(record)
      }
    }
  } finally {
    endProgress()
  }
}

function wordProgress(record: AnyRecord): string {
  const { done, total, rate, left } = record
  if (typeof done === 'number' && typeof total === 'number') {
    const share = total === 0 ? 1 : done / total
    const bar = `[${'#'.repeat(Math.round(share * 30)).padEnd(30)}]`
    if (typeof rate !== 'number') return `${bar} ${done} of ${total}`
    const time = typeof left === 'number' ? `, ${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')} left` : ''
    return `${bar} ${megabytes(done)} of ${megabytes(total)} MB, ${megabytes(rate)} MB/s${time}`
  }
  return `${String(record['entries'] ?? 0)} events, ${String(record['bytes'] ?? 0)} bytes`
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}
