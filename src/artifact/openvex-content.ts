import { isObject, type Json, type JsonObject } from '../core/index.ts'
import { type ContentDraft, textOfMember } from './content-draft.ts'
import { itemsOf } from './json-format.ts'

/** The most other names of one vulnerability that are read. */
const maxAliases = 16

/** Returns a vulnerability's names: a text in 0.0.1, an object with aliases since. */
function idsOf(vulnerability: Json | undefined): readonly string[] {
  if (!isObject(vulnerability)) return [textOfMember(vulnerability)]
  const { name, '@id': id, aliases } = vulnerability
  const all = [textOfMember(name ?? id), ...itemsOf(aliases).slice(0, maxAliases).map(textOfMember)]
  return [...new Set(all)].filter((text) => text !== '')
}

/** Returns what a product or a part of one is called: its package URL, where it has one. */
function productName(product: Json): string {
  if (!isObject(product)) return textOfMember(product)
  const identifiers = product['identifiers']
  const purl = isObject(identifiers) ? textOfMember(identifiers['purl']) : ''
  return purl === '' ? textOfMember(product['@id']) : purl
}

/** Reads an OpenVEX document: a statement for each name of a vulnerability, and one for each product of which it names parts. @throws E_TOO_LARGE */
export function openvexContent(document: JsonObject, draft: ContentDraft): void {
  for (const statement of itemsOf(document['statements'])) {
    if (!isObject(statement)) continue
    const reason = textOfMember(statement['justification'])
    const status = textOfMember(statement['status'])
    const justification = reason === '' ? textOfMember(statement['impact_statement']) : reason
    const products: string[] = []
    const parts: { readonly products: readonly string[]; readonly subcomponents: readonly string[] }[] = []
    for (const product of itemsOf(statement['products'])) {
      const name = productName(product)
      // a product without a name is not "all": it is nothing that could be found
      if (name === '') continue
      const inner = isObject(product) ? itemsOf(product['subcomponents']) : []
      if (inner.length === 0) products.push(name)
      else parts.push({ products: [name], subcomponents: inner.map(productName) })
    }
    const named = itemsOf(statement['products']).length > 0
    for (const id of idsOf(statement['vulnerability'])) {
      const said = { id, severity: 'unknown', status, justification } as const
      if (products.length > 0 || !named) draft.addVulnerability({ ...said, products })
      for (const part of parts) draft.addVulnerability({ ...said, ...part })
    }
  }
}
