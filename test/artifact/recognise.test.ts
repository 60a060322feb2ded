import { describe, expect, it } from 'vitest'
import { maxDocumentBytes, recognise, type Recognised, typeNames } from '../../src/artifact/index.ts'
import { type ErrorCode, RejoinError, utf8 } from '../../src/core/index.ts'
import { thrownBy } from '../thrown.ts'

const of = (text: string, type?: string): Recognised => recognise(utf8(text), type === undefined ? {} : { type })
const refusal = (text: string, type?: string): ErrorCode | undefined => thrownBy(() => of(text, type))
const codes = ({ warnings }: Recognised): readonly string[] => warnings.map(({ code }) => code)
const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64')

const bom = '{"bomFormat":"CycloneDX","specVersion":"1.6","version":1}'
const xml = (inside: string, version = '1.6'): string =>
  `<bom xmlns="http://cyclonedx.org/schema/bom/${version}" version="1">${inside}</bom>`
const tags =
  'SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: d\nDocumentNamespace: urn:d\nCreator: Tool: t\nCreated: 2026-01-01T00:00:00Z\n'
const statement = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'a', digest: { sha256: '00' } }],
  predicateType: 'urn:p',
  predicate: {}
}
const envelope = { payloadType: 'application/vnd.in-toto+json', payload: base64(statement), signatures: [{ sig: 'AA==' }] }

describe('ARTIFACT-2: what does not parse is refused', () => {
  it.each([
    ['bytes after the value', `${bom} x`, 'E_JSON'],
    ['half a document', bom.slice(0, 30), 'E_JSON'],
    ['100,000 arrays', '['.repeat(100_000), 'E_TOO_DEEP'],
    ['100,000 arrays in a member', `{"bomFormat":"CycloneDX","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'E_TOO_DEEP'],
    ['a key twice', '{"bomFormat":"CycloneDX","bomFormat":"CycloneDX","specVersion":"1.6"}', 'E_DUPLICATE_KEY'],
    ['__proto__', '{"bomFormat":"CycloneDX","specVersion":"1.6","__proto__":{}}', 'E_FORBIDDEN_KEY'],
    ['an open element', xml('<components>').replace('</bom>', ''), 'E_XML'],
    ['bytes after the root', `${xml('')}x`, 'E_XML'],
    ['an unbound prefix', xml('<a:b/>'), 'E_XML'],
    ['a document type', `<!DOCTYPE bom>${xml('')}`, 'E_XML'],
    ['an entity bomb', `<!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>${xml('&b;')}`, 'E_XML'],
    ['an unknown entity', xml('&b;'), 'E_XML'],
    ['100,000 elements deep', xml('<a>'.repeat(100_000)), 'E_TOO_DEEP'],
    ['a line that is no tag', `${tags}no tag here\n`, 'E_DOCUMENT'],
    ['a text without end', `${tags}PackageComment: <text>on\nand on\n`, 'E_DOCUMENT']
  ])('%s', (_name, text, code) => {
    expect(refusal(text)).toBe(code)
  })

  it('bad UTF-8 and UTF-16', () => {
    for (const bytes of [
      Buffer.concat([utf8('{"bomFormat":"'), Buffer.of(0xff), utf8('"}')]),
      Buffer.from(`\ufeff${bom}`, 'utf16le')
    ])
      expect(thrownBy(() => recognise(bytes))).toBe('E_UTF8')
    expect(thrownBy(() => recognise(Buffer.concat([utf8(tags), Buffer.of(0xff)])))).toBe('E_UTF8')
  })

  it('over 64 MiB, before it is looked at', () => {
    expect(thrownBy(() => recognise(new Uint8Array(maxDocumentBytes + 1)))).toBe('E_TOO_LARGE')
  })

  it('at a place', () => {
    try {
      of('{"bomFormat":\n"CycloneDX",}')
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(RejoinError)
      expect((error as RejoinError).at).toBe('2:13')
    }
  })
})

describe('ARTIFACT-4: what is of no known kind, or not of its type, is refused', () => {
  it.each([
    '',
    ' \n',
    'bogus!',
    '[]',
    '{}',
    'null',
    '{"a":"b"}',
    '{"status":"ok"}',
    '{"requires":{}}',
    '<html></html>',
    '\u0000\u0001'
  ])('%j', (text) => {
    expect(refusal(text)).toBe('E_UNKNOWN_TYPE')
    for (const type of ['cyclonedx', 'csaf', 'cnab-bundle', 'intoto-bundle']) expect(refusal(text, type)).toBe('E_DOCUMENT')
  })

  it('with a hint that names --type', () => {
    try {
      of('bogus!')
      expect.unreachable()
    } catch (error) {
      expect((error as RejoinError).hint).toContain('--type')
    }
  })

  it('and a bom is of no type but its own', () => {
    for (const type of typeNames) {
      const taken = type === 'cyclonedx'
      expect([type, refusal(bom, type)]).toEqual([type, taken ? undefined : 'E_DOCUMENT'])
      expect([type, refusal(xml(''), type)]).toEqual([type, taken ? undefined : 'E_DOCUMENT'])
      expect([type, refusal(tags, type)]).toEqual([type, type === 'spdx' ? undefined : 'E_DOCUMENT'])
    }
  })

  it('ARTIFACT-1: and what fits several kinds is the first of them, unless a type says otherwise', () => {
    const kinds = [
      ['cyclonedx', JSON.parse(bom)],
      ['spdx', { spdxVersion: 'SPDX-2.3' }],
      ['openvex', { '@context': 'https://openvex.dev/ns/v0.2.0' }],
      ['csaf', { document: { csaf_version: '2.0' } }],
      ['intoto', statement],
      ['dsse', envelope],
      ['cnab-bundle', { schemaVersion: '1.0.0', name: 'n', version: '1.0.0', invocationImages: [] }],
      ['cnab-claim', { installation: 'i', action: 'install', revision: 'r', bundle: {} }]
    ] as const
    for (const [i, [name]] of kinds.entries()) {
      const text = JSON.stringify(Object.assign({}, ...kinds.slice(i).map(([, document]) => document)))
      expect(of(text).format).toBe(name)
      for (const [other] of kinds.slice(i)) expect([other, of(text, other).format]).toEqual([other, other])
    }
  })

  it('but a type makes clear what content alone does not', () => {
    expect(of('{"status":"ok"}', 'cnab-status').format).toBe('cnab-status')
    expect(of('{"a":"b"}', 'cnab-relocation-mapping').format).toBe('cnab-relocation-mapping')
    expect(refusal('{"a":1}', 'cnab-relocation-mapping')).toBe('E_DOCUMENT')
  })

  it('and an unknown type is a usage error', () => {
    expect(refusal(bom, 'sbom')).toBe('E_USAGE')
    for (const type of ['a/', '/b', 'a/b/c', 'a/b; c=d', 'a b/c']) expect(refusal(bom, type)).toBe('E_USAGE')
  })
})

describe('ARTIFACT-5: bytes whose media type is given', () => {
  it('are taken unread', () => {
    expect(recognise(Uint8Array.of(0xff, 0, 1), { type: 'application/x-tar', fileName: 'a\u001b[31m.tar' })).toEqual({
      format: 'opaque',
      mediaType: 'application/x-tar',
      artifactType: 'application/x-tar',
      eventType: 'artifact.published',
      title: 'a [31m.tar',
      warnings: []
    })
    expect(of('{"bomFormat":', 'application/vnd.cyclonedx+json').format).toBe('opaque')
  })
})

describe('ARTIFACT-6: attestations', () => {
  it('in JSON lines are one bundle', () => {
    const lines = [
      envelope,
      { mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', verificationMaterial: {}, dsseEnvelope: envelope },
      statement
    ]
    const text = lines.map((line) => JSON.stringify(line)).join('\n\n')
    const { format, mediaType, title, warnings } = of(`${text}\n`)
    expect([format, mediaType, title, warnings]).toEqual(['intoto-bundle', 'application/vnd.in-toto.bundle', 'urn:p', []])
    for (const type of ['intoto', 'dsse', 'sigstore-bundle']) expect(of(text, type).format).toBe('intoto-bundle')
    expect(refusal(text, 'cyclonedx')).toBe('E_DOCUMENT')
  })

  it('in JSON lines must each be one', () => {
    const line = JSON.stringify(envelope)
    expect(refusal(`${line}\n${bom}`)).toBe('E_DOCUMENT')
    expect(refusal(`${line}\nx`)).toBe('E_JSON')
    expect(refusal(`${line}\n{"a":1,"a":2}`)).toBe('E_DUPLICATE_KEY')
    expect(refusal(`${bom}\n${line}`)).toBe('E_JSON')
    expect(of(`${line}\n\n`).format).toBe('dsse')
  })

  it('are in-toto, signed or not', () => {
    for (const [value, format] of [
      [statement, 'intoto'],
      [envelope, 'dsse']
    ] as const) {
      expect(of(JSON.stringify(value), 'intoto').format).toBe(format)
      expect(of(JSON.stringify(value))).toMatchObject({ title: 'urn:p', warnings: [] })
    }
    expect(refusal(JSON.stringify(statement), 'dsse')).toBe('E_DOCUMENT')
  })

  it('are opened, and what is wrong inside is a warning', () => {
    const payload = (text: string): Recognised => of(JSON.stringify({ ...envelope, payload: text }))
    const urlSafe = Buffer.from(JSON.stringify({ ...statement, predicateType: 'urn:~~~???' })).toString('base64url')
    expect(payload(urlSafe)).toMatchObject({ title: 'urn:~~~???', warnings: [] })
    for (const text of [
      '!',
      'e30',
      'e30===',
      'e 30',
      'e31=',
      '====',
      Buffer.from('{"a":1,"a":2}').toString('base64'),
      Buffer.from('[').toString('base64')
    ])
      expect(codes(payload(text))).toEqual(['W_CONTENT'])
    expect(codes(of(JSON.stringify({ ...envelope, signatures: [] })))).toEqual(['W_CONTENT'])
    expect(codes(of(JSON.stringify({ ...statement, subject: [{}], predicateType: 1 })))).toEqual(['W_CONTENT', 'W_CONTENT'])
    expect(codes(of('{"mediaType":"application/vnd.dev.sigstore.bundle.v9+json"}'))).toEqual(['W_CONTENT', 'W_CONTENT'])
  })
})

describe('ARTIFACT-3: warnings', () => {
  it('of a byte order mark and of versions without a schema', () => {
    expect(codes(of(`\ufeff${bom}`))).toEqual(['W_BYTE_ORDER_MARK'])
    expect(codes(of(bom.replace('1.6', '9.9')))).toEqual(['W_NO_SCHEMA'])
    expect(codes(of('{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}'))).toEqual(['W_CONTENT'])
  })

  it('of nothing that SPDX 3 allows: one element without a graph, a CreationInfo inside its element', () => {
    const context = { '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld' }
    const creationInfo = { type: 'CreationInfo', specVersion: '3.0.1', createdBy: ['urn:a'], created: '2026-01-01T00:00:00Z' }
    const element = { type: 'software_Package', spdxId: 'urn:p', name: 'one', creationInfo }
    for (const document of [
      { ...context, ...element },
      { ...context, '@graph': [element] }
    ])
      expect(of(JSON.stringify(document))).toMatchObject({ format: 'spdx', specVersion: '3.0.1', title: 'one', warnings: [] })
    expect(codes(of(JSON.stringify({ ...context, ...element, creationInfo: '_:c' })))).toEqual(['W_CONTENT'])
    expect(codes(of(JSON.stringify(context)))).toEqual(['W_CONTENT'])
  })

  it('of missing tags', () => {
    expect(of('# a comment\r\n\r\nSPDXVersion: SPDX-2.3\r\n').warnings.map(({ message }) => message)).toContain(
      'the tag DocumentName is missing'
    )
    expect(of(`${tags}PackageComment: <text>not\na tag</text>\nPackageName: x\n`).warnings).toEqual([])
    // a line ends at a line feed: these are the value's own characters
    expect(of(`${tags}PackageComment: a\u2028b\rc\u2029d\n`).warnings).toEqual([])
  })

  it('are printable, short and ten at most', () => {
    const name = `\u001b]0;${'\u202e<'.repeat(90)}`
    const { warnings } = of(
      JSON.stringify({ ...JSON.parse(bom), components: Array.from({ length: 40 }, () => ({ [name]: 1, purl: name })) })
    )
    expect(warnings).toHaveLength(10)
    for (const { message, at = '' } of warnings) {
      expect(message.length).toBeLessThan(120)
      expect(message + at).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/)
    }
  })
})
