import { array, constant, integer, oneof, property, record, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AnswerSplitter, type BlobAnswer, blobAnswer, concat, frameOf, fromHex } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'

const anyAnswer = oneof(
  record({ kind: constant('header' as const), status: constant('here' as const), sizeBytes: integer({ min: 0, max: 2 ** 40 }) }),
  record({ kind: constant('piece' as const), bytes: uint8Array({ minLength: 1, maxLength: 300 }) }),
  record({ kind: constant('end' as const), count: integer({ min: 0 }), sizeBytes: integer({ min: 0, max: 2 ** 50 }) })
)

/** Returns answers with neighbouring pieces as one, in bytes of their own. */
function joined(answers: readonly BlobAnswer[]): readonly BlobAnswer[] {
  const whole: BlobAnswer[] = []
  for (const answer of answers) {
    const last = whole.at(-1)
    if (answer.kind === 'piece' && last?.kind === 'piece')
      whole[whole.length - 1] = { kind: 'piece', bytes: concat([last.bytes, answer.bytes]) }
    else whole.push(answer.kind === 'piece' ? { kind: 'piece', bytes: answer.bytes.slice() } : answer)
  }
  return whole
}

function split(bytes: Uint8Array, sizes: readonly number[]): readonly BlobAnswer[] {
  const splitter = new AnswerSplitter()
  const answers: BlobAnswer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number
    for (const answer of splitter.push(bytes.subarray(at, at + size)))
      answers.push(answer.kind === 'piece' ? { kind: 'piece', bytes: answer.bytes.slice() } : answer)
    at += size
  }
  splitter.finish()
  return joined(answers)
}

describe('answers', () => {
  test('come out as they went in, however the stream is cut (BLOB-9, BLOB-12)', () => {
    holds(
      property(
        array(anyAnswer, { maxLength: 20 }),
        array(integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 }),
        (answers, sizes) => {
          const bytes = concat(answers.map((answer) => blobAnswer.encodeFrame(answer)))
          expect(split(bytes, sizes)).toEqual(joined(answers))
        }
      )
    )
  })

  test('pieces of the sizes where a length takes a byte more', () => {
    for (const size of [1, 125, 126, 127, 128, 16_379, 16_380, 16_381, 16_383, 16_384, 262_143, 262_144]) {
      const piece: BlobAnswer = { kind: 'piece', bytes: new Uint8Array(size).fill(3) }
      expect(split(blobAnswer.encodeFrame(piece), [1000])).toEqual([piece])
    }
  })

  test('fields that are not known are skipped, in a piece as in a header (BLOB-10)', () => {
    const unknown = fromHex('1a03aabbcc') as Uint8Array
    for (const answer of [
      { kind: 'piece', bytes: new Uint8Array(500).fill(9) },
      { kind: 'header', status: 'absent', sizeBytes: 0 }
    ] as const) {
      const frame = frameOf(concat([blobAnswer.encode(answer), unknown]))
      for (const sizes of [[1], [7], [9999]]) expect(split(frame, sizes)).toEqual([answer])
    }
  })

  test('arbitrary bytes give answers or one of our errors (BLOB-10)', () => {
    holds(
      property(
        uint8Array({ maxLength: 300 }),
        array(integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 3 }),
        (bytes, sizes) => void thrownBy(() => split(bytes, sizes))
      )
    )
  })

  test('an empty frame, one that is too long, one that is cut off (BLOB-9, BLOB-10, BLOB-17)', () => {
    const code = (text: string): string | undefined => thrownBy(() => split(fromHex(text) as Uint8Array, [1]))
    expect([code('00'), code('ffffff0f'), code('8100'), code('04'), code('040a02'), code('0812060a04666f')]).toEqual([
      'E_FRAME',
      'E_TOO_LARGE',
      'E_FRAME',
      'E_GONE',
      'E_GONE',
      'E_GONE'
    ])
  })
})
