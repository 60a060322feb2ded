import { isObject, type JsonObject } from '../core/index.ts'
import { purlWarning } from './cyclonedx.ts'
import { itemsOf, type JsonFacts, type JsonFormat, stringOf } from './json-format.ts'
import { maxWarnings, titleOf, type Warning, warning } from './recognised.ts'
import { isSchemaName } from './schema-table.ts'

const mediaType = 'application/spdx+json'
const context3 = /^https:\/\/spdx\.org\/rdf\/(3\.[0-9]+(?:\.[0-9]+)?)\//

/** Returns the version in the context of an SPDX 3 document, undefined where it is none. */
export function contextVersion(document: JsonObject): string | undefined {
  const context = document['@context']
  for (const item of Array.isArray(context) ? context : [context]) {
    const version = typeof item === 'string' ? context3.exec(item)?.[1] : undefined
    if (version !== undefined) return version
  }
  return undefined
}

function purlWarnings(document: JsonObject): readonly Warning[] {
  const found: Warning[] = []
  for (const [i, item] of itemsOf(document['packages']).entries())
    for (const [j, reference] of itemsOf(isObject(item) ? item['externalRefs'] : undefined).entries()) {
      if (found.length === maxWarnings) return found
      if (!isObject(reference) || reference['referenceType'] !== 'purl' || typeof reference['referenceLocator'] !== 'string')
        continue
      const made = purlWarning(reference['referenceLocator'], `/packages/${i}/externalRefs/${j}/referenceLocator`)
      if (made !== undefined) found.push(made)
    }
  return found
}

function facts2(document: JsonObject): JsonFacts {
  const specVersion = stringOf(document['spdxVersion'])?.replace(/^SPDX-/, '')
  const schema = `spdx ${specVersion}`
  return {
    mediaType,
    eventType: 'sbom.published',
    specVersion,
    title: titleOf(document['name']),
    schema: isSchemaName(schema) ? schema : undefined,
    warnings: purlWarnings(document)
  }
}

/** Returns the elements of SPDX 3: those of the graph, or the document where it is itself the only one. */
export function elementsOf(document: JsonObject): readonly JsonObject[] {
  if (document['@graph'] === undefined) return typeof document['type'] === 'string' ? [document] : []
  return itemsOf(document['@graph']).filter((element) => isObject(element))
}

/** SPDX 3 is JSON-LD: it is parsed, and looked at no further than its elements and who made them. */
function facts3(document: JsonObject, version: string): JsonFacts {
  const elements = elementsOf(document)
  const typed = (...types: readonly string[]): JsonObject | undefined => elements.find(({ type }) => types.includes(String(type)))
  const about = typed('SpdxDocument') ?? typed('Sbom', 'software_Sbom') ?? (elements.length === 1 ? elements[0] : undefined)
  // it stands in the graph by itself, or inside the elements that it is of
  const creation = typed('CreationInfo') ?? elements.map((element) => element['creationInfo']).find((made) => isObject(made))
  const faults: Warning[] = []
  if (elements.length === 0) faults.push(warning('W_CONTENT', 'there is no element in "@graph"'))
  else if (creation === undefined) faults.push(warning('W_CONTENT', 'there is no CreationInfo in "@graph"'))
  return {
    mediaType,
    eventType: 'sbom.published',
    specVersion: stringOf(creation?.['specVersion']) ?? version,
    title: titleOf(about?.['name'] ?? about?.['spdxId']),
    warnings: faults
  }
}

/** SPDX in JSON: `{"spdxVersion":"SPDX-2.3",…}`, or JSON-LD of SPDX 3: `{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[…]}` */
export const spdx: JsonFormat = {
  name: 'spdx',
  fault: (document) => {
    if (contextVersion(document) !== undefined) return undefined
    return stringOf(document['spdxVersion'])?.startsWith('SPDX-') ? undefined : 'neither "spdxVersion" nor "@context" says SPDX'
  },
  facts: (document) => {
    const version = contextVersion(document)
    return version === undefined ? facts2(document) : facts3(document, version)
  }
}
