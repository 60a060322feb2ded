import { array, anything, constantFrom, json, oneof, option, property, string, uint8Array } from 'fast-check'
import { describe, it } from 'vitest'
import { recognise, typeNames } from '../../src/artifact/index.ts'
import { codeOf, utf8 } from '../../src/core/index.ts'
import { holds } from '../property.ts'

const bom = { bomFormat: 'CycloneDX', specVersion: '1.6' }
const tags = 'SPDXVersion: SPDX-2.3\nDocumentName: d\n'
const statement = { _type: 'https://in-toto.io/Statement/v1', subject: [], predicateType: 'urn:p' }
const envelope = { payloadType: 'application/vnd.in-toto+json', payload: 'e30=', signatures: [{ sig: 'AA==' }] }

describe('ARTIFACT-2: any bytes', () => {
  const head = constantFrom(
    '',
    '{',
    '[',
    '<',
    JSON.stringify(bom).slice(0, -1),
    '<bom xmlns="http://cyclonedx.org/schema/bom/1.6">',
    tags,
    `${JSON.stringify(envelope)}\n`
  )
  const type = option(constantFrom(...typeNames, 'a/b', 'x'), { nil: undefined })
  const attempt = (bytes: Uint8Array, name: string | undefined): void => {
    try {
      recognise(bytes, name === undefined ? {} : { type: name })
    } catch (error) {
      if (codeOf(error) === undefined) throw error
    }
  }

  it('give a result or an error of ours', () => {
    holds(
      property(head, uint8Array({ maxLength: 200 }), type, (before, after, name) =>
        attempt(Buffer.concat([utf8(before), after]), name)
      )
    )
    holds(
      property(head, oneof(json(), string({ unit: 'binary' })), type, (before, after, name) =>
        attempt(utf8(before + after), name)
      )
    )
  })

  it('and so does any value in the place of any member', () => {
    const members = constantFrom(
      ...[
        'bomFormat',
        'specVersion',
        'components',
        'metadata',
        'spdxVersion',
        'packages',
        '@context',
        '@graph',
        'document',
        '_type',
        'subject'
      ],
      ...[
        'payload',
        'payloadType',
        'signatures',
        'mediaType',
        'dsseEnvelope',
        'attestations',
        'requires',
        'status',
        'invocationImages'
      ]
    )
    const bases = constantFrom(
      bom,
      statement,
      envelope,
      { spdxVersion: 'SPDX-2.3' },
      { document: { csaf_version: '2.0' } },
      { '@context': 'https://openvex.dev/ns/v0.2.0' },
      {
        '@context': ['https://spdx.org/rdf/3.0.1/spdx-context.jsonld']
      },
      { mediaType: 'application/vnd.dev.sigstore.bundle+json' }
    )
    holds(
      property(
        bases,
        array(members, { maxLength: 4 }),
        anything({ maxDepth: 4, withNullPrototype: false }),
        type,
        (base, names, value, name) => {
          const document = { ...base, ...Object.fromEntries(names.map((member) => [member, value])) }
          const text = JSON.stringify(document, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner))
          attempt(utf8(text), name)
        }
      )
    )
  })
})
