import type { NetLog } from './log.ts'

const firstDelayMs = 200
const lastDelayMs = 60_000
const stableMs = 10_000
const flappingFailures = 4

/**
 * Returns the milliseconds to wait before a dial after so many failed ones: 0.2 s doubled each time up to 60 s, of which a random part of up to
 * a half is taken off, so that nodes that lost one hub together don't come back together.
 * @param random from 0 up to 1
 */
export function backoffMs(failures: number, random: number): number {
  return Math.min(lastDelayMs, firstDelayMs * 2 ** Math.min(failures, 20)) * (1 - random / 2)
}

/** What Reconnect needs of the host. */
export interface Dialler {
  /** Connects, or returns the peer that is connected already. */
  readonly dial: (address: string, signal: AbortSignal) => Promise<string>
  readonly isConnected: (peerId: string) => boolean
}

interface Link {
  readonly address: string
  peerId: string | undefined
  failures: number
  upSinceMs: number | undefined
  timer: NodeJS.Timeout | undefined
  dialling: boolean
  down: boolean
}

/** Keeps connections to some addresses for ever: dials again after each failure and each disconnect, with jittered backoff. */
export class Reconnect {
  private readonly dialler: Dialler
  private readonly log: NetLog
  private readonly links = new Map<string, Link>()
  private readonly stopping = new AbortController()

  constructor(dialler: Dialler, log: NetLog) {
    this.dialler = dialler
    this.log = log
  }

  /** Dials an address now and from then on whenever its peer is not connected; idempotent. */
  keep(address: string, peerId: string | undefined): void {
    if (this.links.has(address) || this.stopping.signal.aborted) return
    const link = { address, peerId, failures: 0, upSinceMs: undefined, timer: undefined, dialling: false, down: false }
    this.links.set(address, link)
    void this.dial(link)
  }

  /** Leaves an address alone from now on; its connection stays. */
  forget(address: string): void {
    clearTimeout(this.links.get(address)?.timer)
    this.links.delete(address)
  }

  /** Tells that a peer is connected, whoever dialled. */
  connected(peerId: string): void {
    for (const link of this.links.values()) if (link.peerId === peerId) this.up(link)
  }

  /** Tells that the last connection to a peer is gone. */
  disconnected(peerId: string): void {
    for (const link of this.links.values()) {
      if (link.peerId !== peerId) continue
      if (link.upSinceMs !== undefined) {
        // a short visit is a success too (the link may be up for seconds at a time), but a peer that cuts at once isn't dialled without a pause
        const stable = performance.now() - link.upSinceMs >= stableMs
        link.failures = stable ? 0 : Math.min(link.failures, flappingFailures)
      }
      link.upSinceMs = undefined
      if (!link.dialling) this.later(link)
    }
  }

  /** Ends all dials and plans none; idempotent. */
  stop(): void {
    this.stopping.abort()
    for (const address of this.links.keys()) this.forget(address)
  }

  private up(link: Link): void {
    clearTimeout(link.timer)
    link.upSinceMs ??= performance.now()
    if (link.down) this.log.info({ address: link.address, peer: link.peerId }, 'connected again')
    link.down = false
  }

  private later(link: Link): void {
    if (this.links.get(link.address) !== link) return
    clearTimeout(link.timer)
    link.timer = setTimeout(() => void this.dial(link), backoffMs(link.failures++, Math.random()))
  }

  private async dial(link: Link): Promise<void> {
    link.dialling = true
    try {
      link.peerId = await this.dialler.dial(link.address, this.stopping.signal)
      if (this.dialler.isConnected(link.peerId)) this.up(link)
      else this.later(link)
    } catch (error) {
      // being offline is said once, not with each try
      if (!link.down && !this.stopping.signal.aborted)
        this.log.info({ address: link.address, err: error }, 'not reachable; trying on')
      link.down = true
      this.later(link)
    } finally {
      link.dialling = false
    }
  }
}
