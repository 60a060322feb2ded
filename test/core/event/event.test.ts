import { constantFrom, integer, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  canonicalize,
  encodeEvent,
  equal,
  type Hlc,
  type Json,
  type JsonObject,
  parseEvent,
  parseEventText,
  textOf,
  utf8
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleEvent, sampleSigner } from '../sample.ts'

const event = sampleEvent(sampleSigner('writer'), 1, '0193a4c2f1d80002' as Hlc)
const parseWith = (changes: Readonly<Record<string, Json | undefined>>) => {
  const changed = Object.fromEntries(Object.entries({ ...event, ...changes }).filter(([, value]) => value !== undefined))
  return thrownBy(() => parseEvent(utf8(canonicalize(changed as JsonObject))))
}
const nested = (depth: number): Json => (depth === 0 ? 0 : [nested(depth - 1)])

describe('an event', () => {
  it('EVENT-12: comes back from its line, and the line from it', () => {
    const line = encodeEvent(event)
    expect(parseEvent(line)).toEqual(event)
    expect(parseEventText(textOf(line), line)).toEqual(event)
    expect(equal(encodeEvent(parseEvent(line)), line)).toBe(true)
    expect(textOf(line)).toMatch(/^\{"data":\{"index":1\},"hlc":"0193a4c2f1d80002","id":"[0-9a-f]{32}","source":"did:key:z6Mk/)
  })

  const wrong: readonly (readonly [string, string, Json | undefined])[] = [
    ['EVENT-6', 'specversion', undefined],
    ['EVENT-6', 'id', undefined],
    ['EVENT-6', 'source', undefined],
    ['EVENT-6', 'type', undefined],
    ['EVENT-6', 'time', undefined],
    ['EVENT-6', 'hlc', undefined],
    ['EVENT-6', 'data', undefined],
    ['EVENT-6', 'datacontenttype', 'application/json'],
    ['EVENT-6', 'withheld', 'ab'],
    ['EVENT-7', 'specversion', '1.1'],
    ['EVENT-7', 'specversion', 1],
    ['EVENT-7', 'type', ''],
    ['EVENT-7', 'type', 'published'],
    ['EVENT-7', 'type', 'Sbom.published'],
    ['EVENT-7', 'type', 'sbom.published '],
    ['EVENT-7', 'type', `${'a'.repeat(60)}.abcd`],
    ['EVENT-7', 'subject', ''],
    ['EVENT-7', 'subject', 'a'.repeat(257)],
    ['EVENT-7', 'subject', 'a\nb'],
    ['EVENT-7', 'subject', '\u202eabc'],
    ['EVENT-7', 'subject', null],
    ['EVENT-7', 'time', '2026-11-20T10:00:00Z'],
    ['EVENT-7', 'time', '2026-11-20T10:00:00.000+00:00'],
    ['EVENT-7', 'time', 1],
    ['EVENT-7', 'hlc', '0193a4c2f1d8000'],
    ['EVENT-7', 'hlc', '0193A4C2F1D80002'],
    ['EVENT-7', 'data', []],
    ['EVENT-7', 'data', null],
    ['EVENT-7', 'data', 'text'],
    ['EVENT-8', 'id', ''],
    ['EVENT-8', 'id', 'a'.repeat(31)],
    ['EVENT-8', 'id', 'A'.repeat(32)],
    ['EVENT-8', 'id', 1],
    ['EVENT-9', 'source', 'https://example.org'],
    ['EVENT-9', 'source', 'did:web:example.org'],
    ['EVENT-9', 'source', `did:key:z${'6'.repeat(100)}`],
    ['EVENT-9', 'source', null]
  ]

  it.each(wrong)('%s: has no other %s than the page says, as %j: E_EVENT', (_, member, value) => {
    expect(parseWith({ [member]: value })).toBe('E_EVENT')
  })

  it('EVENT-6: may lack a subject, and is an object', () => {
    expect(parseWith({ subject: undefined })).toBeUndefined()
    for (const text of ['[]', '1', 'null', '"x"', '{}']) expect(thrownBy(() => parseEvent(utf8(text)))).toBe('E_EVENT')
  })

  it('EVENT-2: has a line of at most 65,535 bytes: E_TOO_LARGE', () => {
    const spare = 65_535 - encodeEvent({ ...event, data: { text: '' } }).length
    const fits = { ...event, data: { text: 'x'.repeat(spare) } }
    expect(encodeEvent(fits).length).toBe(65_535)
    expect(parseEvent(encodeEvent(fits))).toEqual(fits)
    const over = { ...event, data: { text: 'x'.repeat(spare + 1) } }
    expect(thrownBy(() => encodeEvent(over))).toBe('E_TOO_LARGE')
    const line = utf8(canonicalize(over as unknown as Json))
    expect(thrownBy(() => parseEvent(line))).toBe('E_TOO_LARGE')
    expect(thrownBy(() => parseEventText(textOf(line), line))).toBe('E_TOO_LARGE')
  })

  it('EVENT-3: is nested 16 levels deep at most: E_TOO_DEEP', () => {
    expect(parseWith({ data: { x: nested(14) } })).toBeUndefined()
    expect(parseWith({ data: { x: nested(15) } })).toBe('E_TOO_DEEP')
  })

  it('EVENT-1 EVENT-4 EVENT-5: has one spelling', () => {
    const text = textOf(encodeEvent(event))
    const parse = (changed: string) => thrownBy(() => parseEvent(utf8(changed)))
    expect(parse(text)).toBeUndefined()
    expect(parse(`${text}\n`)).toBe('E_NOT_CANONICAL')
    expect(parse(text.replace(':', ': '))).toBe('E_NOT_CANONICAL')
    expect(parse(`\ufeff${text}`)).toBe('E_JSON')
    expect(parse(text.replace('"index":1', '"index":1.0'))).toBe('E_NOT_CANONICAL')
    expect(parse(text.replace('"index":1', '"index":1,"index":1'))).toBe('E_DUPLICATE_KEY')
    expect(parse(text.replace('"index"', '"__proto__"'))).toBe('E_FORBIDDEN_KEY')
    expect(parse(text.replace('"index"', '"constructor"'))).toBe('E_FORBIDDEN_KEY')
    expect(parse(text.slice(0, -1))).toBe('E_JSON')
  })

  it('is not written where it could not be read again', () => {
    expect(thrownBy(() => encodeEvent({ ...event, data: { x: nested(15) } }))).toBe('E_TOO_DEEP')
    expect(thrownBy(() => encodeEvent({ ...event, data: JSON.parse('{"__proto__":1}') as JsonObject }))).toBe('E_FORBIDDEN_KEY')
    expect(thrownBy(() => encodeEvent({ ...event, id: 'x' }))).toBe('E_EVENT')
    expect(thrownBy(() => encodeEvent({ ...event, data: { x: '\ud800' } }))).toBe('E_NOT_CANONICAL')
    expect(thrownBy(() => encodeEvent({ ...event, data: { x: Number.NaN } }))).toBe('E_NOT_CANONICAL')
  })

  it('of arbitrary bytes, and with any byte changed, throws nothing but its codes', () => {
    const line = encodeEvent(event)
    const members = constantFrom(...Object.keys(event))
    holds(property(uint8Array({ maxLength: 200 }), (bytes) => void thrownBy(() => parseEvent(bytes))))
    holds(
      property(integer({ min: 0, max: line.length - 1 }), integer({ min: 1, max: 255 }), (at, change) => {
        const copy = Uint8Array.from(line)
        copy[at] = (copy[at] as number) ^ change
        const code = thrownBy(() => parseEvent(copy))
        if (code === undefined) expect(equal(encodeEvent(parseEvent(copy)), copy)).toBe(true)
      })
    )
    holds(property(members, string({ unit: 'grapheme' }), (member, text) => void parseWith({ [member]: text })))
  })
})
