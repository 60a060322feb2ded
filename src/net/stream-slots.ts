import type { Connection } from '@libp2p/interface'
import { RejoinError } from '../core/index.ts'

interface Slots {
  taken: number
  readonly waiting: Set<() => void>
}

/**
 * Lets at most so many streams be open at once on one connection for one protocol; who wants one more waits until one has ended, in the
 * order of asking. libp2p counts too, but only after the stream was opened and its protocol agreed on, and then breaks it.
 */
export class StreamSlots {
  private readonly max: number
  private readonly byConnection = new WeakMap<Connection, Map<string, Slots>>()

  /** @param max streams of one protocol on one connection */
  constructor(max: number) {
    this.max = max
  }

  /**
   * Takes a slot, as soon as there is one; what is returned gives it back, once however often it is called.
   * @throws E_TIMEOUT where the signal ends before a slot is free
   */
  async take(connection: Connection, protocol: string, signal: AbortSignal): Promise<() => void> {
    const slots = this.slotsOf(connection, protocol)
    if (slots.taken < this.max) slots.taken++
    else if (!(await nextFree(slots, signal))) {
      const streams = `${slots.taken} streams of ${protocol} are open with ${connection.remotePeer.toString()}`
      throw new RejoinError('E_TIMEOUT', `${streams}, and none of them ended in time`)
    }
    let held = true
    return () => {
      if (held) giveBack(slots)
      held = false
    }
  }

  private slotsOf(connection: Connection, protocol: string): Slots {
    const protocols = this.byConnection.get(connection) ?? new Map<string, Slots>()
    this.byConnection.set(connection, protocols)
    const slots = protocols.get(protocol) ?? { taken: 0, waiting: new Set() }
    protocols.set(protocol, slots)
    return slots
  }
}

/** Resolves with true once a slot was handed over, with false where the signal ended first. */
async function nextFree({ waiting }: Slots, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  return await new Promise<boolean>((resolve) => {
    const handOver = (): void => {
      signal.removeEventListener('abort', leave)
      resolve(true)
    }
    const leave = (): void => {
      waiting.delete(handOver)
      resolve(false)
    }
    waiting.add(handOver)
    signal.addEventListener('abort', leave, { once: true })
  })
}

/** Hands a slot to who waits longest, so that nobody who comes later takes it in between. */
function giveBack(slots: Slots): void {
  const [next] = slots.waiting
  if (next === undefined) {
    slots.taken--
    return
  }
  slots.waiting.delete(next)
  next()
}
