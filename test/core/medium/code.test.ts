import { array, bigInt, integer, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  codeOfFrontier,
  codeOfWords,
  type FrontierLine,
  frontierOfCode,
  type LogId,
  nearestCode,
  sha256,
  utf8,
  wordsOfCode
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'

const line = (log: string, size: number): FrontierLine => ({ log: log as LogId, size, root: sha256(utf8(`${log} ${size}`)) })
const sent = [
  [line('a', 3), line('b', 5)],
  [line('a', 10), line('b', 5), line('c', 7)],
  [line('a', 20), line('b', 9), line('c', 7)]
]

describe('the code of a frontier', () => {
  test('is six words, and a misheard one is noticed nearly always (ONEWAY-4)', () => {
    let noticed = 0
    holds(
      property(
        bigInt({ min: 0n, max: (1n << 60n) - 1n }),
        integer({ min: 0, max: 5 }),
        integer({ min: 1, max: 2047 }),
        (value, at, by) => {
          const words = wordsOfCode(value)
          expect(words).toHaveLength(6)
          expect(codeOfWords(words)).toBe(value)
          if (codeOfWords(words.map((word, i) => (i === at ? (word + by) % 2048 : word))) === undefined) noticed++
        }
      )
    )
    expect(noticed).toBeGreaterThan(40)
  })

  test('does not depend on the order of logs, and any size and root counts (ONEWAY-4)', () => {
    const [first = [], second = []] = sent
    expect(codeOfFrontier(second)).toBe(codeOfFrontier(second.toReversed()))
    expect(codeOfFrontier(first)).not.toBe(codeOfFrontier(second))
    expect(codeOfFrontier([{ ...line('a', 3), root: sha256(utf8('x')) }])).not.toBe(codeOfFrontier([line('a', 3)]))
  })

  test('stands for what was sent, also where a log is older there or was not let in (ONEWAY-5)', () => {
    for (const frontier of sent) expect(frontierOfCode(codeOfFrontier(frontier), sent)).toEqual(frontier)
    const mixed = [line('a', 10), line('c', 7)]
    expect(frontierOfCode(codeOfFrontier(mixed), sent)).toEqual(mixed)
    expect(frontierOfCode(codeOfFrontier([line('a', 11)]), sent)).toBeUndefined()
    expect(frontierOfCode(0n, [])).toBeUndefined()
    holds(
      property(array(bigInt({ min: 1n, max: (1n << 60n) - 1n }), { maxLength: 3 }), (values) => {
        for (const value of values) expect(frontierOfCode(value, sent)).toBeUndefined()
      })
    )
  })

  test('one or two misheard words are found by what was sent (ONEWAY-6)', () => {
    const words = wordsOfCode(codeOfFrontier(sent[1] ?? []))
    expect(
      nearestCode(
        words.map((word, i) => (i === 2 ? word ^ 1 : word)),
        sent
      )
    ).toEqual({ words, differs: [2] })
    expect(
      nearestCode(
        words.map((word) => word ^ 1),
        sent
      )
    ).toBeUndefined()
  })
})
