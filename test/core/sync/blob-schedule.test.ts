import { array, constantFrom, integer, property, record } from 'fast-check'
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

  test('items become ranges', () => {
    expect(rangesOf([], 4)).toEqual([])
    expect(rangesOf([0, 1, 2, 5, 6, 7, 8, 9], 4)).toEqual([
      { first: 0, count: 3 },
      { first: 5, count: 4 },
      { first: 9, count: 1 }
    ])
  })
})
