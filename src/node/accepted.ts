import { hex, type LogId, type RejoinEvent, type Verdict } from '../core/index.ts'
import type { Changed } from '../replica/index.ts'

/** An event that was accepted into the replica, with its place. */
export interface Accepted {
  readonly log: LogId
  readonly index: number
  readonly event: RejoinEvent | undefined
  /** leaf hash in hexadecimal, where the text is withheld */
  readonly withheld: string | undefined
  readonly verdict: string
  readonly rule: string
}

/** Returns an entry whose verdict changed, with the new one. */
export function acceptedChange({ log, index, hash, event, after, rule }: Changed): Accepted {
  return acceptedOf(log, { index, hash }, event, { verdict: after, rule })
}

/** Returns an entry with the verdict on it. */
export function acceptedOf(
  log: LogId,
  { index, hash }: { readonly index: number; readonly hash: Uint8Array },
  event: RejoinEvent | undefined,
  { verdict, rule }: { readonly verdict: Verdict; readonly rule: string }
): Accepted {
  const used = verdict === 'relay' || verdict === 'keep'
  return {
    log,
    index,
    event: used ? event : undefined,
    withheld: used ? undefined : hex(hash),
    verdict,
    rule
  }
}
