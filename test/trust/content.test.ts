import { readdirSync, readFileSync } from 'node:fs'
import { integer, nat, property, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maxContentItems, readContent } from '../../src/artifact/index.ts'
import { codeOf, type Content, gateLicense, gateVersion, gateVulnerability, utf8 } from '../../src/core/index.ts'
import type { SigningKey } from '../../src/trust/index.ts'
import { holds } from '../property.ts'
import { sharedPath } from '../shared.ts'
import { thrownBy } from '../thrown.ts'
import { bytesOf, contentOfOne, envelope, keyOf, statement } from './layers.ts'

const folders = ['cyclonedx', 'spdx', 'vex', 'attestations', 'cnab', 'cyclonedx-schema-cases'] as const
const documents: readonly string[] = folders.flatMap((folder) =>
  readdirSync(sharedPath(`corpus/${folder}`), { withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.ndjson'))
    .map(({ name }) => `${folder}/${name}`)
)
const read = (document: string): Uint8Array => readFileSync(sharedPath(`corpus/${document}`))

/** Documents that are no documents; corpus/INDEX.md says why. */
const refused: Readonly<Record<string, string>> = {
  'vex/csaf__trailing-garbage__avendor-advisory-0004.json': 'E_JSON',
  'spdx/syft__format__spdxjson__testdata__spdx__bad__bad-sbom': 'E_UNKNOWN_TYPE'
}

/** Returns how many things a JSON text lists under a name, by counting and not by our readers. */
function listed(value: unknown, isOne: (item: Readonly<Record<string, unknown>>, parent: string) => boolean): number {
  let count = 0
  const visit = (item: unknown, parent: string): void => {
    if (Array.isArray(item)) for (const inner of item) visit(inner, parent)
    else if (typeof item === 'object' && item !== null) {
      const members = item as Readonly<Record<string, unknown>>
      if (isOne(members, parent)) count++
      for (const [name, inner] of Object.entries(members)) visit(inner, name)
    }
  }
  visit(value, '')
  return count
}

describe('CONTENT-2: the documents of the corpus', () => {
  it('are there', () => expect(documents.length).toBeGreaterThan(140))

  const isJson = (document: string): boolean => !/\.(?:xml|spdx|sigstore|slsa|jsonl)$|bad-sbom|trailing/.test(document)

  it.each(documents.filter((document) => /^cyclonedx/.test(document) && isJson(document)))('%s', (document) => {
    const json = JSON.parse(new TextDecoder().decode(read(document))) as Readonly<Record<string, unknown>>
    const { components, vulnerabilities } = contentOfOne(read(document))
    const names = (list: unknown): readonly unknown[] =>
      (Array.isArray(list) ? list : []).flatMap((item: { name?: unknown; components?: unknown }) => [
        item.name ?? '',
        ...names(item.components)
      ])
    const about = (json['metadata'] as { component?: { name?: unknown; components?: unknown } } | undefined)?.component
    const listsVulnerabilities = Array.isArray(json['vulnerabilities']) && json['vulnerabilities'].length > 0
    const listsComponents = Array.isArray(json['components']) && json['components'].length > 0
    const isVex = listsVulnerabilities && !listsComponents
    const expected = [...(about === undefined || isVex ? [] : names([about])), ...names(json['components'])]
    expect(components.map(({ name }) => name)).toEqual(expected)
    if (listsComponents) expect(components.length).toBeGreaterThan(0)
    expect(vulnerabilities.length).toBe(listed({ v: json['vulnerabilities'] }, (_, parent) => parent === 'v'))
  })

  it.each([
    ['cyclonedx/SBOM__keycloak-10.0.2__bom.json', 904, 904, 874],
    ['cyclonedx/SBOM__dropwizard-1.3.15__bom.json', 168, 168, 134],
    ['cyclonedx/SBOM__laravel-7.12.0__bom.1.4.json', 63, 63, 62],
    ['cyclonedx/SBOM__laravel-7.12.0__bom.1.4.xml', 63, 63, 62],
    ['cyclonedx/SBOM__proton-bridge__proton-bridge-v1.6.3.bom.json', 202, 202, 193],
    ['cyclonedx/cmd__osv-scanner__scan__source__testdata__sbom-insecure__bad-purls.cdx.xml', 17, 14, 14],
    ['cyclonedx/cmd__osv-scanner__scan__source__testdata__sbom-insecure__postgres-stretch.cdx.xml', 138, 136, 111],
    ['cyclonedx/test__conformance__testdata__cyclonedx__1.6__json__syft-1.2.0_rails-5.0.0.cdx.json', 446, 444, 347],
    ['spdx/docs__spdx__syft-spdx-k8s.gcr.io-kube-proxy.v1.24.6.json', 99, 99, 14],
    ['spdx/pkg__formats__testdata__linux-x64-manifest.spdx.json', 88, 87, 0],
    ['spdx/pkg__formats__testdata__pause.spdx', 4, 1, 0],
    ['spdx/software__example6__spdx2.2__example6-lib.spdx', 5, 0, 1],
    ['spdx/software__example9__spdx3.0__appbomination.spdx3.json', 7, 4, 7],
    ['spdx/ai__example01__spdx3.0__simplehtr-example.json', 13, 0, 10],
    ['spdx/top-dh-sboms__vault.json', 348, 348, 18],
    ['vex/vexctl__examples__csaf__sbom.spdx.json', 3, 3, 3]
  ])('%s has %i components, %i with a package URL, %i with a licence', (document, all, withPurl, withLicense) => {
    const { components, licenses } = contentOfOne(read(document))
    expect(components.length).toBe(all)
    expect(components.filter(({ purl }) => purl !== '').length).toBe(withPurl)
    expect(components.filter(({ licenses: own }) => own.length > 0).length).toBe(withLicense)
    expect(licenses.toSorted()).toEqual([...new Set(components.flatMap(({ licenses: own }) => own))].toSorted())
  })

  it.each(documents.filter((document) => /^spdx\/|sbom\.spdx\.json$/.test(document) && !Object.hasOwn(refused, document)))(
    '%s has the components that it lists',
    (document) => {
      const text = new TextDecoder().decode(read(document))
      const count = document.endsWith('.spdx')
        ? (text.match(/^PackageName:/gm) ?? []).length
        : listed(
            JSON.parse(text),
            (item, parent) => parent === 'packages' || /(?:^software_|Dataset|AI)Package$/.test(String(item['type']))
          )
      expect(count).toBeGreaterThan(0)
      expect(contentOfOne(read(document)).components.length).toBe(count)
    }
  )

  it('in XML have what the same SBOM has in JSON', () => {
    const json = contentOfOne(read('cyclonedx/SBOM__laravel-7.12.0__bom.1.4.json'))
    expect(contentOfOne(read('cyclonedx/SBOM__laravel-7.12.0__bom.1.4.xml')).components).toEqual(json.components)
  })

  it('of the schema cases have the same in XML and JSON', () => {
    const cases = readFileSync(sharedPath('corpus/cyclonedx-schema-cases/xml.pack.ndjson'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { path: string; utf8: string })
    expect(cases.length).toBeGreaterThan(90)
    const severe: string[] = []
    let compared = 0
    for (const { path, utf8: text } of cases) {
      const { components, vulnerabilities } = contentOfOne(utf8(text))
      for (const { id, products, severity, status, justification } of vulnerabilities)
        severe.push([id, ...products, severity, status, justification].join(' '))
      const twin = `cyclonedx-schema-cases/${path.split('/').slice(-2).join('__').replace(/xml$/, 'json')}`
      // of these two the XML holds other components than the JSON
      if (!documents.includes(twin) || !twin.includes('__valid') || /valid-(?:bom|formulation)/.test(twin)) continue
      compared++
      expect([twin, components]).toEqual([twin, contentOfOne(read(twin)).components])
    }
    expect(compared).toBe(5)
    const snyk =
      'SNYK-JAVA-COMFASTERXMLJACKSONCORE-32111 pkg:maven/com.fasterxml.jackson.core/jackson-databind@2.9.4 critical not_affected code_not_reachable'
    expect(severe).toEqual([snyk, snyk, 'ACME-12345 unknown  '])
  })

  it.each(Object.entries(refused))('%s has no content', (document, code) => {
    expect(thrownBy(() => readContent(read(document)))).toBe(code)
    expect(contentOfOne(read(document)).components).toEqual([])
  })
})

describe('CONTENT-3 CONTENT-4 CONTENT-5: vulnerabilities', () => {
  const said = (document: string): readonly unknown[] =>
    contentOfOne(read(document)).vulnerabilities.map(({ id, products, severity, status, justification }) => [
      id,
      products.length,
      severity,
      status,
      justification
    ])

  it('of CycloneDX', () => {
    expect(contentOfOne(read('cyclonedx/VEX__CISA-Use-Cases__Case-1__vex-not_affected.json')).components).toEqual([])
    expect(said('cyclonedx/VEX__CISA-Use-Cases__Case-1__vex-not_affected.json')).toEqual([
      ['CVE-2021-44228', 1, 'unknown', 'not_affected', 'code_not_present']
    ])
    expect(said('cyclonedx/VEX__CISA-Use-Cases__Case-1__vex-fixed.json')).toEqual([
      ['CVE-2021-44228', 1, 'unknown', 'fixed', 'This version of Product DEF has been fixed.']
    ])
    expect(said('cyclonedx/VEX__CISA-Use-Cases__Case-2__vex.json').length).toBe(19)
    // of ratings of 7.5 and 0.0 the worst counts
    expect(said('cyclonedx/VEX__Use-Cases__Case-13__vex.json')[0]).toEqual([
      'CVE-2020-25649',
      2,
      'high',
      'not_affected',
      'code_not_reachable'
    ])
  })

  it('of OpenVEX, of all versions', () => {
    expect(said('vex/pkg__vex__testdata__v0.2.0.json').map((row) => (row as unknown[])[3])).toEqual([
      'fixed',
      'fixed',
      'fixed',
      'not_affected',
      'not_affected'
    ])
    expect(said('vex/pkg__vex__testdata__v0.0.1-noversion.json')).toEqual([['CVE-2023-12345', 2, 'unknown', 'fixed', '']])
    expect(said('vex/vexctl__pkg__ctl__testdata__images.vex.json').length).toBe(4)
  })

  it('of CSAF', () => {
    expect(said('vex/csaf__avendor-advisory-0004.json')).toEqual([
      ['CVE-2020-1234', 1, 'unknown', 'under_investigation', ''],
      ['CVE-2020-9876', 1, 'unknown', 'under_investigation', '']
    ])
    const rhsa = said('vex/pkg__csaf__testdata__rhsa-2020_1358.json')
    expect(rhsa.map((row) => [(row as unknown[])[0], ...(row as unknown[]).slice(2)])).toEqual([
      ['CVE-2020-1711', 'medium', 'fixed', ''],
      ['CVE-2020-7039', 'medium', 'fixed', '']
    ])
  })

  const bom = (ratings: readonly unknown[]): Uint8Array =>
    bytesOf({
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      components: [{ type: 'library', name: 'a', 'bom-ref': 'r', purl: 'pkg:npm/a@1' }],
      vulnerabilities: [{ id: 'CVE-1', ratings, affects: [{ ref: 'r' }] }]
    })
  it.each([
    [[], 'unknown'],
    [[{ severity: 'unknown' }], 'unknown'],
    [[{ severity: 'info' }], 'low'],
    [[{ severity: 'low' }, { severity: 'critical' }, { severity: 'none' }], 'critical'],
    [[{ severity: 'low', score: 9.8, method: 'CVSSv31' }], 'critical'],
    [[{ score: 6.9 }], 'medium'],
    [[{ score: 0 }], 'none'],
    [[{ score: 99 }], 'unknown'],
    [[{ score: 9, method: 'OWASP' }], 'unknown'],
    [[{ severity: 'HIGH' }], 'high'],
    [[{ severity: 'constructor' }], 'unknown'],
    ['no list', 'unknown']
  ])('CONTENT-4: ratings %j are %s', (ratings, severity) => {
    const [vulnerability] = contentOfOne(bom(ratings as readonly unknown[])).vulnerabilities
    expect(vulnerability).toEqual({ id: 'CVE-1', products: ['pkg:npm/a@1'], severity, status: '', justification: '' })
  })
})

const ci = keyOf(1)
const keys: readonly SigningKey[] = [{ name: 'release-ci', publicKey: ci.publicKey }]
const envelopeType = 'application/vnd.dsse.envelope.v1+json'

describe('CONTENT-7: attestations', () => {
  const bom = { bomFormat: 'CycloneDX', specVersion: '1.6', components: [{ name: 'a', purl: 'pkg:npm/a@1' }] }
  it('hold documents, signed or not', () => {
    for (const document of [
      statement('image', bom),
      envelope(statement('image', bom), [ci]),
      envelope(bom, [ci], 'application/vnd.cyclonedx+json')
    ])
      expect(contentOfOne(bytesOf(document)).components).toEqual([{ name: 'a', version: '', purl: 'pkg:npm/a@1', licenses: [] }])
  })

  it('of the corpus are signed, by nobody who is known here', () => {
    const held = documents
      .filter((document) => document.startsWith('attestations/'))
      .map((document) => readContent(read(document)))
    expect(held.length).toBe(8)
    expect(held.reduce((sum, { envelopes }) => sum + envelopes.length, 0)).toBe(9)
    expect(held.filter(({ isSigned }) => isSigned).length).toBe(7)
    for (const { envelopes } of held)
      for (const { subjects } of envelopes) expect(subjects.join()).toMatch(/^sha(?:256|512):[0-9a-f]{64}/)
  })
})

describe('CONTENT-1: what a layer promises', () => {
  const bom = bytesOf({ bomFormat: 'CycloneDX', specVersion: '1.6', components: [{ name: 'a' }] })
  const spdx = bytesOf({ spdxVersion: 'SPDX-2.3', packages: [{ name: 'b' }] })

  it('it must keep', () => {
    expect(contentOfOne(bom, 'application/vnd.cyclonedx+json; version=1.6').components.length).toBe(1)
    expect(thrownBy(() => contentOfOne(spdx, 'application/vnd.cyclonedx+json'))).toBe('E_DOCUMENT')
    expect(thrownBy(() => contentOfOne(bom, 'application/spdx+json'))).toBe('E_DOCUMENT')
    expect(thrownBy(() => contentOfOne(utf8('{'), 'application/spdx+json'))).toBe('E_JSON')
    expect(thrownBy(() => contentOfOne(utf8('<a/>'), 'application/vnd.cyclonedx+xml'))).toBe('E_UNKNOWN_TYPE')
    expect(thrownBy(() => contentOfOne(bom, envelopeType))).toBe('E_DOCUMENT')
  })

  it('and what promises nothing is passed over, unless it is a document', () => {
    expect(contentOfOne(bom, 'application/x-anything').components.length).toBe(1)
    for (const text of ['', '{', '<a', '[1]', 'SPDXVersion: x\n?', '\u0000\u0001'])
      expect(contentOfOne(utf8(text)).components).toEqual([])
    expect(contentOfOne(Uint8Array.of(0x1f, 0x8b, 8, 0, 255)).layerTypes).toEqual(['application/octet-stream'])
    expect(thrownBy(() => contentOfOne(utf8('{"a":1,"a":2}')))).toBe('E_DUPLICATE_KEY')
  })

  it('a document of two formats is read as both', () => {
    const both = bytesOf({
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      components: [{ name: 'a' }],
      spdxVersion: 'SPDX-2.3',
      packages: [{ name: 'b' }]
    })
    for (const mediaType of ['application/vnd.cyclonedx+json', 'application/spdx+json', 'application/json'])
      expect(contentOfOne(both, mediaType).components.map(({ name }) => name)).toEqual(['a', 'b'])
  })
})

describe('CONTENT-6: hostile documents', () => {
  it('with more components than are read are refused whole', () => {
    const list = (count: number): Uint8Array =>
      utf8(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[${Array.from({ length: count }, () => '{}').join(',')}]}`)
    expect(contentOfOne(list(maxContentItems)).components.length).toBe(maxContentItems)
    expect(thrownBy(() => contentOfOne(list(maxContentItems + 1)))).toBe('E_TOO_LARGE')
    const xml = `<bom xmlns="http://cyclonedx.org/schema/bom/1.6"><components>${'<component/>'.repeat(maxContentItems + 1)}</components></bom>`
    expect(thrownBy(() => contentOfOne(utf8(xml)))).toBe('E_TOO_LARGE')
    expect(thrownBy(() => contentOfOne(utf8(`SPDXVersion: SPDX-2.3\n${'PackageName: a\n'.repeat(maxContentItems + 1)}`)))).toBe(
      'E_TOO_LARGE'
    )
  })

  it('with elements of another namespace say nothing by them', () => {
    const xml = `<bom xmlns="http://cyclonedx.org/schema/bom/1.6" xmlns:x="urn:x"><components>
      <component type="library"><x:name>no</x:name><name>a</name><x:component><name>no</name></x:component></component>
      <x:component><name>no</name></x:component></components></bom>`
    expect(contentOfOne(utf8(xml)).components.map(({ name }) => name)).toEqual(['a'])
  })

  const sources = documents.filter((document) => read(document).length < 20_000).map(read)
  it('changed anywhere give a content or a code, and the gates judge it', () => {
    expect(sources.length).toBeGreaterThan(100)
    holds(
      property(
        nat(sources.length - 1),
        nat(),
        uint8Array({ maxLength: 8 }),
        integer({ min: 0, max: 8 }),
        (which, at, more, without) => {
          const source = sources[which] as Uint8Array
          const start = at % source.length
          const bytes = Buffer.concat([source.subarray(0, start), more, source.subarray(start + without)])
          let content: Content
          try {
            content = contentOfOne(bytes, 'application/octet-stream', keys)
          } catch (error) {
            expect(codeOf(error)).toBeDefined()
            return
          }
          const gate = { maxSeverity: 'low', unlessVex: ['fixed'], vexRoles: ['vendor'] } as const
          const judged = [
            gateVulnerability(
              content,
              [{ statement: { id: '', products: [], severity: 'unknown', status: 'fixed', justification: '' }, roles: [] }],
              gate
            ),
            gateLicense(content, { allow: ['MIT'], deny: ['ISC'] }),
            gateVersion(content.components, [{ purl: 'pkg:npm/a', deny: 'vers:npm/*' }])
          ]
          for (const result of judged) expect(['pass', 'fail', 'none']).toContain(result)
        }
      )
    )
  })

  const odd: readonly unknown[] = [null, 1, 'x', [], {}, [null, 1, 'x', [], {}]]
  it('of any shape are read', () => {
    const heads = [
      { bomFormat: 'CycloneDX', specVersion: '1.6' },
      { spdxVersion: 'SPDX-2.3' },
      { '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld' },
      { '@context': 'https://openvex.dev/ns/v0.2.0' },
      { document: { csaf_version: '2.0' } },
      { _type: 'https://in-toto.io/Statement/v1' }
    ]
    const members = [
      'metadata',
      'components',
      'vulnerabilities',
      'packages',
      '@graph',
      'statements',
      'product_tree',
      'predicate',
      'subject'
    ]
    let count = 0
    for (const head of heads)
      for (const member of members)
        for (const value of [
          ...odd,
          ...odd.map((inner) => [
            {
              component: inner,
              components: inner,
              licenses: inner,
              affects: inner,
              ratings: inner,
              analysis: inner,
              externalRefs: inner,
              products: inner,
              vulnerability: inner,
              product_status: inner,
              scores: inner,
              flags: inner,
              digest: inner,
              branches: inner,
              relationships: inner,
              to: inner,
              type: inner
            }
          ])
        ]) {
          expect(Array.isArray(contentOfOne(bytesOf({ ...head, [member]: value })).components)).toBe(true)
          count++
        }
    expect(count).toBe(6 * 9 * 12)
  })
})
