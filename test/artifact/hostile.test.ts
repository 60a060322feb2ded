import { describe, expect, it } from 'vitest'
import { recognise, type Recognised } from '../../src/artifact/index.ts'
import { areUnique, newNumbering } from '../../src/artifact/schema-unique.ts'
import { type Json, utf8 } from '../../src/core/index.ts'

const of = (text: string): Recognised => recognise(utf8(text))
const codes = ({ warnings }: Recognised): readonly string[] => warnings.map(({ code }) => code)
const bomOf = (components: string): Recognised => of(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[${components}]}`)
const library = (name: string | number): string => `{"type":"library","name":"${name}"}`

// each is done within a second or two, also where others keep the machine busy
describe('ARTIFACT-3: a hostile document keeps nobody busy', { timeout: 12_000 }, () => {
  it('with empty items, each of them a fault', () => {
    // 16 s when every fault of 43,000 was looked for
    for (const count of [43_000, 300_000]) expect(codes(bomOf(`${'{},'.repeat(count)}{}`))).toEqual(['W_SCHEMA'])
    expect(codes(bomOf(`${'{},'.repeat(4000)}{}`))).toHaveLength(10)
  })

  it('with items that must differ', () => {
    const many = Array.from({ length: 20_000 }, (_, i) => library(i))
    expect(codes(bomOf(many.join()))).toEqual([])
    expect(codes(bomOf([...many, library(0)].join()))).toEqual(['W_SCHEMA'])
  })

  it('with items that must differ inside of items that must differ', () => {
    // 17 s when the text of each was written out
    let components = Array.from({ length: 60_000 }, (_, i) => library(i)).join()
    for (let depth = 0; depth < 50; depth++)
      components = `${library(depth)},${library('x').slice(0, -1)},"components":[${components}]}`
    expect(codes(bomOf(components))).toEqual([])
  })

  it('with long texts', () => {
    expect(codes(bomOf(library('x'.repeat(5_000_000))))).toEqual(['W_NOT_CHECKED'])
    const cpe = `cpe:2.3:a:${'a?'.repeat(1_000_000)}`
    const helper = JSON.stringify({ full_product_names: [{ product_identification_helper: { cpe } }] })
    expect(of(`{"document":{"csaf_version":"2.0"},"product_tree":${helper}}`).format).toBe('csaf')
  })

  it('with a million elements of XML', () => {
    const text = `<bom xmlns="http://cyclonedx.org/schema/bom/1.6">${'<a/>'.repeat(1_000_000)}</bom>`
    expect(of(text)).toMatchObject({ format: 'cyclonedx', warnings: [] })
  })
})

describe('areUnique', () => {
  const long = 'x'.repeat(100)
  it.each<[boolean, readonly Json[]]>([
    [true, []],
    [true, [1]],
    [true, [1, '1', true, null, 'true', 'null', [], {}, [1], ['1'], { a: 1 }, { a: '1' }, [[]], [{}]]],
    [true, [[1, 2], [2, 1], ['1,2'], [[1, 2]], { a: 1, b: 2 }, { a: 2, b: 1 }, { 'a":1,"b': 2 }]],
    [true, ['#0', '#1', [long], ['#0'], [long, long], long]],
    [false, [1, 2, 1.0]],
    [false, [0, -0]],
    [false, [long, 1, long]],
    [false, [{ a: [long, { b: 1, c: 2 }] }, { a: [long, { c: 2, b: 1 }] }]],
    [false, [[], []]]
  ])('is %s of %j', (unique, items) => {
    expect(areUnique(items, newNumbering())).toBe(unique)
  })
})
