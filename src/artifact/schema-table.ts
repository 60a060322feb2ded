import type { JsonObject } from '../core/index.ts'

/** A JSON Schema that ships with the package. */
export interface SchemaSource {
  /** its file under protocols/schemas/ */
  readonly file: string
  readonly draft: '7' | '2020-12'
  /** files of the schemas that it refers to */
  readonly needs: readonly string[]
  /** stand-ins for schemas that it refers to and that do not ship */
  readonly stubs: readonly JsonObject[]
}

const draft7 = (file: string, needs: readonly string[] = []): SchemaSource => ({ file, draft: '7', needs, stubs: [] })
const draft2020 = (file: string, stubs: readonly JsonObject[] = []): SchemaSource => ({
  file,
  draft: '2020-12',
  needs: [],
  stubs
})

/** Of a CVSS score only the version is looked at: CSAF tells 3.0 from 3.1 by it. */
const cvss = (version: string): JsonObject => ({
  $id: `https://www.first.org/cvss/cvss-v${version}.json`,
  properties: { version: { const: version } },
  required: ['version']
})

const licences = 'cyclonedx/spdx.schema.json'
const signatures = 'cyclonedx/jsf-0.82.schema.json'
const cryptography = 'cyclonedx/cryptography-defs.schema.json'

/** The name of a schema in schemaTable: a format, and its version where the format has several schemas. */
export type SchemaName =
  | `cyclonedx ${'1.2' | '1.3' | '1.4' | '1.5' | '1.6' | '1.7'}`
  | `spdx ${'2.2' | '2.3'}`
  | 'openvex 0.2.0'
  | 'csaf 2.0'
  | 'cnab-bundle'
  | 'cnab-claim'
  | 'cnab-claim-result'
  | 'cnab-dependencies'
  | 'cnab-parameter-sources'
  | 'cnab-status'
  | 'cnab-relocation-mapping'

/** The schemas by name; protocols/schemas/SOURCES.md says where each is from. */
export const schemaTable: Readonly<Record<SchemaName, SchemaSource>> = {
  'cyclonedx 1.2': draft7('cyclonedx/bom-1.2.schema.json', [licences]),
  'cyclonedx 1.3': draft7('cyclonedx/bom-1.3.schema.json', [licences]),
  'cyclonedx 1.4': draft7('cyclonedx/bom-1.4.schema.json', [licences, signatures]),
  'cyclonedx 1.5': draft7('cyclonedx/bom-1.5.schema.json', [licences, signatures]),
  'cyclonedx 1.6': draft7('cyclonedx/bom-1.6.schema.json', [licences, signatures]),
  'cyclonedx 1.7': draft7('cyclonedx/bom-1.7.schema.json', [licences, signatures, cryptography]),
  // 2.3 only added to 2.2
  'spdx 2.2': draft7('spdx/spdx-schema-2.3.json'),
  'spdx 2.3': draft7('spdx/spdx-schema-2.3.json'),
  'openvex 0.2.0': draft2020('openvex/openvex_json_schema.json'),
  'csaf 2.0': draft2020('csaf/csaf_json_schema.json', [cvss('2.0'), cvss('3.0'), cvss('3.1')]),
  'cnab-bundle': draft7('cnab/bundle.schema.json'),
  'cnab-claim': draft7('cnab/claim.schema.json', ['cnab/bundle.schema.json']),
  'cnab-claim-result': draft7('cnab/claim-result.schema.json'),
  'cnab-dependencies': draft7('cnab/dependencies.schema.json'),
  'cnab-parameter-sources': draft7('cnab/parameter-sources.schema.json'),
  'cnab-status': draft7('cnab/status.schema.json'),
  'cnab-relocation-mapping': draft7('cnab/relocation-mapping.schema.json')
}

/** Returns whether there is a schema of that name. */
export function isSchemaName(name: string): name is SchemaName {
  return Object.hasOwn(schemaTable, name)
}
