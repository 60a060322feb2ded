import { asksForSignatures, claimOf, type Compiled, type LogId, type Place, type RejoinEvent } from '../core/index.ts'
import type { EventRef } from '../store/index.ts'

/** claims of which it is remembered who made them */
const maxClaims = 200_000
/** places that are remembered of one claim */
const maxPlaces = 64

type Said = Pick<RejoinEvent, 'type' | 'subject' | 'data' | 'source'>

/**
 * Who said what, of the events whose text is here: claim → where it stands. It is kept in memory, only of what verdicts may depend on, and
 * can be made again from the texts. Beyond its limits a claim counts for its own key alone.
 * @see protocols/trust.md#TRUST-28
 */
export class Voices {
  private readonly claims = new Map<string, Place[]>()
  private types: readonly string[] | undefined = []

  /** Takes other rules into account; what was remembered is forgotten, and everything here must be added anew. */
  configure(compiled: Compiled): void {
    this.claims.clear()
    this.types = countedTypes(compiled)
  }

  /** Whether verdicts may depend on it at all. */
  get isNeeded(): boolean {
    return this.types === undefined || this.types.length > 0
  }

  private claim(event: Said): string | undefined {
    if (!this.isNeeded || event.type.startsWith('log.')) return undefined
    if (this.types !== undefined && !this.types.some((type) => fitsType(event.type, type))) return undefined
    return claimOf(event)
  }

  /** Returns where events stand that say the same as one. */
  on(event: Said): readonly Place[] {
    const claim = this.claim(event)
    return (claim === undefined ? undefined : this.claims.get(claim)) ?? []
  }

  /** Takes note of an event whose text is here. @returns the other places at which the same was said, which may have to be judged again */
  add(event: Said, place: Place): readonly EventRef[] {
    const claim = event.source === place.author ? this.claim(event) : undefined
    if (claim === undefined) return []
    const places = this.claims.get(claim)
    if (places === undefined) {
      if (this.claims.size < maxClaims) this.claims.set(claim, [place])
      return []
    }
    if (places.some(({ log, index }) => log === place.log && index === place.index)) return []
    const others = [...places]
    places.push(place)
    if (places.length > maxPlaces) places.splice(Math.max(1, indexOfRepeated(places)), 1)
    return others
  }

  /** Takes note that the text of an event is gone. @returns the other places at which the same was said */
  drop(event: Said, { log, index }: EventRef): readonly EventRef[] {
    const claim = this.claim(event)
    const places = claim === undefined ? undefined : this.claims.get(claim)
    const others = places?.filter((one) => one.log !== log || one.index !== index) ?? []
    if (claim === undefined || places === undefined || others.length === places.length) return []
    if (others.length === 0) this.claims.delete(claim)
    else this.claims.set(claim, others)
    return others
  }

  /** Returns all places at which something was said that a log says too: what is believed of that log has changed. */
  beside(log: LogId): readonly EventRef[] {
    return [...this.claims.values()].flatMap((places) => (places.some((one) => one.log === log) ? places : []))
  }
}

/** A writer that repeats itself must not push others out. */
function indexOfRepeated(places: readonly Place[]): number {
  return places.findLastIndex(({ author }, i) => places.some((other, j) => j !== i && other.author === author))
}

/** The event types that a rule about signatures or a delegation with a threshold may speak of; undefined for all. */
function countedTypes({ file, rules, countsVoices }: Compiled): readonly string[] | undefined {
  if (!countsVoices) return []
  const lists = [
    ...file.delegations.flatMap(({ threshold, types }) => (threshold > 1 ? [types.length === 0 ? undefined : types] : [])),
    ...rules.filter(asksForSignatures).map(({ reach }) => reach.types)
  ]
  return lists.includes(undefined) ? undefined : lists.flatMap((types) => types ?? [])
}

function fitsType(type: string, pattern: string): boolean {
  return pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern
}
