import { integer, property, shuffledSubarray, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  claimedUrgentLog,
  type Closing,
  closedLogOf,
  closedRecord,
  concat,
  cosign,
  cosignerOf,
  encodeForkProof,
  encodeNote,
  equal,
  forkRecord,
  logIdOf,
  makeSizeForkProof,
  maxUrgentBytes,
  parseForkProof,
  parseNote,
  sha256,
  signCheckpoint,
  signClosing,
  utf8,
  verifyForkProof,
  verifyUrgent,
  withCosignatures
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const { log, signer, lines } = sampleLog(9)
const opened = lines[0] as Uint8Array
const next = sampleSigner('next')
const closingAt = (size: number): Closing => signClosing(opened, { size, root: sampleLog(size).tree.root() }, next)
const headOf = (mark: string) => signCheckpoint({ log, size: 5, root: sha256(utf8(mark)) }, signer)
const proof = makeSizeForkProof(opened, headOf('one'), headOf('other'))

describe('an urgent record', () => {
  it('URGENT-1: is a fork proof, or closings with the first line of their log', () => {
    const closed = closedRecord(opened, [closingAt(7)])
    expect(closed.bytes).toEqual(concat([utf8('rejoin/closed/v1\n'), opened, utf8('\n\n'), closingAt(7).note]))
    expect(verifyUrgent(closed.bytes)).toEqual(closed)
    expect(verifyUrgent(proof)).toMatchObject({ kind: 'fork', log, bytes: proof, fork: { atIndex: 4, exact: false } })
    for (const bytes of [closed.bytes, proof]) expect(claimedUrgentLog(bytes)).toBe(log)
    const two = closedRecord(opened, [closingAt(7), closingAt(5), closingAt(6)])
    expect(verifyUrgent(two.bytes)).toMatchObject({ kind: 'closed', closings: [{ size: 5 }, { size: 6 }] })
    const cases: readonly [Uint8Array, string][] = [
      [utf8('rejoin/closed/v2\nx\n'), 'E_NOTE'],
      [concat([utf8('rejoin/closed/v1\n'), opened, utf8('\n')]), 'E_NOTE'],
      [concat([closed.bytes, utf8('\n'), closed.bytes]), 'E_NOTE'],
      [new Uint8Array(maxUrgentBytes + 1), 'E_TOO_LARGE'],
      [
        concat([utf8('rejoin/closed/v1\n'), sampleLog(2, 'other').lines[0] as Uint8Array, utf8('\n\n'), closingAt(7).note]),
        'E_ORIGIN'
      ]
    ]
    for (const [bytes, code] of cases) expect(thrownBy(() => verifyUrgent(bytes))).toBe(code)
  })

  it('URGENT-1: a flipped byte proves nothing', () => {
    for (const bytes of [closedRecord(opened, [closingAt(7), closingAt(5)]).bytes, proof])
      holds(
        property(integer({ min: 0, max: bytes.length - 1 }), integer({ min: 1, max: 255 }), (at, mask) => {
          const flipped = Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ mask : byte))
          expect(thrownBy(() => verifyUrgent(flipped))).toMatch(/^E_/)
        })
      )
    holds(
      property(uint8Array({ maxLength: 300 }), (bytes) => {
        expect(thrownBy(() => verifyUrgent(bytes))).toMatch(/^E_/)
      })
    )
  })

  it('URGENT-2: loses every signature that was not verified', () => {
    const { text, signatures } = parseNote(closingAt(7).note)
    const stranger = { name: 'example.org/stranger', keyId: new Uint8Array(4), signature: new Uint8Array(64) }
    const closing = { ...closingAt(7), note: encodeNote({ text, signatures: [stranger, ...signatures] }) }
    expect(closedRecord(opened, [closing]).bytes).toEqual(closedRecord(opened, [closingAt(7)]).bytes)
    const witness = cosignerOf(sampleSigner('witness'))
    const parsed = parseForkProof(proof)
    const heads = verifyForkProof(proof).heads.map(
      (head) => withCosignatures(head, signer.publicKey, [cosign(head, witness, 0)]).note
    )
    const longer = encodeForkProof({ ...parsed, notes: heads as [Uint8Array, Uint8Array] })
    expect(longer.length).toBeGreaterThan(proof.length)
    expect(forkRecord(verifyForkProof(longer)).bytes).toEqual(proof)
  })

  it('URGENT-3: comes to the same whatever came first', () => {
    const all = [2, 5, 7, 9].map(closingAt)
    holds(
      property(shuffledSubarray(all, { minLength: 1 }), shuffledSubarray(all), (first, second) => {
        const closings = [...first, ...second]
        const { bytes } = closedRecord(opened, closings)
        const merged = verifyUrgent(closedRecord(opened, first).bytes)
        const again = closedRecord(opened, [...(merged.kind === 'closed' ? merged.closings : []), ...second])
        expect(equal(again.bytes, bytes)).toBe(true)
        expect(closedLogOf(closings)?.size).toBe(Math.min(...closings.map(({ size }) => size)))
      })
    )
    expect(logIdOf(opened)).toBe(log)
  })
})
