import { isObject, type JsonObject, RejoinError } from '../core/index.ts'
import { rootOfXml } from './xml.ts'

/** A kind of document. */
export interface Format {
  readonly name: string
  /** formats of one family answer to each other's type name */
  readonly family: string
  readonly mediaType: string
  readonly eventType: string
}

const format = (name: string, family: string, mediaType: string, eventType: string): Format => ({ name, family, mediaType, eventType })

/** Every format by its name. */
export const formats: Readonly<Record<string, Format>> = {
  cyclonedx: format('cyclonedx', 'cyclonedx', 'application/vnd.cyclonedx+json', 'sbom.published'),
  'cyclonedx-xml': format('cyclonedx-xml', 'cyclonedx', 'application/vnd.cyclonedx+xml', 'sbom.published'),
  'cyclonedx-vex': format('cyclonedx-vex', 'cyclonedx', 'application/vnd.cyclonedx+json', 'vex.published'),
  spdx: format('spdx', 'spdx', 'application/spdx+json', 'sbom.published'),
  'spdx-tag-value': format('spdx-tag-value', 'spdx', 'text/spdx', 'sbom.published'),
  'spdx-3': format('spdx-3', 'spdx', 'application/spdx+json', 'sbom.published'),
  openvex: format('openvex', 'openvex', 'application/vnd.openvex+json', 'vex.published'),
  csaf: format('csaf', 'csaf', 'application/csaf+json', 'vex.published'),
  intoto: format('intoto', 'intoto', 'application/vnd.in-toto+json', 'attestation.published'),
  dsse: format('dsse', 'intoto', 'application/vnd.dsse.envelope.v1+json', 'attestation.published'),
  'sigstore-bundle': format('sigstore-bundle', 'intoto', 'application/vnd.dev.sigstore.bundle.v0.3+json', 'attestation.published'),
  'npm-attestations': format('npm-attestations', 'intoto', 'application/vnd.npm.attestations+json', 'attestation.published'),
  'cnab-bundle': format('cnab-bundle', 'cnab', 'application/vnd.cnab.bundle.v1+json', 'bundle.published'),
  'cnab-claim': format('cnab-claim', 'cnab', 'application/vnd.cnab.claim.v1+json', 'claim.published'),
  'cnab-claim-result': format('cnab-claim-result', 'cnab', 'application/vnd.cnab.claim-result.v1+json', 'claim.published'),
  'cnab-relocation-mapping': format('cnab-relocation-mapping', 'cnab', 'application/vnd.cnab.relocation-mapping.v1+json', 'bundle.published'),
  'cnab-dependencies': format('cnab-dependencies', 'cnab', 'application/vnd.cnab.dependencies.v1+json', 'bundle.published'),
  'cnab-parameter-sources': format('cnab-parameter-sources', 'cnab', 'application/vnd.cnab.parameter-sources.v1+json', 'bundle.published'),
  'cnab-status': format('cnab-status', 'cnab', 'application/vnd.cnab.status.v1+json', 'claim.published')
}

/** Returns the format of a name, or undefined. */
export function formatNamed(name: string): Format | undefined {
  return Object.hasOwn(formats, name) ? formats[name] : undefined
}

const has = (value: JsonObject, ...members: readonly string[]): boolean => members.every((member) => value[member] !== undefined)

type Test = (value: JsonObject) => boolean
const isText = (value: unknown): value is string => typeof value === 'string'
const all = (value: JsonObject, test: (member: unknown) => boolean): boolean => Object.keys(value).length > 0 && Object.values(value).every(test)
const isImageName = (text: string): boolean => /^[a-z0-9][^\s]*[/:@][^\s]+$/i.test(text)

/** Each format with what gives it away; the first that fits counts. */
const tests: readonly (readonly [string, Test])[] = [
  ['cyclonedx-vex', (value) => value['bomFormat'] === 'CycloneDX' && has(value, 'vulnerabilities') && !has(value, 'components')],
  ['cyclonedx', (value) => value['bomFormat'] === 'CycloneDX'],
  ['spdx', (value) => isText(value['spdxVersion'])],
  ['spdx-3', (value) => has(value, '@context') && /spdx\.org\/rdf\/(?:v?3)/.test(JSON.stringify(value['@context']))],
  ['openvex', (value) => /openvex/.test(JSON.stringify(value['@context'] ?? '')) || (has(value, 'statements', '@id') && !has(value, 'predicateType'))],
  ['csaf', (value) => isObject(value['document']) && (isText(value['document']['csaf_version']) || has(value['document'], 'category', 'tracking'))],
  ['sigstore-bundle', (value) => /dev\.sigstore\.bundle/.test(String(value['mediaType'])) || has(value, 'verificationMaterial')],
  ['dsse', (value) => has(value, 'payload', 'payloadType', 'signatures')],
  ['intoto', (value) => isText(value['_type']) && value['_type'].startsWith('https://in-toto.io/Statement')],
  ['npm-attestations', (value) => Array.isArray(value['attestations'])],
  ['cnab-bundle', (value) => has(value, 'invocationImages') || (isText(value['schemaVersion']) && has(value, 'name', 'version'))],
  ['cnab-claim', (value) => has(value, 'installation', 'revision') || has(value, 'action', 'bundle')],
  ['cnab-claim-result', (value) => has(value, 'claimId', 'status')],
  ['cnab-status', (value) => has(value, 'status', 'components') || has(value, 'status', 'message')],
  ['cnab-dependencies', (value) => isObject(value['dependencies']) || has(value, 'requires') || (isObject(value['io.cnab.dependencies']) && true)],
  ['cnab-parameter-sources', (value) => all(value, (member) => isObject(member as JsonObject) && isObject((member as JsonObject)['source'] ?? null) && true)],
  ['cnab-relocation-mapping', (value) => all(value, (member) => isText(member) && isImageName(member)) && Object.keys(value).every(isImageName)]
]

/** Returns the format of a JSON document, or undefined. */
export function formatOfJson(value: JsonObject): Format | undefined {
  const found = tests.find(([, test]) => test(value))
  return found === undefined ? undefined : formatNamed(found[0])
}

/** Returns the format of an SPDX tag-value document, or undefined. */
export function formatOfTagValue(text: string): Format | undefined {
  return /^(?:\s*#.*\n|\s*\n)*\s*SPDXVersion:\s*SPDX-\d/.test(text) || /^SPDXVersion:\s*SPDX-\d/m.test(text) ? formatNamed('spdx-tag-value') : undefined
}

/** Returns the format of an XML document, or undefined. @throws E_DOCUMENT where it is not well-formed or has a DTD */
export function formatOfXml(text: string): Format | undefined {
  const root = rootOfXml(text)
  if (root === undefined) throw new RejoinError('E_DOCUMENT', 'the XML has no root element')
  return root.name === 'bom' && /^http:\/\/cyclonedx\.org\/schema\/bom\/1\.\d+$/.test(root.namespace) ? formatNamed('cyclonedx-xml') : undefined
}
