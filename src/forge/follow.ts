import { RejoinError } from '../core/index.ts'
import { type ForgeSetting, type Live, loadConfig, type Node } from '../node/index.ts'
import { parseForgeUrl } from './forge-url.ts'
import { readForgeState, writeForgeState } from './forge-state.ts'
import { gatherRequests, isAway, syncForge } from './sync-forge.ts'

/** Where the follower says what changes: that a forge is away, or back. */
export interface FollowLog {
  readonly info: (members: object, text: string) => void
  readonly warn: (members: object, text: string) => void
}

/** How forges are followed. */
export interface FollowOptions {
  /** where Docker's config.json is, for tests; Docker's own place where it is left out */
  readonly credentialFolder?: string
}

const firstRetryMs = 5000
/** how long own events are gathered before they are sent, in milliseconds */
const gatherMs = 500

/** Follows the forges of a node that is up: each on its own timer, away or not. */
export class ForgeFollower implements AsyncDisposable {
  private readonly node: Node
  private readonly live: Live
  private readonly log: FollowLog
  private readonly options: FollowOptions
  private readonly stopping = new AbortController()
  private readonly timers = new Map<string, NodeJS.Timeout>()
  private readonly retries = new Map<string, number>()
  private readonly warned = new Map<string, ReadonlySet<string>>()
  /** those with which there is to be another sync after the one under way */
  private readonly again = new Set<string>()
  private readonly running = new Map<string, Promise<void>>()
  private settings: readonly ForgeSetting[]
  private readonly stopAccepted: () => void

  constructor(node: Node, live: Live, log: FollowLog, options: FollowOptions = {}) {
    this.options = options
    this.node = node
    this.live = live
    this.log = log
    this.settings = node.config.forges
    for (const setting of this.settings) this.later(setting, 0)
    this.stopAccepted = node.onAccepted((accepted) => {
      if (accepted.some(({ log: from, event }) => from === node.log && event?.data['forge'] === undefined)) this.published()
    })
  }

  /** Reads config.yaml again: other forges are followed from now on. @throws E_CONFIG */
  reload(): void {
    const before = new Map(this.settings.map((setting) => [setting.url, JSON.stringify(setting)]))
    this.settings = loadConfig(this.node.root).forges
    const urls = new Set(this.settings.map(({ url }) => url))
    for (const [url, timer] of this.timers) {
      if (urls.has(url)) continue
      clearTimeout(timer)
      this.timers.delete(url)
    }
    for (const setting of this.settings) if (before.get(setting.url) !== JSON.stringify(setting)) this.later(setting, 0)
  }

  /** Syncs with a forge soon. */
  soon(url: string): void {
    const setting = this.settings.find((one) => one.url === url)
    if (setting !== undefined) this.later(setting, 0)
  }

  /** Something was published here: it waits in outbox/ at once, and is sent soon where the forge is there. */
  private published(): void {
    for (const setting of this.settings) {
      if (setting.push.length === 0) continue
      const { awaySince } = readForgeState(this.node.root, parseForgeUrl(setting.url).host)
      if (awaySince === undefined) this.later(setting, gatherMs)
      else if (!this.running.has(setting.url)) gatherRequests(this.node, setting)
    }
  }

  private later(setting: ForgeSetting, waitMs: number): void {
    if (this.stopping.signal.aborted) return
    clearTimeout(this.timers.get(setting.url))
    this.timers.set(
      setting.url,
      setTimeout(() => {
        this.timers.delete(setting.url)
        if (this.running.has(setting.url)) {
          this.again.add(setting.url)
          return
        }
        const work = this.once(setting).finally(() => {
          this.running.delete(setting.url)
          if (this.again.delete(setting.url)) this.later(setting, 0)
        })
        this.running.set(setting.url, work)
      }, waitMs)
    )
  }

  private async once(setting: ForgeSetting): Promise<void> {
    const { node, live, log } = this
    const { host } = parseForgeUrl(setting.url)
    const { awaySince } = readForgeState(node.root, host)
    let waitMs = setting.intervalSeconds * 1000
    try {
      const { faults } = await syncForge({ ...this.options, node, live, setting, signal: this.stopping.signal, say: () => {} })
      if (awaySince !== undefined) log.info({ forge: setting.url }, `the forge ${host} is back`)
      this.warn(setting, faults)
      this.retries.delete(setting.url)
    } catch (error) {
      if (this.stopping.signal.aborted) return
      // what only a person can mend is not tried sooner than it would be anyway
      if (!isAway(error)) this.warn(setting, [error instanceof RejoinError ? error.message : String(error)])
      else {
        if (awaySince === undefined)
          log.info({ forge: setting.url }, `the forge ${host} is away; what is for it waits in outbox/`)
        const retryMs = this.retries.get(setting.url) ?? firstRetryMs
        this.retries.set(setting.url, Math.min(retryMs * 2, waitMs))
        waitMs = Math.min(retryMs, waitMs) * (0.75 + Math.random() / 2)
      }
    }
    const state = readForgeState(node.root, host)
    writeForgeState(node.root, host, { ...state, nextTry: new Date(Date.now() + waitMs).toISOString() })
    if (!this.timers.has(setting.url) && this.settings.includes(setting)) this.later(setting, waitMs)
  }

  /** Says what is wrong once, and again only after it was not. */
  private warn({ url }: ForgeSetting, faults: readonly string[]): void {
    const before = this.warned.get(url)
    for (const fault of faults) if (before?.has(fault) !== true) this.log.warn({ forge: url }, fault)
    this.warned.set(url, new Set(faults))
  }

  /** Ends following; a sync under way is cut off and goes on at the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stopping.abort(new RejoinError('E_TERMINATED', 'the node is going down'))
    this.stopAccepted()
    for (const timer of this.timers.values()) clearTimeout(timer)
    await Promise.allSettled(this.running.values())
  }
}
