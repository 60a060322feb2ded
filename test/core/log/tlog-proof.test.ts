import { array, integer, option, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  base64,
  encodeTlogProof,
  hex,
  leafHash,
  logIdOf,
  makeTlogProof,
  maxTreeSize,
  parseTlogProof,
  textOf,
  utf8,
  verifyTlogProof
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const sample = sampleLog(13)
const { log, signer, lines, read, checkpoint } = sample
const entry = lines[5] as Uint8Array
const expected = { log, key: signer.publicKey, entry }
const file = makeTlogProof(checkpoint, 5, read)
const text = textOf(file)

describe('a proof file', () => {
  it('PROOF-6: is the lines of C2SP tlog-proof, the checkpoint verbatim at the end', () => {
    expect(text.startsWith('c2sp.org/tlog-proof@v1\nindex 5\n')).toBe(true)
    const [head, ...rest] = text.split('\n\n')
    expect(head?.split('\n').length).toBe(2 + 4)
    expect(rest.join('\n\n')).toBe(textOf(checkpoint.note))
  })

  it('PROOF-6: of each entry of logs of many sizes verifies', () => {
    for (const size of [1, 2, 3, 5, 8, 13, 21]) {
      const other = sampleLog(size)
      for (let index = 0; index < size; index++) {
        const line = other.lines[index] as Uint8Array
        const bytes = makeTlogProof(other.checkpoint, index, other.read)
        const proven = verifyTlogProof(bytes, { log: other.log, key: other.signer.publicKey, entry: line })
        expect([proven.index, proven.checkpoint.size, hex(proven.leaf)]).toEqual([index, size, hex(leafHash(line))])
      }
    }
  })

  it('PROOF-6 PROOF-8: comes back from its bytes, also with extra data', () => {
    const hash = uint8Array({ minLength: 32, maxLength: 32 })
    const parts = [integer({ min: 0, max: maxTreeSize - 1 }), array(hash, { maxLength: 40 }), option(uint8Array())] as const
    holds(
      property(...parts, (index, path, extra) => {
        const proof = { index, path, checkpoint: checkpoint.note, ...(extra !== null && { extra }) }
        const bytes = encodeTlogProof(proof)
        expect(parseTlogProof(bytes)).toEqual(proof)
        expect(encodeTlogProof(parseTlogProof(bytes))).toEqual(bytes)
      })
    )
  })

  it('PROOF-8: is worth the same whatever its extra line says', () => {
    const extra = encodeTlogProof({ ...parseTlogProof(file), extra: utf8('believe me') })
    expect(verifyTlogProof(extra, expected).index).toBe(5)
  })

  it.each([
    ['', 'E_PROOF'],
    ['c2sp.org/tlog-proof@v1\nindex 5\n', 'E_PROOF'],
    [text.replace('@v1', '@v2'), 'E_PROOF'],
    [text.replace('index 5', 'index 05'), 'E_PROOF'],
    [text.replace('index 5', 'index -5'), 'E_PROOF'],
    [text.replace('index 5', 'index 5 '), 'E_PROOF'],
    [text.replace('index 5', `index ${maxTreeSize}`), 'E_PROOF'],
    [text.replace('index 5\n', ''), 'E_PROOF'],
    [text.replace('index 5\n', 'extra !\nindex 5\n'), 'E_PROOF'],
    [text.replace('index 5\n', 'extra\nindex 5\n'), 'E_PROOF'],
    [text.replace('index 5\n', 'extra AA==\nextra AA==\nindex 5\n'), 'E_PROOF'],
    [text.replace('index 5\n', 'index 5\nextra AA==\n'), 'E_PROOF'],
    [text.replace('index 5\n', `index 5\n${base64(new Uint8Array(31))}\n`), 'E_PROOF'],
    [text.replaceAll('\n', '\r\n'), 'E_PROOF'],
    [`\n${text}`, 'E_PROOF']
  ] as const)('PROOF-6: is not %.60j: %s', (other, code) => {
    expect(thrownBy(() => verifyTlogProof(utf8(other), expected))).toBe(code)
  })

  it('PROOF-7: has at most 64 KiB and 40 hashes', () => {
    expect(thrownBy(() => parseTlogProof(new Uint8Array(64 * 1024 + 1)))).toBe('E_TOO_LARGE')
    const path = Array.from({ length: 41 }, () => new Uint8Array(32))
    expect(thrownBy(() => parseTlogProof(encodeTlogProof({ index: 0, path, checkpoint: checkpoint.note })))).toBe('E_PROOF')
    expect(thrownBy(() => parseTlogProof(Uint8Array.of(0xff)))).toBe('E_UTF8')
  })

  it('PROOF-9: shows no other entry, index, log or key', () => {
    const verify = (changes: Partial<typeof expected>, bytes = file) =>
      thrownBy(() => verifyTlogProof(bytes, { ...expected, ...changes }))
    expect(verify({})).toBeUndefined()
    expect(verify({ entry: lines[6] as Uint8Array })).toBe('E_PROOF')
    expect(verify({ entry: Uint8Array.of(...entry, 10) })).toBe('E_PROOF')
    expect(verify({ log: logIdOf(utf8('x')) })).toBe('E_ORIGIN')
    expect(verify({ key: sampleSigner('other').publicKey })).toBe('E_SIGNATURE')
    expect(verify({}, utf8(text.replace('index 5', 'index 4')))).toBe('E_PROOF')
    expect(verify({}, utf8(text.replace('\n13\n', '\n12\n')))).toBe('E_SIGNATURE')
    expect(thrownBy(() => makeTlogProof(checkpoint, 13, read))).toBe('E_PROOF')
  })

  it('PROOF-9: with a flipped bit anywhere verifies no longer', () => {
    for (let bit = 0; bit < file.length * 8; bit++) {
      const copy = Uint8Array.from(file)
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(
        thrownBy(() => verifyTlogProof(copy, expected)),
        `bit ${bit}`
      ).toBeDefined()
    }
  })

  it('of arbitrary bytes throws nothing but its codes', () => {
    holds(property(uint8Array(), (bytes) => void thrownBy(() => verifyTlogProof(bytes, expected))))
    holds(
      property(string({ unit: 'binary' }), (part) => {
        thrownBy(() => verifyTlogProof(utf8(`c2sp.org/tlog-proof@v1\nindex 1\n${part}\n\n${part}`), expected))
        thrownBy(() => verifyTlogProof(utf8(`c2sp.org/tlog-proof@v1\n${part}\n\n`), expected))
      })
    )
  })
})
