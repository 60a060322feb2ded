import { array, constantFrom, integer, property, record, shuffledSubarray, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Closing,
  closedLogOf,
  closingNameOf,
  closingText,
  encodeEvent,
  encodeNote,
  type Hlc,
  hex,
  leafHash,
  type LogId,
  logIdOf,
  maxTreeSize,
  nextKeyDigest,
  openedEvent,
  originOf,
  parseCheckpoint,
  parseClosing,
  signClosing,
  signNote,
  standingOf,
  type Succeeds,
  textOf,
  utf8,
  verifyCheckpoint,
  verifyClosing,
  verifyNote,
  verifySuccessor
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const sample = sampleLog(9)
const { log, signer } = sample
const opened = sample.lines[0] as Uint8Array
const next = sampleSigner('next')
const rootAt = (size: number): Uint8Array => sampleLog(size).tree.root()
const stamp = { id: '0123456789abcdef'.repeat(2), time: '2026-11-20T10:00:00.000Z', hlc: '0193a4c2f1d80002' as Hlc }
const freshKey = nextKeyDigest(sampleSigner('fresh').publicKey)
const opening = (by = next, succeeds?: Succeeds): Uint8Array =>
  encodeEvent(openedEvent({ publicKey: by.publicKey, nextKey: freshKey, name: 'next', ...(succeeds && { succeeds }) }, stamp))
const place = { log, size: 7, root: rootAt(7) }
const successorLine = opening(next, place)
const successor = logIdOf(successorLine)
const sign = (size: number, named?: LogId) =>
  signClosing(opened, { size, root: rootAt(size), ...(named !== undefined && { successor: named }) }, next)
const closing = sign(7, successor)

describe('a closing', () => {
  it('CLOSING-1: is a note of these lines', () => {
    const [text, signature] = textOf(closing.note).split('\n\n')
    expect(`${text}\n`).toBe(closingText(closing))
    const lines = text?.split('\n')
    expect(lines?.map((line) => line.split(' ')[0])).toEqual([`rejoin/closing/${log}`, '7', lines?.[2], 'next', 'successor'])
    expect(signature?.startsWith(`\u2014 rejoin/closing/${log} `)).toBe(true)
  })

  it('CLOSING-2: verifies with the first line of the log alone, and comes back from its bytes', () => {
    const sized = record({ size: integer({ min: 2, max: maxTreeSize }), root: uint8Array({ minLength: 32, maxLength: 32 }) })
    holds(
      property(sized, constantFrom(undefined, successor), ({ size, root }, named) => {
        const made = signClosing(opened, { size, root, ...(named !== undefined && { successor: named }) }, next)
        const read = verifyClosing(made.note, opened)
        expect([read.log, read.size, hex(read.root), read.successor]).toEqual([log, size, hex(root), named])
        expect(encodeNote(parseClosing(made.note).parsed)).toEqual(made.note)
        expect(closingText(parseClosing(made.note))).toBe(closingText(made))
      })
    )
  })

  it('CLOSING-2: is not made by the key of the log, nor by any other that the log did not commit to', () => {
    const at = { size: 7, root: rootAt(7) }
    for (const thief of [signer, sampleSigner('thief')]) expect(thrownBy(() => signClosing(opened, at, thief))).toBe('E_KEY')
    const text = closingText(closing)
    const forged = encodeNote(signNote(text, closingNameOf(log), signer))
    expect(thrownBy(() => verifyClosing(forged, opened))).toBe('E_SIGNATURE')
  })

  it('CLOSING-2: is of its own log only', () => {
    const other = sampleLog(2, 'another writer').lines[0] as Uint8Array
    expect(thrownBy(() => verifyClosing(closing.note, other))).toBe('E_ORIGIN')
    expect(thrownBy(() => verifyClosing(closing.note, sample.lines[1] as Uint8Array))).toBe('E_OPENED')
  })

  it('CLOSING-3: leaves at least the first entry, which gives the log its ID', () => {
    expect(thrownBy(() => signClosing(opened, { size: 0, root: new Uint8Array(32) }, next))).toBe('E_NOTE')
    expect(thrownBy(() => signClosing(opened, { size: 1, root: new Uint8Array(32) }, next))).toBe('E_NOTE')
    expect(signClosing(opened, { size: 1, root: leafHash(opened) }, next).size).toBe(1)
    expect(thrownBy(() => signClosing(opened, { size: maxTreeSize + 1, root: rootAt(7) }, next))).toBe('E_NOTE')
  })

  it('CLOSING-2: with a flipped bit anywhere does not verify', () => {
    const { note } = closing
    for (let bit = 0; bit < note.length * 8; bit++) {
      const copy = Uint8Array.from(note)
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(
        thrownBy(() => verifyClosing(copy, opened)),
        `bit ${bit}`
      ).toBeDefined()
    }
  })

  it('CLOSING-1: of arbitrary bytes throws nothing but its codes', () => {
    const text = textOf(closing.note)
    holds(property(uint8Array(), (bytes) => void thrownBy(() => verifyClosing(bytes, opened))))
    holds(
      property(string({ unit: 'binary' }), integer({ min: 0, max: text.length }), (part, at) => {
        thrownBy(() => verifyClosing(utf8(`${text.slice(0, at)}${part}${text.slice(at)}`), opened))
        thrownBy(() => verifyClosing(utf8(`rejoin/closing/${log}\n${part}\n\n\u2014 x AAAAAAAA\n`), opened))
      })
    )
  })

  it('CLOSING-4 CHECKPOINT-11: is no checkpoint, and no checkpoint by the same key is a closing', () => {
    expect(thrownBy(() => parseCheckpoint(closing.note))).toBe('E_CHECKPOINT')
    expect(thrownBy(() => verifyCheckpoint(closing.note, log, next.publicKey))).toBe('E_CHECKPOINT')
    expect(thrownBy(() => parseClosing(sample.checkpoint.note))).toBe('E_NOTE')
    const { parsed } = parseClosing(closing.note)
    expect(thrownBy(() => verifyNote(parsed, originOf(log), next.publicKey))).toBe('E_SIGNATURE')
  })
})

describe('the successor of a closed log', () => {
  it('CLOSING-6: is by the next key, and names where the log ends', () => {
    expect(verifySuccessor(closing, successorLine).succeeds?.size).toBe(7)
    const verify = (line: Uint8Array, of: Closing = sign(7)) => thrownBy(() => verifySuccessor(of, line))
    expect(verify(successorLine)).toBeUndefined()
    expect(verify(opening(signer, place))).toBe('E_OPENED')
    expect(verify(opening(next))).toBe('E_OPENED')
    expect(verify(opening(next, { ...place, size: 6 }))).toBe('E_OPENED')
    expect(verify(opening(next, { ...place, root: rootAt(6) }))).toBe('E_OPENED')
    expect(verify(opening(next, { ...place, log: successor }))).toBe('E_OPENED')
    expect(verify(successorLine, sign(7, logIdOf(utf8('another'))))).toBe('E_OPENED')
    expect(verify(successorLine, sign(6))).toBe('E_OPENED')
  })
})

describe('the end of a closed log', () => {
  const all: readonly Closing[] = [
    sign(7),
    closing,
    sign(7, logIdOf(utf8('another'))),
    sign(5),
    sign(5, successor),
    sign(8),
    signClosing(opened, { size: 5, root: rootAt(6) }, next)
  ]
  const shown = (closings: readonly Closing[]) => {
    const { closings: kept = [], root = new Uint8Array(0), ...rest } = closedLogOf(closings) ?? {}
    return { ...rest, root: hex(root), kept: kept.map(({ note }) => hex(note)) }
  }

  it('CLOSING-7: is the smallest size that any closing names, whatever came first', () => {
    expect(closedLogOf([])).toBeUndefined()
    holds(
      property(shuffledSubarray([...all], { minLength: 1 }), integer({ min: 0, max: 7 }), (some, cut) => {
        const whole = closedLogOf(some)
        expect(whole?.size).toBe(Math.min(...some.map(({ size }) => size)))
        expect(shown(some.toReversed())).toEqual(shown(some))
        expect(shown([...some, ...some])).toEqual(shown(some))
        const parts = [some.slice(0, cut), some.slice(cut)].flatMap((part) => closedLogOf(part)?.closings ?? [])
        expect(shown(parts)).toEqual(shown(some))
        expect(whole?.closings.length).toBe(whole?.conflict === true ? 2 : 1)
      })
    )
  })

  it('CLOSING-8: names its successor later without a conflict, but not another place or another successor', () => {
    expect(closedLogOf([sign(7), closing])).toMatchObject({ size: 7, conflict: false, successor })
    expect(closedLogOf([closing, sign(7, logIdOf(utf8('another')))])).toMatchObject({ size: 7, conflict: true })
    expect(closedLogOf([closing, sign(5)])).toMatchObject({ size: 5, conflict: true })
    for (const other of [sign(5, successor), sign(7, logIdOf(utf8('another')))])
      expect(closedLogOf([closing, other])).not.toHaveProperty('successor')
    const foreign: Closing = { ...closing, log: successor }
    expect(() => closedLogOf([closing, foreign])).toThrow('bug: closings of several logs')
  })

  it('CLOSING-5: voids what is at or beyond it, and asks for proof of what is below', () => {
    holds(
      property(integer({ min: 0, max: 20 }), array(constantFrom(rootAt(7), rootAt(6)), { maxLength: 1 }), (index, [root]) => {
        const expected = root === undefined ? 'unproven' : hex(root) === hex(rootAt(7)) ? 'good' : 'disputed'
        expect(standingOf(closing, index, root)).toBe(index >= 7 ? 'void' : expected)
      })
    )
  })
})
