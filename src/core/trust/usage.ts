import type { RejoinEvent } from '../event/event.ts'
import { isObject } from '../json-value.ts'
import type { TrustFile } from './file.ts'

/** What an identity has here before an event: over all its logs, of the event's own log only what stands before it. */
export interface Usage {
  readonly events: number
  readonly bytes: number
  /** of the event's log, within the span of its identity's rate before the event's clock */
  readonly recentEvents: number
  readonly recentBytes: number
}

/** Nothing, as where nothing is counted. */
export const noUsage: Usage = { events: 0, bytes: 0, recentEvents: 0, recentBytes: 0 }

type Limited = Pick<TrustFile, 'quotas' | 'identityRate'>

/** Returns the bytes that an event takes up: its line, the artifact that it names, and the large blobs that it names. */
export function bytesOfEvent({ data }: Pick<RejoinEvent, 'data'>, lineBytes: number): number {
  const named = Array.isArray(data['blobs']) ? data['blobs'] : []
  return [data['size'], ...named.map((one) => (isObject(one) ? one['size'] : 0))].reduce<number>(
    (sum, size) => (typeof size === 'number' && size > 0 ? Math.min(sum + Math.ceil(size), Number.MAX_SAFE_INTEGER) : sum),
    lineBytes
  )
}

/** Returns whether a trust file limits what identities have here. */
export function limitsUsage({ quotas, identityRate }: Limited): boolean {
  return quotas.size > 0 || identityRate !== undefined
}

/**
 * Returns the limit that an event of an identity goes over, undefined where there is room for it. One event that alone is more than a rate has
 * bytes comes through after a pause.
 * @see protocols/trust.md#TRUST-30
 */
export function overUsage(
  { quotas, identityRate }: Limited,
  identity: string,
  usage: Usage,
  bytes: number
): 'quota:events' | 'quota:bytes' | 'rate:events' | 'rate:bytes' | undefined {
  const quota = quotas.get(identity)
  if (quota !== undefined && usage.events >= quota.events) return 'quota:events'
  if (quota !== undefined && usage.bytes + bytes > quota.bytes) return 'quota:bytes'
  if (identityRate === undefined) return undefined
  const { eventsPerSecond, bytesPerSecond, burst } = identityRate
  if (usage.recentEvents >= Math.max(1, eventsPerSecond * burst)) return 'rate:events'
  return usage.recentEvents > 0 && usage.recentBytes + bytes > bytesPerSecond * burst ? 'rate:bytes' : undefined
}
