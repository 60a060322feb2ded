import { property, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  base64,
  checkpointText,
  emptyRoot,
  encodeNote,
  equal,
  logIdOf,
  maxTreeSize,
  originOf,
  parseCheckpoint,
  signCheckpoint,
  signNote,
  textOf,
  utf8,
  verifyCheckpoint
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const { log, signer, checkpoint } = sampleLog(5)
const origin = originOf(log)
const root = base64(checkpoint.root)
const parse = (text: string) => parseCheckpoint(encodeNote(signNote(text, origin, signer)))

describe('a checkpoint', () => {
  it('CHECKPOINT-1: is three lines, signed: origin, size, root', () => {
    const note = textOf(checkpoint.note)
    expect(note.split('\n').slice(0, 4)).toEqual([origin, '5', root, ''])
    expect(checkpointText(checkpoint)).toBe(`${origin}\n5\n${root}\n`)
    expect(note).toMatch(/\n\n\u2014 rejoin\/[a-z2-7]{52} [A-Za-z0-9+/]{91}=\n$/)
  })

  it('comes back from its bytes', () => {
    const verified = verifyCheckpoint(checkpoint.note, log, signer.publicKey)
    expect([verified.log, verified.size, base64(verified.root)]).toEqual([log, 5, root])
    expect(equal(verified.note, checkpoint.note)).toBe(true)
  })

  it.each([
    ['CHECKPOINT-1', ''],
    ['CHECKPOINT-1', origin],
    ['CHECKPOINT-1', `${origin}\n5`],
    ['CHECKPOINT-1', `\n${origin}\n5\n${root}`],
    ['CHECKPOINT-2', `${origin}\n5\n${root}\nextension`],
    ['CHECKPOINT-2', `${origin}\n5\n${root}\n`],
    ['CHECKPOINT-3', `example.org/log\n5\n${root}`],
    ['CHECKPOINT-3', `rejoin/\n5\n${root}`],
    ['CHECKPOINT-3', `${log}\n5\n${root}`],
    ['CHECKPOINT-3', `${origin.toUpperCase()}\n5\n${root}`],
    ['CHECKPOINT-3', `${origin}a\n5\n${root}`],
    ['CHECKPOINT-4', `${origin}\n05\n${root}`],
    ['CHECKPOINT-4', `${origin}\n\n${root}`],
    ['CHECKPOINT-4', `${origin}\n-5\n${root}`],
    ['CHECKPOINT-4', `${origin}\n5.0\n${root}`],
    ['CHECKPOINT-4', `${origin}\n 5\n${root}`],
    ['CHECKPOINT-4', `${origin}\n${maxTreeSize + 1}\n${root}`],
    ['CHECKPOINT-4', `${origin}\n${'9'.repeat(30)}\n${root}`],
    ['CHECKPOINT-5', `${origin}\n5\n`],
    ['CHECKPOINT-5', `${origin}\n5\n${root.slice(0, -1)}`],
    ['CHECKPOINT-5', `${origin}\n5\n${base64(new Uint8Array(31))}`],
    ['CHECKPOINT-5', `${origin}\n5\n${base64(new Uint8Array(33))}`],
    ['CHECKPOINT-5', `${origin}\n0\n${root}`]
  ])('%s: is not %j: E_CHECKPOINT', (_, text) => {
    expect(thrownBy(() => parse(`${text}\n`))).toBe('E_CHECKPOINT')
  })

  it('CHECKPOINT-4 CHECKPOINT-5: may be of the empty tree and of the largest', () => {
    expect(parse(`${origin}\n0\n${base64(emptyRoot)}\n`).size).toBe(0)
    expect(parse(`${origin}\n${maxTreeSize}\n${root}\n`).size).toBe(2 ** 40)
  })

  it('CHECKPOINT-3: of another log is E_ORIGIN', () => {
    expect(thrownBy(() => verifyCheckpoint(checkpoint.note, logIdOf(utf8('x')), signer.publicKey))).toBe('E_ORIGIN')
  })

  it('CHECKPOINT-6: by another key, or by the same key under another name, is E_SIGNATURE', () => {
    const verify = (note: Uint8Array) => thrownBy(() => verifyCheckpoint(note, log, signer.publicKey))
    expect(verify(checkpoint.note)).toBeUndefined()
    expect(verify(signCheckpoint(checkpoint, sampleSigner('other')).note)).toBe('E_SIGNATURE')
    expect(verify(encodeNote(signNote(checkpointText(checkpoint), 'other', signer)))).toBe('E_SIGNATURE')
  })

  it('of arbitrary bytes throws nothing but its codes, and with one changed byte it does not verify', () => {
    holds(property(uint8Array({ maxLength: 300 }), (bytes) => void thrownBy(() => parseCheckpoint(bytes))))
    holds(
      property(uint8Array({ minLength: 2, maxLength: 2 }), ([at, change]) => {
        const copy = Uint8Array.from(checkpoint.note)
        const place = (at as number) % copy.length
        copy[place] = (copy[place] as number) ^ (change || 1)
        expect(thrownBy(() => verifyCheckpoint(copy, log, signer.publicKey))).toBeDefined()
      })
    )
  })
})
