import { array, bigInt, integer, property, shuffledSubarray, subarray, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  base64,
  checkCosignable,
  type Checkpoint,
  checkpointText,
  claimedCosignatures,
  concat,
  consistencyPath,
  type Cosignature,
  type Cosigner,
  cosign,
  cosignedMessage,
  cosignerNameOf,
  cosignerOf,
  emptyRoot,
  encodeNote,
  encodeVerifierKey,
  fromBase64,
  hex,
  keyIdOf,
  maxNoteBytes,
  mlDsaCosignerOf,
  mlDsaSignerOf,
  type Note,
  originOf,
  parseCosignerKey,
  parseNote,
  sha256,
  signCheckpoint,
  textOf,
  utf8,
  verifiedCosignatures,
  verifyCheckpoint,
  verifyMlDsa,
  vkeyOf,
  withCosignatures
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const { log, signer, checkpoint } = sampleLog(5)
const text = checkpointText(checkpoint)
const nowMs = 1_795_000_000_789
const timeS = 1_795_000_000
const witness = cosignerOf(sampleSigner('witness'))
const other = cosignerOf(sampleSigner('other witness'), 'example.org/w')
const pq = mlDsaCosignerOf(mlDsaSignerOf(sha256(utf8('pq'))), 'example.org/pq')
const all = [witness, other, pq]
const keys = all.map(({ key }) => key)
const cosigned = (...given: readonly Cosignature[]) => withCosignatures(checkpoint, signer.publicKey, given)
const noteWith = (...given: readonly Cosignature[]): Note => parseNote(cosigned(...given).note)
const times = (note: Note, of = keys) => verifiedCosignatures(note, of).map(({ timeMs }) => timeMs)

describe('a cosignature', () => {
  it.each(all)('WITNESS-1: by $key.name verifies, at a whole second', (cosigner: Cosigner) => {
    const one = cosign(checkpoint, cosigner, nowMs)
    expect(one.timeMs).toBe(timeS * 1000)
    const [found, ...more] = verifiedCosignatures(noteWith(one), [cosigner.key])
    expect(found && [found.key, found.timeMs, hex(found.line.signature)]).toEqual([one.key, one.timeMs, hex(one.line.signature)])
    expect(more).toEqual([])
    expect(times(noteWith(one), keys)).toEqual([timeS * 1000])
  })

  it('WITNESS-1: by an Ed25519 key is over cosignature/v1, the time and the text', () => {
    const message = cosignedMessage(text, witness.key, timeS)
    expect(textOf(message)).toBe(`cosignature/v1\ntime ${timeS}\n${text}`)
    const { signature } = cosign(checkpoint, witness, nowMs).line
    expect(hex(signature.subarray(0, 8))).toBe(timeS.toString(16).padStart(16, '0'))
    expect(hex(signature.subarray(8))).toBe(hex(sampleSigner('witness').sign(message)))
  })

  it('WITNESS-3: by an ML-DSA-44 key is over the structure cosigned_message', () => {
    const message = cosignedMessage(text, pq.key, timeS)
    const time = timeS.toString(16).padStart(16, '0')
    const origin = originOf(log)
    const expected = [
      hex(utf8('subtree/v1\n\0')),
      ...['0e', hex(utf8('example.org/pq')), time, origin.length.toString(16), hex(utf8(origin))],
      ...['0'.repeat(16), '5'.padStart(16, '0'), hex(checkpoint.root)]
    ]
    expect(hex(message)).toBe(expected.join(''))
    const { signature } = cosign(checkpoint, pq, nowMs).line
    expect(signature.length).toBe(8 + 2420)
    expect(verifyMlDsa(pq.key.publicKey, message, signature.subarray(8))).toBe(true)
    const long = mlDsaCosignerOf(mlDsaSignerOf(sha256(utf8('pq'))), 'x'.repeat(256))
    expect(thrownBy(() => cosign(checkpoint, long, nowMs))).toBe('E_NOTE')
  })

  it('WITNESS-3: refuses to spell a message over what is no checkpoint', () => {
    for (const wrong of ['', 'x\n', 'x\n01\n', `x\n5\n${base64(new Uint8Array(31))}\n`, `\n5\n${base64(new Uint8Array(32))}\n`])
      expect(
        thrownBy(() => cosignedMessage(wrong, pq.key, 1)),
        wrong
      ).toBe('E_CHECKPOINT')
  })

  it('WITNESS-2: has the key ID of its type, so that one key of two types is two', () => {
    for (const { key } of all) expect(key.keyId).toEqual(keyIdOf(key.name, key.type, key.publicKey))
    expect(hex(keyIdOf('x', 1, witness.key.publicKey))).not.toBe(hex(keyIdOf('x', 4, witness.key.publicKey)))
  })

  it('WITNESS-2: names its witness by a verifier key of type 4 or 6', () => {
    for (const { key } of all) expect(parseCosignerKey(encodeVerifierKey(key))).toEqual(key)
    const vkey = encodeVerifierKey(witness.key)
    expect(thrownBy(() => parseCosignerKey(vkeyOf('x', signer.publicKey)))).toBe('E_KEY')
    expect(thrownBy(() => parseCosignerKey(vkey.replace('rejoin', 'rejoyn')))).toBe('E_KEY')
    expect(thrownBy(() => parseCosignerKey(`${vkey}A`))).toBe('E_KEY')
    expect(thrownBy(() => parseCosignerKey('x'.repeat(5000)))).toBe('E_KEY')
    expect(thrownBy(() => parseCosignerKey(''))).toBe('E_KEY')
    const short = { ...pq.key, publicKey: pq.key.publicKey.slice(1) }
    const shortId = keyIdOf(short.name, 6, short.publicKey)
    expect(thrownBy(() => parseCosignerKey(encodeVerifierKey({ ...short, keyId: shortId })))).toBe('E_KEY')
    const low = new Uint8Array(32)
    expect(
      thrownBy(() =>
        parseCosignerKey(encodeVerifierKey({ ...witness.key, publicKey: low, keyId: keyIdOf(witness.key.name, 4, low) }))
      )
    ).toBe('E_KEY')
    expect(thrownBy(() => cosignerOf(signer, 'two words'))).toBe('E_KEY')
  })

  it('WITNESS-4: has a name that is its key', () => {
    expect(witness.key.name).toBe(cosignerNameOf(witness.key.publicKey))
    expect(witness.key.name).toMatch(/^rejoin\/witness\/[a-z2-7]{52}$/)
  })

  it('WITNESS-1: comes with the note of C2SP tlog-cosignature as an example', () => {
    const example = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`
    const note = parseNote(utf8(example))
    const [claimed, ...more] = claimedCosignatures(note)
    expect(more).toEqual([])
    expect([claimed?.name, claimed?.algorithm, claimed?.timeMs]).toEqual(['witness.example.com/w1', 'ed25519', 1_679_315_147_000])
    expect(textOf(cosignedMessage(note.text, witness.key, 1_679_315_147))).toBe(
      `cosignature/v1\ntime 1679315147\n${example.slice(0, example.indexOf('\n\n') + 1)}`
    )
  })

  it('WITNESS-6: leaves the checkpoint valid and within a note, alone and with many others', () => {
    const many = Array.from({ length: 40 }, (_, i) => cosign(checkpoint, cosignerOf(sampleSigner(`w ${i}`)), nowMs))
    const { note } = cosigned(...many)
    expect(note.length).toBeLessThanOrEqual(maxNoteBytes)
    const { size, root } = verifyCheckpoint(note, log, signer.publicKey)
    expect([size, hex(root)]).toEqual([5, hex(checkpoint.root)])
    expect(
      verifiedCosignatures(
        parseNote(note),
        many.map(({ key }) => key)
      ).length
    ).toBe(40)
    const four = [1, 2, 3, 4].map((i) => cosign(checkpoint, mlDsaCosignerOf(mlDsaSignerOf(sha256(Uint8Array.of(i)))), nowMs))
    expect(verifyCheckpoint(cosigned(...four).note, log, signer.publicKey).size).toBe(5)
    expect(thrownBy(() => cosigned(...four, cosign(checkpoint, pq, nowMs)))).toBe('E_TOO_LARGE')
    const tooMany = Array.from({ length: 64 }, (_, i) => cosign(checkpoint, cosignerOf(sampleSigner(`w ${i}`), `w${i}`), nowMs))
    expect(thrownBy(() => cosigned(...tooMany))).toBe('E_NOTE')
  })

  it('WITNESS-7: joins others in one way, whatever came first, and only the newest of a witness stays', () => {
    const drawn = array(integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 8 })
    holds(
      property(drawn, integer(), (offsets, seed) => {
        const given = offsets.map((offset, i) =>
          cosign(checkpoint, all[(i + Math.abs(seed)) % 2] as Cosigner, nowMs + offset * 1000)
        )
        const whole = cosigned(...given).note
        expect(cosigned(...given.toReversed()).note).toEqual(whole)
        expect(cosigned(...given, ...given).note).toEqual(whole)
        const parts = [given.slice(0, 2), given.slice(2)].map((part) => verifiedCosignatures(noteWith(...part), keys))
        expect(cosigned(...parts.flat()).note).toEqual(whole)
        for (const { key, timeMs } of verifiedCosignatures(parseNote(whole), keys))
          expect(timeMs).toBe(Math.max(...given.filter((one) => one.key === key).map((one) => one.timeMs)))
      })
    )
    holds(
      property(shuffledSubarray(all), subarray(all), (a, b) => {
        const [x, y] = [a, b].map((some) => some.map((one) => cosign(checkpoint, one, nowMs)))
        const names = verifiedCosignatures(noteWith(...(x ?? []), ...(y ?? [])), keys).map(({ key }) => key.name)
        expect(new Set(names)).toEqual(new Set([...a, ...b].map(({ key }) => key.name)))
      })
    )
  })

  it('WITNESS-7: takes with it no line of anybody else', () => {
    const junk = { name: originOf(log), keyId: Uint8Array.of(1, 2, 3, 4), signature: new Uint8Array(64) }
    const { text: body, signatures } = parseNote(checkpoint.note)
    const note = encodeNote({ text: body, signatures: [junk, ...signatures, { ...junk, name: 'x' }] })
    const dirty = verifyCheckpoint(note, log, signer.publicKey)
    expect(withCosignatures(dirty, signer.publicKey, []).note).toEqual(checkpoint.note)
  })

  it('WITNESS-5: with a flipped bit anywhere in its line, or another text, counts no longer', () => {
    for (const cosigner of [witness, pq]) {
      const { line } = cosign(checkpoint, cosigner, nowMs)
      const count = cosigner === pq ? 300 : line.signature.length * 8
      for (let i = 0; i < count; i++) {
        const bit = cosigner === pq ? (i * 6151) % (line.signature.length * 8) : i
        const signature = Uint8Array.from(line.signature)
        signature[bit >> 3] = (signature[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(times({ text, signatures: [{ ...line, signature }] }), `bit ${bit}`).toEqual([])
      }
      const longer = checkpointText({ ...checkpoint, size: 6 })
      expect(times({ text: longer, signatures: [line] })).toEqual([])
      expect(times({ text, signatures: [line] })).toEqual([timeS * 1000])
      for (const cut of [0, 7, 8, 63, 71])
        expect(times({ text, signatures: [{ ...line, signature: line.signature.slice(0, cut) }] })).toEqual([])
    }
  })

  it('WITNESS-5: is found beside a line that does not verify, and one that claims an impossible time', () => {
    const good = cosign(checkpoint, witness, nowMs).line
    const forged = { ...good, signature: concat([Uint8Array.of(0, 0, 0, 0xff), good.signature.subarray(4)]) }
    const absurd = { ...good, signature: concat([new Uint8Array(8).fill(0xff), good.signature.subarray(8)]) }
    expect(times({ text, signatures: [forged, absurd, good] })).toEqual([timeS * 1000])
    expect(claimedCosignatures({ text, signatures: [absurd] })).toEqual([])
  })

  it('WITNESS-5: of arbitrary bytes throws nothing', () => {
    holds(
      property(uint8Array({ maxLength: 100 }), bigInt({ min: 0n, max: 2n ** 64n - 1n }), (bytes, time) => {
        const at = fromBase64(base64(concat([new Uint8Array(8), bytes]))) as Uint8Array
        new DataView(at.buffer).setBigUint64(0, time)
        const signatures = all.map(({ key }) => ({ name: key.name, keyId: key.keyId, signature: at }))
        expect(times({ text, signatures })).toEqual([])
        claimedCosignatures({ text, signatures })
      })
    )
  })

  it('is given at second 0 by a clock that is before 1970', () => {
    expect(cosign(checkpoint, witness, -5).timeMs).toBe(0)
  })
})

describe('a witness', () => {
  const logs = [0, 3, 5, 9].map((size) => sampleLog(size === 0 ? 1 : size))
  const headOf = (size: number) =>
    size === 0 ? signCheckpoint({ log, size: 0, root: emptyRoot }, signer) : sampleLog(size).checkpoint
  const allowed = (from: number | undefined, to: Checkpoint, path: readonly Uint8Array[]) =>
    thrownBy(() => checkCosignable(from === undefined ? undefined : headOf(from), to, path))

  it('WITNESS-8: cosigns what goes on from what it cosigned last', () => {
    expect(logs.map((one) => one.log)).toEqual([log, log, log, log])
    expect(allowed(undefined, headOf(5), [])).toBeUndefined()
    for (const [from, to] of [
      [3, 5],
      [3, 9],
      [5, 9],
      [4, 8]
    ] as const)
      expect(allowed(from, headOf(to), consistencyPath(from, to, sampleLog(to).read)), `${from} ${to}`).toBeUndefined()
    expect(allowed(5, headOf(5), [])).toBeUndefined()
    expect(allowed(0, headOf(5), [])).toBeUndefined()
  })

  it('WITNESS-8: cosigns nothing smaller, of another tree or of another log, and nothing without proof', () => {
    expect(allowed(5, headOf(3), [])).toBe('E_PROOF')
    expect(allowed(5, headOf(0), [])).toBe('E_PROOF')
    expect(allowed(3, headOf(5), [])).toBe('E_PROOF')
    expect(allowed(3, headOf(5), consistencyPath(2, 5, sampleLog(5).read))).toBe('E_PROOF')
    const forked = { log, root: new Uint8Array(32) }
    expect(allowed(5, signCheckpoint({ ...forked, size: 5 }, signer), [])).toBe('E_FORK')
    expect(allowed(5, signCheckpoint({ ...forked, size: 6 }, signer), consistencyPath(5, 6, sampleLog(6).read))).toBe('E_PROOF')
    expect(allowed(5, sampleLog(6, 'another writer').checkpoint, [])).toBe('E_ORIGIN')
  })
})

describe('ML-DSA-44', () => {
  it('WITNESS-3: makes of the seed 00…1f the key of the example in RFC 9881', () => {
    const { publicKey } = mlDsaSignerOf(Uint8Array.from({ length: 32 }, (_, i) => i))
    expect(publicKey.length).toBe(1312)
    expect(hex(publicKey.subarray(0, 32))).toBe('d7b2b47254aae0db45e7930d4a98d2c97d8f1397d1789dafa17024b316e9bec9')
    expect(thrownBy(() => mlDsaSignerOf(new Uint8Array(31)))).toBe('E_KEY')
  })

  it('WITNESS-3: refuses keys and signatures of another length', () => {
    const own = mlDsaSignerOf(new Uint8Array(32))
    const signature = own.sign(text8)
    expect(verifyMlDsa(own.publicKey, text8, signature)).toBe(true)
    expect(verifyMlDsa(own.publicKey, utf8('x'), signature)).toBe(false)
    expect(verifyMlDsa(own.publicKey, text8, signature.subarray(1))).toBe(false)
    expect(verifyMlDsa(own.publicKey.slice(1), text8, signature)).toBe(false)
  })
})

const text8 = utf8(text)

describe('a checkpoint without cosignatures', () => {
  it('WITNESS-6: is what the writer signed', () => {
    expect(cosigned().note).toEqual(signCheckpoint(checkpoint, signer).note)
  })
})
