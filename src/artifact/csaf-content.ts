import { isObject, type Json, type JsonObject, type Vulnerability } from '../core/index.ts'
import { type ContentDraft, severityNamed, severityOfScore, textOfMember, worst } from './content-draft.ts'
import { itemsOf } from './json-format.ts'

/** What VEX calls the groups of product_status; the worst come last, for of what contradicts itself the last stands. */
const statuses: Readonly<Record<string, string>> = {
  known_not_affected: 'not_affected',
  first_fixed: 'fixed',
  fixed: 'fixed',
  under_investigation: 'under_investigation',
  first_affected: 'affected',
  known_affected: 'affected',
  last_affected: 'affected'
}

interface Product {
  readonly purl: string
  /** of a relationship: the product that stands in another one */
  readonly inner: string
}

function addProduct(product: Json | undefined, inner: string, found: Map<string, Product>): void {
  if (!isObject(product)) return
  const identification = product['product_identification_helper']
  const purl = isObject(identification) ? textOfMember(identification['purl']) : ''
  const id = textOfMember(product['product_id'])
  if (id !== '') found.set(id, { purl, inner })
}

function productsOf(tree: Json | undefined): ReadonlyMap<string, Product> {
  const found = new Map<string, Product>()
  if (!isObject(tree)) return found
  const visit = (branch: Json): void => {
    if (!isObject(branch)) return
    addProduct(branch['product'], '', found)
    for (const inner of itemsOf(branch['branches'])) visit(inner)
  }
  visit({ branches: tree['branches'] ?? [] })
  for (const product of itemsOf(tree['full_product_names'])) addProduct(product, '', found)
  for (const relationship of itemsOf(tree['relationships']))
    if (isObject(relationship))
      addProduct(relationship['full_product_name'], textOfMember(relationship['product_reference']), found)
  return found
}

/**
 * Returns what a product is called: its package URL, else its own name. That a part is fixed or affected is said of its build,
 * wherever it stands; that it is not affected may be due to the product that it stands in.
 */
function nameOf(id: string, status: string, products: ReadonlyMap<string, Product>): string {
  const product = products.get(id)
  if (product === undefined || product.purl !== '') return product?.purl ?? id
  const inner = status === 'fixed' || status === 'affected' ? products.get(product.inner)?.purl : undefined
  return inner === undefined || inner === '' ? id : inner
}

/** Returns the texts that lists of `{product_ids, …}` give for each product, the first where there are several. */
function byProduct(items: readonly Json[], textOfItem: (item: JsonObject) => string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const item of items) {
    const text = isObject(item) ? textOfItem(item) : ''
    if (!isObject(item) || text === '') continue
    for (const id of itemsOf(item['product_ids'])) if (typeof id === 'string' && !found.has(id)) found.set(id, text)
  }
  return found
}

function severityOfScores(scores: JsonObject): Vulnerability['severity'] {
  const found = ['cvss_v2', 'cvss_v3', 'cvss_v4'].map((version) => {
    const score = scores[version]
    return isObject(score) ? worst(severityNamed(score['baseSeverity']), severityOfScore(score['baseScore'])) : 'unknown'
  })
  return worst(...found)
}

/** Scores of CSAF 2.0, metrics of 2.1. */
function severitiesOf(vulnerability: JsonObject): ReadonlyMap<string, Vulnerability['severity']> {
  const found = new Map<string, Vulnerability['severity']>()
  for (const item of [...itemsOf(vulnerability['scores']), ...itemsOf(vulnerability['metrics'])]) {
    if (!isObject(item)) continue
    const severity = severityOfScores(isObject(item['content']) ? item['content'] : item)
    for (const id of itemsOf(item['products']))
      if (typeof id === 'string') found.set(id, worst(found.get(id) ?? 'unknown', severity))
  }
  return found
}

function idOf({ cve, ids, title }: JsonObject): string {
  const [other] = itemsOf(ids)
  return textOfMember(cve) || textOfMember(isObject(other) ? other['text'] : title)
}

interface Group {
  readonly status: string
  readonly severity: Vulnerability['severity']
  readonly justification: string
  readonly products: string[]
}

function readVulnerability(item: JsonObject, products: ReadonlyMap<string, Product>, draft: ContentDraft): void {
  const severities = severitiesOf(item)
  const reasons = byProduct(itemsOf(item['flags']), ({ label }) => textOfMember(label))
  const impacts = byProduct(itemsOf(item['threats']), ({ category, details }) =>
    category === 'impact' ? textOfMember(details) : ''
  )
  const groups = new Map<string, Group>()
  const add = (id: string, status: string): void => {
    const severity = severities.get(id) ?? 'unknown'
    const justification = status === 'not_affected' ? (reasons.get(id) ?? impacts.get(id) ?? '') : ''
    const key = `${status}\n${severity}\n${justification}`
    const group = groups.get(key) ?? { status, severity, justification, products: [] }
    groups.set(key, group)
    group.products.push(nameOf(id, status, products))
  }
  const spoken = new Set<string>()
  const said = isObject(item['product_status']) ? item['product_status'] : {}
  for (const [group, status] of Object.entries(statuses))
    for (const id of itemsOf(said[group])) {
      if (typeof id !== 'string') continue
      spoken.add(id)
      add(id, status)
    }
  for (const id of severities.keys()) if (!spoken.has(id)) add(id, '')
  if (groups.size === 0) groups.set('', { status: '', severity: 'unknown', justification: '', products: [] })
  const id = idOf(item)
  for (const group of groups.values()) draft.addVulnerability({ id, ...group, products: [...new Set(group.products)] })
}

/** Reads a CSAF document: for each vulnerability, the products that have the same status, severity and reason. @throws E_TOO_LARGE */
export function csafContent(document: JsonObject, draft: ContentDraft): void {
  const products = productsOf(document['product_tree'])
  for (const item of itemsOf(document['vulnerabilities'])) if (isObject(item)) readVulnerability(item, products, draft)
}
