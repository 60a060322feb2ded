/** What a node does with an event: relay (keep, use, pass on), keep (use here only), hold (quarantine) or refuse (keep the hash). */
export type Verdict = 'relay' | 'keep' | 'hold' | 'refuse'

/** A verdict with the rule that gave it. */
export interface Decision {
  readonly verdict: Verdict
  readonly rule: string
}

/** Returns whether a name fits a pattern, in which a last `*` stands for any end. */
export function fits(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}
