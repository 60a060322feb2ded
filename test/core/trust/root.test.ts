import { describe, expect, it } from 'vitest'
import {
  checkSuccession,
  encodeNote,
  parseCheckpoint,
  parseNote,
  type RootKeys,
  rootKeysOf,
  rootNoteText,
  signNote,
  signRootNote,
  textOf,
  type TrustFile,
  type TrustKey,
  utf8,
  verifyRootNote
} from '../../../src/core/index.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const signers = ['alice', 'bob', 'carol'].map(sampleSigner)
const [alice, bob, carol] = signers as [(typeof signers)[0], (typeof signers)[0], (typeof signers)[0]]
const root: RootKeys = {
  threshold: 2,
  keys: [
    { name: 'alice', publicKey: alice.publicKey },
    { name: 'bob', publicKey: bob.publicKey },
    { name: 'carol', publicKey: carol.publicKey }
  ]
}
const file = { name: 'site north', version: 7, digest: 'ab'.repeat(32) }

describe('TRUST-23 the signatures of a root', () => {
  it('are a signed note of name, version and digest', () => {
    const note = signRootNote(file, [alice, bob])
    const lines = textOf(note).split('\n')
    expect(lines.slice(0, 5)).toEqual(['rejoin/trust/v1', 'site north', '7', 'q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=', ''])
    expect(lines.slice(5, 7).every((line) => line.startsWith('\u2014 rejoin/trust '))).toBe(true)
    expect(lines).toHaveLength(8)
    expect(verifyRootNote(note, file, root)).toEqual(['alice', 'bob'])
    expect(verifyRootNote(signRootNote(file, [carol, alice, sampleSigner('stranger')]), file, root)).toEqual(['alice', 'carol'])
  })

  it('must be of as many root keys as the threshold says, each once', () => {
    expect(thrownBy(() => verifyRootNote(signRootNote(file, [alice]), file, root))).toBe('E_SIGNATURE')
    expect(thrownBy(() => verifyRootNote(signRootNote(file, [alice, sampleSigner('x')]), file, root))).toBe('E_SIGNATURE')
    expect(thrownBy(() => verifyRootNote(signRootNote(file, [alice, alice]), file, root))).toBe('E_NOTE')
    const { text, signatures } = parseNote(signRootNote(file, [alice, bob]))
    const [first, second] = signatures as [(typeof signatures)[0], (typeof signatures)[0]]
    const swapped = encodeNote({ text, signatures: [first, { ...second, signature: first.signature }] })
    expect(thrownBy(() => verifyRootNote(swapped, file, root))).toBe('E_SIGNATURE')
  })

  it.each([
    ['name', { ...file, name: 'site-south' }],
    ['version', { ...file, version: 8 }],
    ['bytes', { ...file, digest: 'ac'.repeat(32) }]
  ])('are of no file with another %s', (_, other) => {
    expect(thrownBy(() => verifyRootNote(signRootNote(file, [alice, bob]), other, root))).toBe('E_NOTE')
  })

  it('can be taken for no checkpoint, and no checkpoint for them', () => {
    expect(thrownBy(() => parseCheckpoint(signRootNote(file, [alice, bob])))).toBe('E_CHECKPOINT')
    expect(thrownBy(() => verifyRootNote(sampleLog(2).checkpoint.note, file, root))).toBe('E_NOTE')
    const otherName = encodeNote(signNote(rootNoteText(file), 'rejoin/other', alice))
    expect(thrownBy(() => verifyRootNote(otherName, file, { ...root, threshold: 1 }))).toBe('E_SIGNATURE')
    expect(thrownBy(() => verifyRootNote(utf8('garbage'), file, root))).toBe('E_NOTE')
  })

  it('count for keys that are valid and not revoked', () => {
    const key = (name: string, more: Partial<TrustKey> = {}): [string, TrustKey] => {
      const { publicKey } = sampleSigner(name)
      return [name, { name, did: name, publicKey, ...more }]
    }
    const keys = new Map([
      key('alice', { fromMs: 5 }),
      key('bob', { untilMs: 10 }),
      key('carol', { revokedFrom: [{ log: sampleLog(1).log, size: 9 }] })
    ])
    const names = (atMs: number): readonly string[] | undefined =>
      rootKeysOf({ keys, root: { threshold: 1, keys: ['alice', 'bob', 'carol'] } }, atMs)?.keys.map(({ name }) => name)
    expect([4, 5, 10].map(names)).toEqual([['bob'], ['alice', 'bob'], ['alice']])
    expect(rootKeysOf({ keys }, 5)).toBeUndefined()
  })
})

describe('TRUST-24 a file after another', () => {
  const before = { ...file, root: { threshold: 1, keys: ['alice'] } } as unknown as TrustFile
  const { root: _, ...bare } = before
  const told = (from: object, to: object): readonly string[] =>
    checkSuccession(from as TrustFile, to as TrustFile).map(
      ({ path, message, suggestion }) => `${path.join()}: ${message}; ${suggestion}`
    )

  it('has no lower version', () => {
    expect(told(bare, { ...bare, version: 6 })).toEqual(['version: version 6 is below 7, which is in force; write version: 8'])
    expect(told(bare, { ...bare, digest: 'cd'.repeat(32) })).toEqual([])
    expect(told(before, { ...before, version: 8, digest: 'cd'.repeat(32) })).toEqual([])
    expect(told(before, before)).toEqual([])
  })

  it('keeps root and name, and with a root each version is of one file', () => {
    expect(told(before, { ...bare, version: 8 })).toEqual(['root: root is gone, but the file in force has one; put root back'])
    expect(told(before, { ...before, version: 8, name: 'x' })).toEqual([
      'name: the file is called "x", but the one in force "site north"; a file with a root keeps its name'
    ])
    expect(told(before, { ...before, digest: 'cd'.repeat(32) })).toEqual([
      'version: another file of version 7 is in force; write version: 8 and sign it'
    ])
    expect(told(bare, { ...before, version: 8 })).toEqual([])
  })
})
