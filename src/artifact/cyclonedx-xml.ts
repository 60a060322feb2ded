import { bomEvent, purlWarning } from './cyclonedx.ts'
import { type Facts, maxWarnings, titleOf, type Warning } from './recognised.ts'
import { scanXml } from './xml.ts'

const namespaceShape = /^http:\/\/cyclonedx\.org\/schema\/bom\/([0-9]+\.[0-9]+)$/

/** Returns whether a namespace is that of CycloneDX, of any version. */
export function isBomNamespace(namespace: string): boolean {
  return namespaceShape.test(namespace)
}

/**
 * Returns the facts of a CycloneDX document in XML, undefined where it is other XML. It is not checked against the XSD.
 *
 * `<bom xmlns="http://cyclonedx.org/schema/bom/1.6" version="1">…</bom>`
 * @throws E_XML E_TOO_DEEP
 */
export function readCyclonedxXml(text: string): Facts | undefined {
  let specVersion: string | undefined
  let serialNumber: string | undefined
  let listsVulnerabilities = false
  let listsComponents = false
  const about = new Map<string, string>()
  const warnings: Warning[] = []
  scanXml(text, {
    open: (path, namespace, attributes) => {
      if (path.length === 1) {
        specVersion = path[0] === 'bom' ? namespaceShape.exec(namespace)?.[1] : undefined
        serialNumber = attributes.get('serialNumber')
      }
      if (path.length === 3 && path[1] === 'vulnerabilities') listsVulnerabilities = true
      if (path.length === 3 && path[1] === 'components') listsComponents = true
    },
    close: (path, own, line) => {
      const name = path.at(-1) as string
      if (path.length === 4 && path[1] === 'metadata' && path[2] === 'component') about.set(name, own.trim())
      if (name !== 'purl' || path.at(-2) !== 'component' || warnings.length === maxWarnings) return
      const made = purlWarning(own.trim(), `line ${line}`)
      if (made !== undefined) warnings.push(made)
    }
  })
  if (specVersion === undefined) return undefined
  return {
    mediaType: 'application/vnd.cyclonedx+xml',
    eventType: bomEvent(listsVulnerabilities, listsComponents),
    specVersion,
    title: titleOf(about.get('group'), about.get('name'), about.get('version')) ?? titleOf(serialNumber),
    warnings
  }
}
