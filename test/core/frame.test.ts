import { array, integer, property, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, FrameSplitter, frameOf } from '../../src/core/index.ts'
import { holds } from '../property.ts'
import { thrownBy } from '../thrown.ts'

/** Cuts bytes at the given distances, again and again. */
function cut(bytes: Uint8Array, sizes: readonly number[]): readonly Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let at = 0, i = 0; at < bytes.length; at += sizes[i++ % sizes.length] as number)
    parts.push(bytes.subarray(at, at + (sizes[i % sizes.length] as number)))
  return parts
}

describe('frames', () => {
  test('come out as they went in, however the stream is cut (BLOB-9)', () => {
    holds(
      property(
        array(uint8Array({ maxLength: 300 })),
        array(integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 }),
        (bodies, sizes) => {
          const splitter = new FrameSplitter(300)
          const found: Uint8Array[] = []
          for (const part of cut(concat(bodies.map(frameOf)), sizes))
            for (const frame of splitter.push(part)) found.push(frame.slice())
          expect(found).toEqual(bodies)
          splitter.end()
        }
      )
    )
  })

  test('one that is too long is refused from its length alone (BLOB-9)', () => {
    const splitter = new FrameSplitter(200)
    expect([...splitter.push(Uint8Array.of(...frameOf(new Uint8Array(200))))]).toHaveLength(1)
    expect(thrownBy(() => [...splitter.push(Uint8Array.of(201, 1))])).toBe('E_TOO_LARGE')
  })

  test('a length that is not in its shortest form, or over 2^53 - 1, is refused (BLOB-9)', () => {
    for (const bytes of [[0x81, 0], Array<number>(8).fill(255)])
      expect(thrownBy(() => [...new FrameSplitter(10).push(Uint8Array.from(bytes))])).toBe('E_FRAME')
  })

  test('a stream that ends inside a frame was cut off (BLOB-17)', () => {
    for (const bytes of [[0x82], [2, 7]]) {
      const splitter = new FrameSplitter(300)
      expect([...splitter.push(Uint8Array.from(bytes))]).toEqual([])
      expect(thrownBy(() => splitter.end())).toBe('E_GONE')
    }
  })
})
