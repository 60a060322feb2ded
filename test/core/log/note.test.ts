import { base64String as base64Text, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { base64, encodeNote, parseKey, parseNote, signNote, textOf, utf8, verifyNote } from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleSigner } from '../sample.ts'

const signer = sampleSigner('note')
const name = 'example.org/log'
const signed = signNote('hello\n', name, signer)
const parse = (text: string): unknown => parseNote(utf8(text))
const line = `\u2014 ${name} ${base64(new Uint8Array(68))}\n`

describe('a signed note', () => {
  it('is the example of C2SP signed-note in Go, and verifies', () => {
    const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    const signature =
      '\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'
    const note = parseNote(utf8(`${text}\n${signature}`))
    expect(note.text).toBe(text)
    verifyNote(note, 'PeterNeumann', parseKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'))
  })

  it('comes back from its bytes, with several signatures and empty lines in its text', () => {
    const texts = string({ unit: string({ unit: 'grapheme', minLength: 1, maxLength: 1 }), maxLength: 20 })
    holds(
      property(texts, uint8Array({ minLength: 1, maxLength: 80 }), (part, signature) => {
        const text = `${part.replaceAll(/[\u0000-\u001f\u007f]/g, '\n')}\n\nend\n`
        const other = { name: 'w', keyId: Uint8Array.of(1, 2, 3, 4), signature }
        const note = { text, signatures: [...signNote(text, name, signer).signatures, other] }
        const bytes = encodeNote(note)
        expect(encodeNote(parseNote(bytes))).toEqual(bytes)
        expect(parseNote(bytes).text).toBe(text)
        verifyNote(parseNote(bytes), name, signer.publicKey)
      })
    )
  })

  it.each([
    '',
    'text',
    'text\n',
    'text\n\n',
    `text\n${line}`,
    `text\n\n${line}x`,
    `text\n\n${line.slice(0, -1)}`,
    `text\n\n${line}\n`,
    `text\n\n- ${name} ${base64(new Uint8Array(68))}\n`,
    `text\n\n\u2014  ${base64(new Uint8Array(68))}\n`,
    `text\n\n\u2014 a b ${base64(new Uint8Array(68))}\n`,
    `text\n\n\u2014 a+b ${base64(new Uint8Array(68))}\n`,
    `text\n\n\u2014 a ${base64(new Uint8Array(4))}\n`,
    'text\n\n\u2014 a AAAAAAA\n',
    'text\n\n\u2014 a AAAAAAAB==\n',
    `te\txt\n\n${line}`,
    `te\r\nxt\n\n${line}`,
    `te\u0000xt\n\n${line}`,
    `text\n\n${line.repeat(65)}`
  ])('CHECKPOINT-8: is not %j: E_NOTE', (text) => {
    expect(thrownBy(() => parse(text))).toBe('E_NOTE')
  })

  it('CHECKPOINT-8: is UTF-8, at most 16 KiB, with at most 64 signatures', () => {
    expect(thrownBy(() => parseNote(Uint8Array.of(0xff)))).toBe('E_UTF8')
    expect(thrownBy(() => parse('x'.repeat(16 * 1024 + 1)))).toBe('E_TOO_LARGE')
    expect(thrownBy(() => parse(`text\n\n${line.repeat(64)}`))).toBeUndefined()
  })

  it('CHECKPOINT-7: with signatures by others verifies, whatever these are worth', () => {
    const [own] = signed.signatures
    const strangers = [
      { name, keyId: Uint8Array.of(0, 0, 0, 0), signature: new Uint8Array(64) },
      { name: 'other', keyId: own?.keyId ?? new Uint8Array(4), signature: new Uint8Array(3) }
    ]
    verifyNote({ text: signed.text, signatures: [...strangers, ...signed.signatures] }, name, signer.publicKey)
  })

  it('CHECKPOINT-7: without a signature by that key, or with two of them, does not verify', () => {
    const verify = (note: typeof signed, under = name, key = signer.publicKey) => thrownBy(() => verifyNote(note, under, key))
    expect(verify({ ...signed, signatures: [] })).toBe('E_SIGNATURE')
    expect(verify(signed, 'other')).toBe('E_SIGNATURE')
    expect(verify(signed, name, sampleSigner('other').publicKey)).toBe('E_SIGNATURE')
    expect(verify({ ...signed, text: 'hallo\n' })).toBe('E_SIGNATURE')
    expect(verify({ ...signed, signatures: [...signed.signatures, ...signed.signatures] })).toBe('E_NOTE')
  })

  it('CHECKPOINT-6: with a flipped bit anywhere does not verify', () => {
    const bytes = encodeNote(signed)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const copy = Uint8Array.from(bytes)
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
      const code = thrownBy(() => verifyNote(parseNote(copy), name, signer.publicKey))
      expect(['E_NOTE', 'E_UTF8', 'E_SIGNATURE'], `bit ${bit}`).toContain(code)
    }
  })

  it('of arbitrary bytes throws nothing but its codes', () => {
    holds(property(uint8Array({ maxLength: 200 }), (bytes) => void thrownBy(() => parseNote(bytes))))
    holds(
      property(string({ maxLength: 30, unit: 'binary' }), base64Text(), (text, end) => {
        for (const part of [`${text}\n\n\u2014 a ${end}\n`, `text\n\n\u2014 ${text}\n`, `text\n\n${text}${line}`])
          thrownBy(() => parse(part))
      })
    )
    expect(textOf(encodeNote(signed))).toMatch(/^hello\n\n\u2014 example\.org\/log [A-Za-z0-9+/]{91}=\n$/)
  })
})
