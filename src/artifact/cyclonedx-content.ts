import { isObject, type Json, type JsonObject, type Vulnerability } from '../core/index.ts'
import { type ContentDraft, severityNamed, severityOfScore, textOfMember, worst } from './content-draft.ts'
import { bomEvent } from './cyclonedx.ts'
import { itemsOf } from './json-format.ts'

/** A vulnerability of a BOM before its references are looked up. */
export interface BomVulnerability {
  readonly id: string
  readonly ratings: readonly { readonly severity?: unknown; readonly score?: unknown; readonly method?: unknown }[]
  readonly state: string
  readonly justification: string
  readonly detail: string
  /** bom-refs, or links into other BOMs */
  readonly refs: readonly string[]
}

/** What VEX calls the states of CycloneDX. */
const statuses: Readonly<Record<string, string>> = {
  exploitable: 'affected',
  in_triage: 'under_investigation',
  not_affected: 'not_affected',
  false_positive: 'not_affected',
  resolved: 'fixed',
  resolved_with_pedigree: 'fixed'
}

function severityOf({ severity, score, method }: BomVulnerability['ratings'][number]): Vulnerability['severity'] {
  // other methods have scales of their own
  const isCvss = method === undefined || method === '' || /^CVSS/i.test(String(method))
  return worst(severityNamed(severity), isCvss ? severityOfScore(score) : 'unknown')
}

/** Adds a vulnerability of a BOM. @param purlOf the package URLs of its components by their bom-ref */
export function addBomVulnerability(found: BomVulnerability, purlOf: ReadonlyMap<string, string>, draft: ContentDraft): void {
  draft.addVulnerability({
    id: found.id,
    products: found.refs.map((ref) => purlOf.get(ref) ?? ref),
    severity: worst(...found.ratings.map(severityOf)),
    status: Object.hasOwn(statuses, found.state) ? (statuses[found.state] as string) : found.state,
    justification: found.justification === '' ? found.detail : found.justification
  })
}

function licensesOf(component: JsonObject): readonly string[] {
  const found: string[] = []
  for (const choice of itemsOf(component['licenses'])) {
    if (!isObject(choice)) continue
    const { license, expression } = choice
    const text = textOfMember(isObject(license) ? (license['id'] ?? license['name']) : expression)
    if (text !== '') found.push(text)
  }
  return found
}

function vulnerabilityOf(item: JsonObject): BomVulnerability {
  const analysis = isObject(item['analysis']) ? item['analysis'] : {}
  return {
    id: textOfMember(item['id']),
    ratings: itemsOf(item['ratings'])
      .filter((rating) => isObject(rating))
      .map(({ severity, score, method }) => ({ severity, score, method })),
    state: textOfMember(analysis['state']),
    justification: textOfMember(analysis['justification']),
    detail: textOfMember(analysis['detail']),
    refs: itemsOf(item['affects'])
      .map((affected) => (isObject(affected) ? textOfMember(affected['ref']) : ''))
      .filter((ref) => ref !== '')
  }
}

/**
 * Reads a CycloneDX document in JSON. What it is about counts as a component, unless it is a VEX.
 * @throws E_TOO_LARGE
 */
export function cyclonedxContent(bom: JsonObject, draft: ContentDraft): void {
  const purlOf = new Map<string, string>()
  const visit = (component: Json | undefined, isCounted: boolean): void => {
    if (!isObject(component)) return
    const purl = textOfMember(component['purl'])
    const ref = textOfMember(component['bom-ref'])
    if (ref !== '' && purl !== '') purlOf.set(ref, purl)
    if (isCounted) {
      const { name, version } = component
      draft.addComponent({ name: textOfMember(name), version: textOfMember(version), purl, licenses: licensesOf(component) })
    }
    for (const inner of itemsOf(component['components'])) visit(inner, true)
  }
  const listed = itemsOf(bom['components'])
  const vulnerabilities = itemsOf(bom['vulnerabilities'])
  const isVex = bomEvent(vulnerabilities.length > 0, listed.length > 0) === 'vex.published'
  if (isObject(bom['metadata'])) visit(bom['metadata']['component'], !isVex)
  for (const component of listed) visit(component, true)
  for (const item of vulnerabilities) if (isObject(item)) addBomVulnerability(vulnerabilityOf(item), purlOf, draft)
}
