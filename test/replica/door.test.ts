import { describe, expect, it } from 'vitest'
import type { LogId } from '../../src/core/index.ts'
import { Door } from '../../src/replica/door.ts'

const log = (n: number): LogId => `log ${n}` as LogId
const peer = (n: number): Uint8Array => Uint8Array.of(n)
const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i)

describe('the door', () => {
  it('BINDING-15 looks into 32 logs of a peer at once, and then into one each 2 seconds', () => {
    const door = new Door()
    const looks = (from: number, atMs: number): number =>
      numbers(100).filter((n) => door.mayLook(log(from + n), 5, peer(1), atMs)).length
    expect(looks(0, 0)).toBe(32)
    expect(looks(100, 0)).toBe(0)
    expect(looks(100, 2000)).toBe(1)
    expect(looks(200, 10_000)).toBe(4)
  })

  it('BINDING-15 looks into no more than so many of all peers together', () => {
    const door = new Door()
    const looked = numbers(100).flatMap((p) => numbers(10).filter((n) => door.mayLook(log(p * 10 + n), 5, peer(p), 0)))
    expect(looked).toHaveLength(256)
    expect(door.mayLook(log(5000), 5, peer(200), 0)).toBe(false)
    expect(door.mayLook(log(5000), 5, peer(200), 250)).toBe(true)
  })

  it('BINDING-15 looks into a log again only once it has more entries, and never once it had 16', () => {
    const door = new Door()
    expect(door.mayLook(log(1), 0, peer(1), 0)).toBe(false)
    expect(door.mayLook(log(1), 5, peer(1), 0)).toBe(true)
    door.shut(log(1), 5)
    expect(door.mayLook(log(1), 5, peer(2), 0)).toBe(false)
    expect(door.mayLook(log(1), 6, peer(1), 0)).toBe(true)
    door.shut(log(1), 100)
    expect(door.mayLook(log(1), 10_000, peer(1), 0)).toBe(false)
    door.forget()
    expect(door.mayLook(log(1), 10_000, peer(1), 0)).toBe(true)
  })

  it('BINDING-15 remembers of which side a log was put off, once', () => {
    const door = new Door()
    for (const n of numbers(33)) door.mayLook(log(n), 5, peer(1), 0)
    expect([door.tookPutOff(peer(2)), door.tookPutOff(peer(1)), door.tookPutOff(peer(1))]).toEqual([false, true, false])
  })
})
