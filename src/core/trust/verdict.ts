import { isAhead } from '../clock.ts'
import type { RejoinEvent } from '../event/event.ts'

/** What a node does with an event: relay (keep, use, pass on), keep (use here only), hold (quarantine) or refuse (keep the hash). */
export type Verdict = 'relay' | 'keep' | 'hold' | 'refuse'

/** A verdict with the rule that gave it. */
export interface Decision {
  readonly verdict: Verdict
  readonly rule: string
}

/** Who may write to this node, and of what kind. */
export interface Rules {
  /** did:key of each trusted identity → its name */
  readonly authors: ReadonlyMap<string, string>
  readonly mediaTypes: { readonly allow: readonly string[]; readonly deny: readonly string[] }
  readonly eventTypes: { readonly allow: readonly string[]; readonly deny: readonly string[] }
}

/** Returns whether a name fits a pattern, in which a last `*` stands for any end. */
export function fits(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}

function isListed(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => fits(name, pattern))
}

function isShut(name: string, { allow, deny }: Rules['mediaTypes']): boolean {
  return isListed(name, deny) || (allow.length > 0 && !isListed(name, allow))
}

/**
 * Returns the verdict on an event: a pure function of the event, the rules and the time.
 * @param own this node's did:key, which needs no rule
 * @see protocols/trust.md
 */
export function decide(event: RejoinEvent, rules: Rules, own: string, nowMs: number): Decision {
  if (event.source === own) return { verdict: 'relay', rule: 'own' }
  if (!rules.authors.has(event.source)) return { verdict: 'refuse', rule: 'unknown-author' }
  if (event.type.startsWith('log.')) return { verdict: 'relay', rule: 'log' }
  if (isShut(event.type, rules.eventTypes)) return { verdict: 'refuse', rule: 'eventTypes' }
  const { mediaType } = event.data
  if (typeof mediaType === 'string' && isShut(documentTypeOf(event), rules.mediaTypes))
    return { verdict: 'refuse', rule: 'mediaTypes' }
  if (isAhead(event.hlc, nowMs)) return { verdict: 'hold', rule: 'clock-ahead' }
  return { verdict: 'relay', rule: 'identity' }
}

/** Returns the media type that rules speak of: the artifact's own type where it has one, else its manifest's. */
function documentTypeOf(event: RejoinEvent): string {
  const { artifactType, mediaType } = event.data
  return typeof artifactType === 'string' ? artifactType : String(mediaType)
}
