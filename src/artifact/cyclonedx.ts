import { isObject, type Json, type JsonObject } from '../core/index.ts'
import { itemsOf, type JsonFacts, type JsonFormat, stringOf } from './json-format.ts'
import { purlFault } from './purl.ts'
import { type EventType, maxWarnings, titleOf, type Warning, warning } from './recognised.ts'
import { isSchemaName } from './schema-table.ts'

/** Returns the warning for a package URL, undefined where it is well formed. */
export function purlWarning(purl: string, at: string): Warning | undefined {
  const fault = purlFault(purl)
  return fault === undefined
    ? undefined
    : warning('W_PURL', `malformed package URL ${JSON.stringify(purl.slice(0, 50))}: ${fault}`, at)
}

/** Returns which event a BOM is: one that lists vulnerabilities and no components is a VEX. */
export function bomEvent(listsVulnerabilities: boolean, listsComponents: boolean): EventType {
  return listsVulnerabilities && !listsComponents ? 'vex.published' : 'sbom.published'
}

function purlWarnings(bom: JsonObject): readonly Warning[] {
  const found: Warning[] = []
  const visit = (component: Json | undefined, at: string): void => {
    if (!isObject(component) || found.length === maxWarnings) return
    const purl = stringOf(component['purl'])
    const made = purl === undefined ? undefined : purlWarning(purl, `${at}/purl`)
    if (made !== undefined) found.push(made)
    for (const [i, inner] of itemsOf(component['components']).entries()) visit(inner, `${at}/components/${i}`)
  }
  if (isObject(bom['metadata'])) visit(bom['metadata']['component'], '/metadata/component')
  visit({ components: bom['components'] ?? null }, '')
  return found
}

function facts(bom: JsonObject): JsonFacts {
  const specVersion = stringOf(bom['specVersion'])
  const schema = `cyclonedx ${specVersion}`
  const about = isObject(bom['metadata']) ? bom['metadata']['component'] : undefined
  return {
    mediaType: 'application/vnd.cyclonedx+json',
    eventType: bomEvent(itemsOf(bom['vulnerabilities']).length > 0, itemsOf(bom['components']).length > 0),
    specVersion,
    title: isObject(about) ? titleOf(about['group'], about['name'], about['version']) : titleOf(bom['serialNumber']),
    schema: isSchemaName(schema) ? schema : undefined,
    warnings: purlWarnings(bom)
  }
}

/** CycloneDX in JSON, 1.2 and later: `{"bomFormat":"CycloneDX","specVersion":"1.6",…}` @see ECMA-424 */
export const cyclonedx: JsonFormat = {
  name: 'cyclonedx',
  fault: (document) => {
    if (document['bomFormat'] !== 'CycloneDX') return '"bomFormat" is not "CycloneDX"'
    return typeof document['specVersion'] === 'string' ? undefined : '"specVersion" is missing'
  },
  facts
}
