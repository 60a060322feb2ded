import { isObject, type JsonObject } from '../core/index.ts'
import { type ContentDraft, textOfMember } from './content-draft.ts'
import { itemsOf } from './json-format.ts'
import { contextVersion, elementsOf } from './spdx.ts'
import { scanTagValue } from './spdx-tag-value.ts'

/** Returns the licences that somebody asserted, each once. */
function asserted(...licenses: readonly string[]): readonly string[] {
  return [...new Set(licenses)].filter((license) => license !== '' && license !== 'NOASSERTION' && license !== 'NONE')
}

function purlOf2(item: JsonObject): string {
  for (const reference of itemsOf(item['externalRefs']))
    if (isObject(reference) && /(?:^|\/)purl$/.test(textOfMember(reference['referenceType'])))
      return textOfMember(reference['referenceLocator'])
  return ''
}

function content2(document: JsonObject, draft: ContentDraft): void {
  for (const item of itemsOf(document['packages'])) {
    if (!isObject(item)) continue
    draft.addComponent({
      name: textOfMember(item['name']),
      version: textOfMember(item['versionInfo']),
      purl: purlOf2(item),
      licenses: asserted(textOfMember(item['licenseConcluded']), textOfMember(item['licenseDeclared']))
    })
  }
}

function idOf(element: JsonObject): string {
  return textOfMember(element['spdxId'] ?? element['@id'])
}

function typeOf(element: JsonObject): string {
  return textOfMember(element['type'] ?? element['@type'])
}

function purlOf3(element: JsonObject): string {
  const own = textOfMember(element['software_packageUrl'])
  if (own !== '') return own
  for (const identifier of itemsOf(element['externalIdentifier']))
    if (isObject(identifier) && /^(?:packageUrl|purl)$/.test(textOfMember(identifier['externalIdentifierType'])))
      return textOfMember(identifier['identifier'])
  return ''
}

const listedLicense = /^https?:\/\/spdx\.org\/licenses\/([A-Za-z0-9.+-]+)$/

/** Returns the licence that an element or a link to the SPDX list is, empty where it is none. */
function licenseOf(id: string, element: JsonObject | undefined): string {
  const expression = textOfMember(element?.['simplelicensing_licenseExpression'])
  if (expression !== '') return expression
  const listed = listedLicense.exec(id)?.[1]
  if (listed !== undefined) return listed
  return element !== undefined && /License$/.test(typeOf(element)) ? textOfMember(element['name']) : ''
}

/** Returns the licences of elements by their spdxId. */
function licensesByElement(elements: readonly JsonObject[]): ReadonlyMap<string, readonly string[]> {
  const byId = new Map(elements.map((element) => [idOf(element), element]))
  const found = new Map<string, string[]>()
  for (const element of elements) {
    if (!/^has(?:Declared|Concluded)License$/.test(textOfMember(element['relationshipType']))) continue
    const from = textOfMember(element['from'])
    const licenses = found.get(from) ?? []
    found.set(from, licenses)
    for (const to of itemsOf(element['to'])) {
      const inner = isObject(to) ? to : undefined
      const id = inner === undefined ? textOfMember(to) : idOf(inner)
      const license = licenseOf(id, inner ?? byId.get(id))
      if (license !== '') licenses.push(license)
    }
  }
  return found
}

/** Elements of SPDX 3 that are packages. @see https://spdx.github.io/spdx-spec/v3.0.1/ */
const packageTypes: ReadonlySet<string> = new Set([
  'software_Package',
  'dataset_DatasetPackage',
  'ai_AIPackage',
  'dataset_Dataset'
])

function content3(document: JsonObject, draft: ContentDraft): void {
  const elements = elementsOf(document)
  const licenses = licensesByElement(elements)
  for (const element of elements) {
    if (!packageTypes.has(typeOf(element))) continue
    draft.addComponent({
      name: textOfMember(element['name']),
      version: textOfMember(element['software_packageVersion']),
      purl: purlOf3(element),
      licenses: asserted(...(licenses.get(idOf(element)) ?? []))
    })
  }
}

/** Reads an SPDX document in JSON, 2.x or 3; of a graph's names only those of the official context are known. @throws E_TOO_LARGE */
export function spdxContent(document: JsonObject, draft: ContentDraft): void {
  if (contextVersion(document) !== undefined) content3(document, draft)
  if (document['packages'] !== undefined) content2(document, draft)
}

/** Reads an SPDX document in tag-value. @throws E_DOCUMENT E_TOO_LARGE */
export function tagValueContent(text: string, draft: ContentDraft): void {
  let open: { readonly name: string; version: string; purl: string; concluded: string; declared: string } | undefined
  const close = (): void => {
    if (open === undefined) return
    const { name, version, purl, concluded, declared } = open
    draft.addComponent({ name, version, purl, licenses: asserted(concluded, declared) })
  }
  scanTagValue(text, (tag, raw) => {
    const value = textOfMember(raw.trim())
    if (tag === 'PackageName') {
      close()
      open = { name: value, version: '', purl: '', concluded: '', declared: '' }
    }
    if (open === undefined) return
    if (tag === 'PackageVersion') open.version = value
    if (tag === 'PackageLicenseConcluded') open.concluded = value
    if (tag === 'PackageLicenseDeclared') open.declared = value
    if (tag === 'ExternalRef' && open.purl === '') open.purl = /^\S+\s+purl\s+(\S+)/.exec(value)?.[1] ?? ''
  })
  close()
}
