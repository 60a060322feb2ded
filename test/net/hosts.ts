import { codeOf, type ErrorCode } from '../../src/core/index.ts'
import { type Host, type HostOptions, openHost, type RemotePeer } from '../../src/net/index.ts'
import { afterEveryTest } from '../endings.ts'

/** Things that happened, in order; a test waits until they are what it expects. */
export class Seen<T> {
  readonly all: T[] = []
  private readonly waiting = new Set<() => void>()

  /** Adds what happened. */
  readonly add = (one: T): void => {
    this.all.push(one)
    for (const look of this.waiting) look()
  }

  /** Resolves as soon as a condition holds, with all that was seen; checked after each event. */
  async until(condition: (all: readonly T[]) => boolean): Promise<readonly T[]> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!condition(this.all)) return
        this.waiting.delete(look)
        resolve()
      }
      this.waiting.add(look)
      look()
    })
    return this.all
  }
}

/** A host of a test, and whom it saw come and go. */
export interface TestHost {
  readonly host: Host
  readonly came: Seen<RemotePeer>
  readonly went: Seen<RemotePeer>
  readonly address: string
}

const opened: Host[] = []
let nextSeed = 1

afterEveryTest(async () => {
  await Promise.all(opened.splice(0).map(async (host) => await host[Symbol.asyncDispose]()))
})

/** Returns the seed of a key that no other host of this test has. */
export function freshSeed(): Uint8Array {
  const seed = new Uint8Array(32).fill(7)
  new DataView(seed.buffer).setUint32(0, nextSeed++)
  return seed
}

/** Opens a host that listens on a free port of loopback and is closed after the test. */
export async function open(options: Partial<HostOptions> = {}): Promise<TestHost> {
  const came = new Seen<RemotePeer>()
  const went = new Seen<RemotePeer>()
  const host = await openHost({
    seed: freshSeed(),
    network: 'test',
    listen: ['/ip4/127.0.0.1/tcp/0'],
    peers: [],
    mdns: false,
    onConnect: came.add,
    onDisconnect: went.add,
    ...options
  })
  opened.push(host)
  return { host, came, went, address: host.addresses()[0] ?? '' }
}

/** A signal for a call that a test doesn't mean to cut off. */
export function patient(): { readonly signal: AbortSignal } {
  return { signal: AbortSignal.timeout(15_000) }
}

/** Returns the error that a promise rejects with; one without a code of ours goes on, and so fails the test. */
export async function failure(promise: Promise<unknown>): Promise<{ readonly code: ErrorCode; readonly message: string }> {
  try {
    await promise
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) throw error
    return { code, message: (error as Error).message }
  }
  throw new Error('it was expected to fail')
}
