import { type Component, RejoinError, type VexStatement, type Vulnerability } from '../core/index.ts'

/** The most components, vulnerabilities and names of products that are read of one document. */
export const maxContentItems: number = 200_000
const maxTextChars = 4096

/** A content in the making. */
export interface ContentDraft {
  readonly components: readonly Component[]
  readonly vulnerabilities: readonly VexStatement[]
  /** @throws E_TOO_LARGE over maxContentItems */
  readonly addComponent: (component: Component) => void
  /** @throws E_TOO_LARGE over maxContentItems, its products counted */
  readonly addVulnerability: (vulnerability: VexStatement) => void
}

/** Returns a counter that throws E_TOO_LARGE when the sum of what it was given is over maxContentItems. */
export function itemCounter(what: string): (count: number) => void {
  let sum = 0
  return (count) => {
    sum += count
    if (sum > maxContentItems) throw new RejoinError('E_TOO_LARGE', `the document has more than ${maxContentItems} ${what}`)
  }
}

/** Returns an empty draft. */
export function newDraft(): ContentDraft {
  const components: Component[] = []
  const vulnerabilities: VexStatement[] = []
  const countComponents = itemCounter('components')
  const countProducts = itemCounter('vulnerabilities and products of them')
  return {
    components,
    vulnerabilities,
    addComponent: (component) => {
      countComponents(1)
      components.push(component)
    },
    addVulnerability: (vulnerability) => {
      countProducts(1 + vulnerability.products.length + (vulnerability.subcomponents?.length ?? 0))
      vulnerabilities.push(vulnerability)
    }
  }
}

/** Returns a text of a document, cut where it is too long to be a name or a reason; empty for what is no string. */
export function textOfMember(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, maxTextChars) : ''
}

const knownSeverities: Readonly<Record<string, Vulnerability['severity']>> = {
  none: 'none',
  info: 'low',
  informational: 'low',
  low: 'low',
  medium: 'medium',
  moderate: 'medium',
  high: 'high',
  important: 'high',
  critical: 'critical'
}
const ranks: readonly Vulnerability['severity'][] = ['unknown', 'none', 'low', 'medium', 'high', 'critical']

/** Returns a severity by its name, whatever its case; `unknown` for any other. */
export function severityNamed(name: unknown): Vulnerability['severity'] {
  const text = typeof name === 'string' ? name.toLowerCase() : ''
  return Object.hasOwn(knownSeverities, text) ? (knownSeverities[text] as Vulnerability['severity']) : 'unknown'
}

/** Returns the severity of a CVSS score from 0 to 10; `unknown` for anything else. @see CVSS 3.1, section 5 */
export function severityOfScore(score: unknown): Vulnerability['severity'] {
  if (typeof score !== 'number' || !(score >= 0 && score <= 10)) return 'unknown'
  if (score === 0) return 'none'
  if (score < 4) return 'low'
  if (score < 7) return 'medium'
  return score < 9 ? 'high' : 'critical'
}

/** Returns the worst severity that is known, `unknown` where none is. */
export function worst(...found: readonly Vulnerability['severity'][]): Vulnerability['severity'] {
  return found.reduce<Vulnerability['severity']>(
    (last, next) => (ranks.indexOf(next) > ranks.indexOf(last) ? next : last),
    'unknown'
  )
}
