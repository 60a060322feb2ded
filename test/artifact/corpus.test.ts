import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { recognise } from '../../src/artifact/index.ts'
import { sharedPath } from '../shared.ts'
import { thrownBy } from '../thrown.ts'

const folders: readonly string[] = ['cyclonedx', 'spdx', 'vex', 'attestations', 'cnab', 'cnab/examples']
const documents: readonly string[] = folders.flatMap((folder) =>
  readdirSync(sharedPath(`corpus/${folder}`), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => `${folder}/${name}`)
)
const read = (document: string): Uint8Array => readFileSync(sharedPath(`corpus/${document}`))

const refused: Readonly<Record<string, string>> = {
  'vex/csaf__trailing-garbage__avendor-advisory-0004.json': 'E_JSON',
  'spdx/syft__format__spdxjson__testdata__spdx__bad__bad-sbom': 'E_UNKNOWN_TYPE'
}

/** What a document of the corpus is: format, media type, event; the first pattern that fits its name counts. */
const expected: readonly (readonly [RegExp, string, string, string])[] = [
  [/^cyclonedx\/VEX__.*(?:Case-1_|Case-2|Case-10|Case-13__vex)/, 'cyclonedx', 'application/vnd.cyclonedx+json', 'vex.published'],
  [/^cyclonedx\/.*\.json$/, 'cyclonedx', 'application/vnd.cyclonedx+json', 'sbom.published'],
  [/^cyclonedx\/.*\.xml$/, 'cyclonedx', 'application/vnd.cyclonedx+xml', 'sbom.published'],
  [/^spdx\/.*\.spdx$/, 'spdx', 'text/spdx', 'sbom.published'],
  [/^spdx\/|^vex\/.*sbom\.spdx\.json$/, 'spdx', 'application/spdx+json', 'sbom.published'],
  [/^vex\/(?:csaf__|pkg__csaf)/, 'csaf', 'application/csaf+json', 'vex.published'],
  [/^vex\//, 'openvex', 'application/vnd.openvex+json', 'vex.published'],
  [/\/bazel/, 'dsse', 'application/vnd.dsse.envelope.v1+json', 'attestation.published'],
  [/\/bundle__valid|\.jsonl$/, 'sigstore-bundle', 'application/vnd.dev.sigstore.bundle.v0.3+json', 'attestation.published'],
  [/\/bundle__/, 'sigstore-bundle', 'application/vnd.dev.sigstore.bundle+json', 'attestation.published'],
  [/\/npm-att/, 'npm-attestations', 'application/json', 'attestation.published'],
  [/\/docs__slsa/, 'intoto', 'application/vnd.in-toto+json', 'attestation.published'],
  [/relocation-mapping/, 'cnab-relocation-mapping', 'application/vnd.cnab.relocation-mapping.v1+json', 'artifact.published'],
  [/claim-result/, 'cnab-claim-result', 'application/vnd.cnab.claim-result.v1+json', 'claim.published'],
  [/claim/, 'cnab-claim', 'application/vnd.cnab.claim.v1+json', 'claim.published'],
  [/__500\./, 'cnab-dependencies', 'application/vnd.cnab.dependencies.v1+json', 'artifact.published'],
  [/__804\./, 'cnab-status', 'application/vnd.cnab.status.v1+json', 'artifact.published'],
  [/__810\./, 'cnab-parameter-sources', 'application/vnd.cnab.parameter-sources.v1+json', 'artifact.published'],
  [/^cnab\//, 'cnab-bundle', 'application/vnd.cnab.config.v1+json', 'bundle.published']
]

/** What corpus/INDEX.md says that the official schemas refuse; nothing else may have such a warning. */
const schemaFaults: readonly RegExp[] = [
  /syft-spdx-k8s/,
  /vault\.json/,
  /mageia/,
  /spdx__bad__example7/,
  /csaf__sbom\.spdx/,
  /v020-2/,
  /pkg__csaf__testdata__csaf/,
  /testdata__empty/,
  /bundles__foo/,
  /unsupported-required/
]

describe('ARTIFACT-1 ARTIFACT-3: the documents of the corpus', () => {
  it('are there', () => expect(documents.length).toBeGreaterThan(90))

  it.each(documents.filter((document) => !Object.hasOwn(refused, document)))('%s is recognised', (document) => {
    const { format, mediaType, artifactType, eventType, warnings } = recognise(read(document))
    const [, ...facts] = expected.find(([name]) => name.test(document)) ?? []
    expect([format, mediaType, eventType]).toEqual(facts)
    expect(artifactType).toBe(format === 'npm-attestations' ? 'application/vnd.npm.attestations+json' : mediaType)
    expect(warnings.some(({ code }) => code === 'W_SCHEMA')).toBe(schemaFaults.some((name) => name.test(document)))
    for (const { message } of warnings) expect(message.length).toBeLessThan(120)
    expect(warnings.length).toBeLessThanOrEqual(10)
    // its own name is taken for its type, too
    expect(recognise(read(document), { type: format }).format).toBe(format)
  })

  it.each(Object.entries(refused))('ARTIFACT-2 ARTIFACT-4: %s is refused with %s', (document, code) => {
    expect(thrownBy(() => recognise(read(document)))).toBe(code)
  })

  it('ARTIFACT-3: other faults are named where they are', () => {
    const codes = (document: string): readonly (string | undefined)[] =>
      recognise(read(document)).warnings.map(({ code, at }) => `${code} ${at}`)
    expect(codes('cyclonedx/cmd__osv-scanner__scan__source__testdata__sbom-insecure__bad-purls.cdx.xml')).toEqual(
      [105, 237, 280, 381, 492, 531].map((line) => `W_PURL line ${line}`)
    )
    expect(codes('attestations/npm-att-mismatch-prov-predicatetype.intoto.sigstore')).toEqual(['W_CONTENT /attestations/0'])
    expect(codes('vex/pkg__vex__testdata__v001-2.vex.json')).toEqual(['W_NO_SCHEMA undefined'])
  })

  it('have the titles and versions that people know them by', () => {
    const facts = (document: string): readonly unknown[] => {
      const { title, specVersion } = recognise(read(document), { fileName: 'x.json' })
      return [title, specVersion]
    }
    expect(facts('cyclonedx/CBOM__Protocol__bom.json')).toEqual(['my application 1.0', '1.6'])
    expect(facts('cyclonedx/VEX__Use-Cases__Case-13__vex.json')).toEqual(['x.json', '1.4'])
    expect(facts('spdx/pkg__formats__testdata__pause.spdx')).toEqual(['SBOM-SPDX-1edbb2ba-cbe1-4632-9bdd-8d2302a4792b', '2.3'])
    expect(facts('spdx/software__example12__spdx3.0__hello-dist.spdx3.json')).toEqual(['hello 0.0.1', '3.0.1'])
    expect(facts('attestations/bundle__valid-v0.3.intoto.sigstore')).toEqual(['https://slsa.dev/provenance/v0.2', '0.3'])
    expect(facts('cnab/examples/examples__400.01-claim.json')).toEqual(['technosophos.helloworld install', undefined])
  })
})

describe('ARTIFACT-3: the test cases of the CycloneDX schemas', () => {
  const folder = sharedPath('corpus/cyclonedx-schema-cases')
  const cases = readdirSync(folder).filter((name) => name.endsWith('.json'))

  it.each(cases)('%s', (name) => {
    const { format, warnings } = recognise(readFileSync(`${folder}/${name}`))
    expect(format).toBe('cyclonedx')
    if (name.includes('__valid')) expect(warnings).toEqual([])
    else expect(warnings.map(({ code }) => code)).toContain('W_SCHEMA')
  })

  it('are recognised in XML', () => {
    const lines = readFileSync(`${folder}/xml.pack.ndjson`, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
    expect(lines.length).toBeGreaterThan(90)
    for (const line of lines) {
      const { path, version, utf8 } = JSON.parse(line) as { path: string; version: string; utf8: string }
      const { format, mediaType, specVersion } = recognise(Buffer.from(utf8))
      expect([path, format, mediaType, specVersion]).toEqual([path, 'cyclonedx', 'application/vnd.cyclonedx+xml', version])
    }
  })
})
