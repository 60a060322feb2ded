import { array, boolean, constantFrom, integer, property, record, uniqueArray } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rangesOf, Schedule } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'

describe('who brings which chunk', () => {
  test('sources get different items, in order', () => {
    const schedule = new Schedule(10)
    expect(schedule.take('a', 4)).toEqual([0, 1, 2, 3])
    expect(schedule.take('b', 4)).toEqual([4, 5, 6, 7])
    expect(schedule.take('a', 4)).toEqual([8, 9])
  })

  test('a source that goes away: its items go to others', () => {
    const schedule = new Schedule(4)
    schedule.take('a', 4)
    schedule.finish(1)
    schedule.release('a')
    expect(schedule.take('b', 9)).toEqual([0, 2, 3])
  })

  test('a source that lacks an item is not given it again; nobody else does: it stays missing', () => {
    const schedule = new Schedule(2)
    for (const item of schedule.take('a', 2)) schedule.giveBack('a', item, { cannot: true })
    expect(schedule.take('a', 2)).toEqual([])
    expect(schedule.mayTakeLater('a')).toBe(false)
    expect(schedule.mayTakeLater('b')).toBe(true)
    expect(schedule.take('b', 1)).toEqual([0])
    schedule.finish(0)
    expect([schedule.leftCount, schedule.isDone(0), schedule.isDone(1)]).toEqual([1, true, false])
  })

  test('a slow source: who is done takes over a few of its last items, once', () => {
    const schedule = new Schedule(32)
    schedule.take('slow', 32)
    expect(schedule.take('fast', 16)).toEqual([30, 31])
    expect(schedule.take('third', 16)).toEqual([28, 29])
    schedule.finish(30)
    expect(schedule.finish(30)).toBe(false)
    expect(schedule.take('fast', 8)).toEqual([27])
  })

  test('whatever sources do, what is done stays done, and a source without faults can always bring the rest', () => {
    const anyStep = record({
      source: constantFrom('a', 'b', 'c'),
      act: constantFrom('take' as const, 'bring' as const, 'lack' as const, 'leave' as const),
      count: integer({ min: 1, max: 5 })
    })
    holds(
      property(integer({ min: 0, max: 20 }), array(anyStep, { maxLength: 60 }), (itemCount, steps) => {
        const schedule = new Schedule(itemCount)
        const held = new Map<string, number[]>()
        const done = new Set<number>()
        for (const { source, act, count } of steps) {
          const items = held.get(source) ?? []
          if (act === 'take') {
            const taken = schedule.take(source, count)
            for (const item of taken) expect(done.has(item) || items.includes(item)).toBe(false)
            held.set(source, [...items, ...taken])
          } else if (act === 'leave') {
            schedule.release(source)
            held.delete(source)
          } else {
            for (const item of items.splice(0, count)) {
              if (act === 'lack') schedule.giveBack(source, item, { cannot: true })
              else expect(schedule.finish(item)).toBe(!done.has(item))
              if (act === 'bring') done.add(item)
            }
          }
          expect(schedule.leftCount).toBe(itemCount - done.size)
        }
        for (const source of held.keys()) schedule.release(source)
        for (let items = schedule.take('good', 7); items.length > 0; items = schedule.take('good', 7))
          for (const item of items) schedule.finish(item)
        expect(schedule.leftCount).toBe(0)
      })
    )
  })

  test('an item is asked of two sources only where nobody lacks a fresh one, and never of three', () => {
    const anyStep = record({
      source: constantFrom('a', 'b', 'c', 'd'),
      act: constantFrom('take' as const, 'take' as const, 'bring' as const, 'return' as const, 'leave' as const),
      cannot: boolean(),
      count: integer({ min: 1, max: 9 })
    })
    holds(
      property(integer({ min: 1, max: 40 }), array(anyStep, { maxLength: 80 }), (itemCount, steps) => {
        const schedule = new Schedule(itemCount)
        const held = new Map<string, Set<number>>()
        const lacking = new Map<string, Set<number>>()
        const done = new Set<number>()
        const holdersOf = (item: number): number => [...held.values()].filter((items) => items.has(item)).length
        for (const { source, act, cannot, count } of steps) {
          const mine = held.get(source) ?? new Set<number>()
          held.set(source, mine)
          const lacks = lacking.get(source) ?? new Set<number>()
          lacking.set(source, lacks)
          if (act === 'leave') {
            schedule.release(source)
            mine.clear()
          } else if (act === 'take') {
            const all = Array.from({ length: itemCount }, (_, item) => item).filter((item) => !done.has(item) && !lacks.has(item))
            const fresh = all.filter((item) => holdersOf(item) === 0)
            const taken = schedule.take(source, count)
            if (fresh.length > 0) expect(taken).toEqual(fresh.slice(0, count))
            else {
              // at most an eighth of what was asked for comes twice
              expect(taken.length).toBeLessThanOrEqual(Math.ceil(count / 8))
              for (const item of taken) expect([holdersOf(item), mine.has(item), lacks.has(item)]).toEqual([1, false, false])
            }
            for (const item of taken) mine.add(item)
          } else {
            for (const item of [...mine].slice(0, count)) {
              mine.delete(item)
              if (act === 'return') {
                schedule.giveBack(source, item, { cannot })
                if (cannot && !done.has(item)) lacks.add(item)
              } else {
                schedule.finish(item)
                done.add(item)
                for (const items of held.values()) items.delete(item)
              }
            }
          }
        }
      })
    )
  })

  test('what an interrupted fetch left is not asked for again: one source brings exactly the rest, in order', () => {
    holds(
      property(
        integer({ min: 0, max: 200 }).chain((itemCount) =>
          record({
            itemCount: integer({ min: itemCount, max: itemCount }),
            here: uniqueArray(integer({ min: 0, max: Math.max(0, itemCount - 1) }), { maxLength: itemCount }),
            batch: integer({ min: 1, max: 70 })
          })
        ),
        ({ itemCount, here, batch }) => {
          const schedule = new Schedule(itemCount)
          for (const item of here) expect(schedule.finish(item)).toBe(true)
          const rest = schedule.missing()
          expect(rest).toEqual(Array.from({ length: itemCount }, (_, item) => item).filter((item) => !here.includes(item)))
          const asked: number[] = []
          for (let items = schedule.take('a', batch); items.length > 0; items = schedule.take('a', batch)) {
            asked.push(...items)
            for (const item of items) schedule.finish(item)
          }
          expect(asked).toEqual(rest)
          expect([schedule.leftCount, schedule.missing().length, schedule.mayTakeLater('b')]).toEqual([0, 0, false])
        }
      )
    )
  })

  test('ranges are the items, none longer than asked for', () => {
    holds(
      property(uniqueArray(integer({ min: 0, max: 100 })), integer({ min: 1, max: 10 }), (items, maxCount) => {
        const sorted = items.toSorted((a, b) => a - b)
        const ranges = rangesOf(sorted, maxCount)
        expect(ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i))).toEqual(sorted)
        for (const { count } of ranges) expect(count).toBeLessThanOrEqual(maxCount)
      })
    )
  })

  test('items become ranges', () => {
    expect(rangesOf([], 4)).toEqual([])
    expect(rangesOf([0, 1, 2, 5, 6, 7, 8, 9], 4)).toEqual([
      { first: 0, count: 3 },
      { first: 5, count: 4 },
      { first: 9, count: 1 }
    ])
  })
})
