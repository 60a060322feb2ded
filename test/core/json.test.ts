import { jsonValue, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalize, type ErrorCode, type Json, parseCanonical, parseStrict, utf8 } from '../../src/core/index.ts'
import { holds } from '../property.ts'
import { thrownBy } from '../thrown.ts'

const limits = { maxBytes: 100_000, maxDepth: 16 }
const strict = (text: string): Json => parseStrict(utf8(text), limits)
const canonical = (text: string): Json => parseCanonical(utf8(text), limits)

describe('strict JSON', () => {
  const faults: readonly (readonly [string, ErrorCode])[] = [
    ['', 'E_JSON'],
    [' ', 'E_JSON'],
    ['{', 'E_JSON'],
    ['[1,]', 'E_JSON'],
    ['[1 2]', 'E_JSON'],
    ['[1', 'E_JSON'],
    ['{"a":1,}', 'E_JSON'],
    ['{"a" 1}', 'E_JSON'],
    ['{"a":1 "b":2}', 'E_JSON'],
    ['{a:1}', 'E_JSON'],
    ["'a'", 'E_JSON'],
    ['tru', 'E_JSON'],
    ['nul', 'E_JSON'],
    ['True', 'E_JSON'],
    ['NaN', 'E_JSON'],
    ['Infinity', 'E_JSON'],
    ['01', 'E_JSON'],
    ['1.', 'E_JSON'],
    ['.5', 'E_JSON'],
    ['+1', 'E_JSON'],
    ['1e', 'E_JSON'],
    ['0x10', 'E_JSON'],
    ['"', 'E_JSON'],
    ['"\\x"', 'E_JSON'],
    ['"\\u12g4"', 'E_JSON'],
    ['"a\nb"', 'E_JSON'],
    ['"a\tb"', 'E_JSON'],
    ['1 2', 'E_JSON'],
    ['{}x', 'E_JSON'],
    ['\ufeff{}', 'E_JSON'],
    ['\u00a01', 'E_JSON'],
    ['//x\n1', 'E_JSON'],
    ['{"a":1,"a":2}', 'E_DUPLICATE_KEY'],
    ['{"a":1,"\\u0061":2}', 'E_DUPLICATE_KEY'],
    ['[{"b":{"":1,"":1}}]', 'E_DUPLICATE_KEY'],
    ['{"__proto__":{}}', 'E_FORBIDDEN_KEY'],
    ['{"\\u005f_proto__":1}', 'E_FORBIDDEN_KEY'],
    ['{"a":{"constructor":1}}', 'E_FORBIDDEN_KEY'],
    ['[{"prototype":1}]', 'E_FORBIDDEN_KEY'],
    ['['.repeat(17) + ']'.repeat(17), 'E_TOO_DEEP'],
    ['{"a":'.repeat(17), 'E_TOO_DEEP'],
    ['['.repeat(50_000), 'E_TOO_DEEP'],
    [`"${' '.repeat(100_000)}"`, 'E_TOO_LARGE']
  ]

  it.each(faults.map(([text, code]) => [text.slice(0, 40), code, text] as const))('refuses %j: %s', (_, code, text) => {
    expect(thrownBy(() => strict(text))).toBe(code)
    expect(
      thrownBy(() => canonical(text)),
      'the canonical parser says the same'
    ).toBe(code)
  })

  it('EVENT-1: refuses bytes that are not UTF-8: E_UTF8', () => {
    expect(thrownBy(() => parseStrict(Uint8Array.of(0x22, 0xff, 0x22), limits))).toBe('E_UTF8')
    expect(thrownBy(() => parseCanonical(Uint8Array.of(0x22, 0xff, 0x22), limits))).toBe('E_UTF8')
  })

  it('says where the fault is', () => {
    expect(() => strict('{\n  "a": x\n}')).toThrow('at line 2, column 8')
    expect(() => strict('{"a":1,"a":2}')).toThrow('at line 1, column 8')
  })

  it('reads all that JSON.parse reads, and alike', () => {
    holds(
      property(jsonValue({ maxDepth: 5 }), (value) => {
        for (const text of [JSON.stringify(value), JSON.stringify(value, undefined, 3)]) {
          const code = thrownBy(() => strict(text))
          if (code === undefined) expect(strict(text)).toEqual(JSON.parse(text))
          else expect(code).toBe('E_FORBIDDEN_KEY')
        }
      })
    )
  })

  it('throws on arbitrary input nothing but its codes, and never where JSON.parse reads it otherwise', () => {
    const texts = string({ unit: string({ unit: 'binary', minLength: 1, maxLength: 1 }), maxLength: 30 })
    holds(property(uint8Array(), (bytes) => void thrownBy(() => parseStrict(bytes, limits))))
    holds(property(texts, (text) => void thrownBy(() => strict(text))))
    const jsonLike = string({ unit: string({ minLength: 1, maxLength: 1, unit: 'grapheme-ascii' }), maxLength: 12 })
    holds(
      property(jsonLike, (text) => {
        if (thrownBy(() => strict(text)) === undefined) expect(strict(text)).toEqual(JSON.parse(text))
      })
    )
  })

  it('reads a string of five million escapes, which would be too many for one regular expression', () => {
    const text = `"${'\\n'.repeat(5_000_000)}"`
    expect((parseStrict(utf8(text), { maxBytes: text.length, maxDepth: 1 }) as string).length).toBe(5_000_000)
  })
})

describe('canonical JSON', () => {
  it('EVENT-1: has ordered keys, shortest numbers and the escapes of RFC 8785', () => {
    // the examples of RFC 8785, sections 3.2.2 and 3.2.3
    const numbers = { numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001] }
    expect(canonicalize(numbers)).toBe('{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}')
    expect(canonicalize({ string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/' })).toBe(
      '{"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    const keys = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }
    expect([...canonicalize(keys).matchAll(/:(\d)/g)].map((match) => match[1]).join('')).toBe('2467153')
  })

  it('EVENT-1: comes back from its own text, and from no other spelling', () => {
    holds(
      property(jsonValue({ maxDepth: 5 }), (value) => {
        if (/"(?:__proto__|constructor|prototype)"/.test(JSON.stringify(value))) return
        const text = canonicalize(value as Json)
        expect(canonicalize(canonical(text))).toBe(text)
        expect(canonicalize(strict(JSON.stringify(value, undefined, 1)))).toBe(text)
        expect(thrownBy(() => canonical(` ${text}`))).toBe('E_NOT_CANONICAL')
      })
    )
  })

  it.each([
    '{"b":1,"a":2}',
    '{"9":1,"10":2}',
    '{"a": 1}',
    '1.0',
    '-0',
    '1e400',
    '10E1',
    '"\\/"',
    '"\\u0041"',
    '"\\u000F"',
    '"\\ud800"',
    '{"\\udfff":1}',
    '{"\\ud83d\\ude00":1}',
    '[1]\n',
    '9007199254740993'
  ])('EVENT-1: refuses %s: E_NOT_CANONICAL', (text) => {
    expect(thrownBy(() => canonical(text))).toBe('E_NOT_CANONICAL')
  })

  it.each(['{"10":1,"9":2}', '{"\\\\ud":1}', '""', '1e+21', '{"":[]}'])('takes %s', (text) => {
    expect(canonicalize(canonical(text))).toBe(text)
  })

  it('EVENT-4 EVENT-5: refuses what the fast path would hide', () => {
    expect(thrownBy(() => canonical('{"a":1,"a":1}'))).toBe('E_DUPLICATE_KEY')
    expect(thrownBy(() => canonical('{"__proto__":1}'))).toBe('E_FORBIDDEN_KEY')
    expect(thrownBy(() => canonical('['.repeat(17) + ']'.repeat(17)))).toBe('E_TOO_DEEP')
    expect(thrownBy(() => canonical('['.repeat(16) + ']'.repeat(16)))).toBeUndefined()
  })

  it('has no text for what JSON can not say', () => {
    expect(thrownBy(() => canonicalize(Number.NaN))).toBe('E_NOT_CANONICAL')
    expect(thrownBy(() => canonicalize([Number.POSITIVE_INFINITY]))).toBe('E_NOT_CANONICAL')
    expect(thrownBy(() => canonicalize({ '\ud800': 1 }))).toBe('E_NOT_CANONICAL')
  })

  it('throws on arbitrary bytes nothing but its codes', () => {
    holds(property(uint8Array(), (bytes) => void thrownBy(() => parseCanonical(bytes, limits))))
  })
})
