import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { recognise } from '../../src/artifact/index.ts'
import { type Json, type JsonObject, utf8 } from '../../src/core/index.ts'
import { sharedPath } from '../shared.ts'

const example = (name: string): JsonObject =>
  JSON.parse(readFileSync(sharedPath(`corpus/cnab/examples/examples__${name}.json`), 'utf8')) as JsonObject
const claim = example('400.01-claim')
const result = example('400.01-claim-result')
const bundle = example('101.01-bundle')
const map = example('103.01-relocation-mapping')

/** Returns a document with a value at a path; without it where the value is undefined. */
function changed(document: JsonObject, path: string, value: Json | undefined): JsonObject {
  const made = structuredClone(document) as Record<string, Json>
  const steps = path.split('/')
  const last = steps.pop() ?? ''
  const inner = steps.reduce((at, step) => at[step] as Record<string, Json>, made)
  if (value === undefined) delete inner[last]
  else inner[last] = value
  return made
}

describe('CNAB-12 ARTIFACT-3: the documents of CNAB against their schemas, with no network', () => {
  it.each([
    ['cnab-bundle', bundle],
    ['cnab-claim', claim],
    ['cnab-claim-result', result],
    ['cnab-relocation-mapping', map]
  ] as const)('%s: the example of the specification has no fault', (type, document) => {
    expect(recognise(utf8(JSON.stringify(document)))).toMatchObject({ format: type, warnings: [] })
  })

  it.each<readonly [string, JsonObject, string, Json | undefined, string]>([
    ['cnab-bundle', bundle, 'bundel', 1, 'the document must NOT have additional properties "bundel"'],
    ['cnab-bundle', bundle, 'invocationImages/0/image', undefined, "/invocationImages/0 must have required property 'image'"],
    ['cnab-bundle', bundle, 'images/my-microservice/size', '1', '/images/my-microservice/size must be integer'],
    ['cnab-bundle', bundle, 'outputs/port/path', '/etc/passwd', '/outputs/port/path must match pattern "^/cnab/app/outputs/.+$"'],
    ['cnab-bundle', bundle, 'credentials/hostkey/required', 'yes', '/credentials/hostkey/required must be boolean'],
    [
      'cnab-bundle',
      bundle,
      'definitions/http_port/type',
      'int',
      '/definitions/http_port/type must be equal to one of the allowed values'
    ],
    ['cnab-claim', claim, 'id', undefined, "the document must have required property 'id'"],
    ['cnab-claim', claim, 'created', 5, '/created must be string'],
    ['cnab-claim', claim, 'bundle/maintainers', 'me', '/bundle/maintainers must be array'],
    [
      'cnab-claim',
      claim,
      'bundle/invocationImages/0/image',
      undefined,
      "/bundle/invocationImages/0 must have required property 'image'"
    ],
    ['cnab-claim', claim, 'parameters', [], '/parameters must be object'],
    ['cnab-claim-result', result, 'status', 'done', '/status must be equal to one of the allowed values'],
    ['cnab-claim-result', result, 'created', undefined, "the document must have required property 'created'"],
    ['cnab-claim-result', result, 'outputs/port/contentDigest', 1, '/outputs/port/contentDigest must be string']
  ])('%s: a fault planted, case %#', (type, document, path, value, message) => {
    const { format, warnings } = recognise(utf8(JSON.stringify(changed(document, path, value))))
    expect(format).toBe(type)
    expect(warnings.map((one) => [one.code, one.message])).toContainEqual(['W_SCHEMA', message])
  })

  it('cnab-relocation-mapping: a value that is no text is a fault, or makes it another document', () => {
    const faulty = utf8(JSON.stringify({ ...map, 'example/other:1': 5 }))
    expect(() => recognise(faulty)).toThrow('of no known kind')
    expect(() => recognise(faulty, { type: 'cnab-relocation-mapping' })).toThrow('a value is no image reference')
  })

  it('a map may have bare names as keys where its values have digests', () => {
    const digest = `sha256:${'0'.repeat(64)}`
    const formatOf = (document: JsonObject): string => recognise(utf8(JSON.stringify(document))).format
    expect(formatOf({ busybox: `host:5000/busybox@${digest}` })).toBe('cnab-relocation-mapping')
    expect(() => formatOf({ busybox: 'host:5000/busybox:1' })).toThrow('of no known kind')
    expect(() => formatOf({ 'No Name': `host:5000/busybox@${digest}` })).toThrow('of no known kind')
  })
})
