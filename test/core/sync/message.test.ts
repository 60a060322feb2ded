import { array, bigInt, boolean, constantFrom, integer, oneof, option, property, record, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, RejoinError, type SyncMessage, syncMessage } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'

const bytes = (length: number) => uint8Array({ minLength: length, maxLength: length })
const some = (max: number) => uint8Array({ maxLength: max })
const number = oneof(integer({ min: 0 }), bigInt({ min: 0n, max: 2n ** 53n - 1n }).map(Number))
const head = record({ log: bytes(32), size: number, root: bytes(32), author: bytes(32), texts: number })
const patterns = option(record({ patterns: array(string({ maxLength: 20 }), { maxLength: 4 }) }), { nil: undefined })
const interest = record({
  authors: patterns,
  types: patterns,
  mediaTypes: patterns,
  artifactTypes: patterns,
  documentTypes: patterns,
  repositories: patterns
})
const range = record({ low: some(32), high: some(32), fingerprint: option(bytes(16), { nil: undefined }) })
const kind = <K extends string>(name: K) => constantFrom(name)

/** Any message of a sync session. */
const message = oneof(
  record({
    kind: kind('hello'),
    version: number,
    network: string({ maxLength: 16 }),
    node: bytes(32),
    store: bytes(16),
    seq: number,
    salt: bytes(16),
    interest: array(interest, { maxLength: 4 })
  }),
  record({ kind: kind('since'), store: option(bytes(16), { nil: undefined }), seq: number, logCount: number }),
  record({ kind: kind('urgent'), note: some(99), other: some(99) }),
  record({ kind: kind('changed'), heads: array(head, { maxLength: 5 }), last: boolean() }),
  record({ kind: kind('range'), ranges: array(range, { maxLength: 5 }) }),
  record({ kind: kind('want'), id: number, log: bytes(32), from: number, to: number, proof: boolean() }),
  record({ kind: kind('checkpoint'), id: number, note: some(99), cose: option(some(99), { nil: undefined }) }),
  record({ kind: kind('hashes'), id: number, tiles: some(99), edge: some(99), last: boolean() }),
  record({
    kind: kind('lines'),
    id: number,
    from: number,
    count: number,
    text: some(99),
    size: integer({ min: 0, max: 2 ** 20 }),
    narrowed: boolean()
  }),
  record({ kind: kind('end'), id: number, count: number, reason: integer({ min: 0, max: 2 }) }),
  record({ kind: kind('bye'), entries: number, complete: boolean() })
)

describe('sync frames', () => {
  it('SYNC-2: what was encoded is decoded the same', () => {
    holds(
      property(message, (value) => {
        expect(syncMessage.decode(syncMessage.encode(value as SyncMessage))).toEqual(value)
      })
    )
  })

  it('SYNC-3: arbitrary bytes are refused with a code, or are a message', () => {
    holds(
      property(uint8Array({ maxLength: 200 }), (junk) => {
        try {
          syncMessage.decode(junk)
        } catch (error) {
          expect(error).toBeInstanceOf(RejoinError)
        }
      })
    )
  })

  it('SYNC-3: a frame with a flipped or missing byte is refused with a code, or is another message', () => {
    holds(
      property(message, number, (value, at) => {
        const frame = syncMessage.encode(value as SyncMessage)
        for (const broken of [
          frame.with(at % frame.length, (frame[at % frame.length] as number) ^ 0x10),
          frame.slice(0, at % frame.length)
        ]) {
          try {
            syncMessage.decode(broken)
          } catch (error) {
            expect(codeOf(error)).toMatch(/^E_(?:FRAME|UTF8)$/)
          }
        }
      })
    )
  })

  it('SYNC-4: more heads than a frame may hold are refused', () => {
    const one = { log: new Uint8Array(32), size: 1, root: new Uint8Array(32), author: new Uint8Array(32), texts: 0 }
    const inner = syncMessage.encode({ kind: 'changed', heads: Array.from({ length: 1000 }, () => one), last: true })
    expect(syncMessage.decode(inner)).toMatchObject({ kind: 'changed', last: true })
    expect(() => syncMessage.encode({ kind: 'changed', heads: Array.from({ length: 1001 }, () => one), last: true })).toThrow(
      /bug/
    )
  })
})
