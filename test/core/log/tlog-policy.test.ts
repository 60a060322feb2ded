import { array, constantFrom, integer, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  cosign,
  cosignerOf,
  encodeVerifierKey,
  isQuorum,
  mlDsaCosignerOf,
  mlDsaSignerOf,
  originOf,
  parseNote,
  parseTlogPolicy,
  quorumOf,
  RejoinError,
  textOf,
  vkeyOf,
  withCosignatures
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const { log, signer, checkpoint } = sampleLog(5)
const cosigners = ['w1', 'w2', 'w3', 'w4', 'w5'].map((name) => cosignerOf(sampleSigner(name)))
const lines = cosigners.map(({ key }, i) => `witness w${i + 1} ${encodeVerifierKey(key)}\n`)
const defined = lines.join('')
const startMs = 1_795_000_000_000
const noteWith = (...minutes: readonly (number | undefined)[]) =>
  parseNote(
    withCosignatures(
      checkpoint,
      signer.publicKey,
      minutes.flatMap((minute, i) => {
        const cosigner = cosigners[i]
        return minute === undefined || cosigner === undefined ? [] : [cosign(checkpoint, cosigner, startMs + minute * 60_000)]
      })
    ).note
  )
const problemOf = (text: string): { readonly at: string | undefined; readonly message: string } => {
  try {
    parseTlogPolicy(text)
  } catch (error) {
    if (error instanceof RejoinError) return { at: error.at, message: error.message }
    throw error
  }
  throw new Error('the policy was taken')
}

describe('a tlog policy', () => {
  it('WITNESS-9: comes with the example of C2SP tlog-policy', () => {
    const policy = parseTlogPolicy(`log ${vkeyOf(originOf(log), signer.publicKey)}

${lines[0]}${lines[1]}${lines[2]}group X-witnesses 2 w1 w2 w3

${lines[3]}${lines[4]}group Y-witnesses any w4 w5

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`)
    expect(policy.logs.map(({ name }) => name)).toEqual([originOf(log)])
    expect([...policy.witnesses.keys()]).toEqual(['w1', 'w2', 'w3', 'w4', 'w5'])
    expect(policy.groups.get('X-and-Y')).toEqual({ name: 'X-and-Y', threshold: 2, members: ['X-witnesses', 'Y-witnesses'] })
    const met = (...names: readonly string[]) => isQuorum(policy, new Set(names))
    expect([met('w1', 'w3', 'w5'), met('w1', 'w5'), met('w1', 'w2', 'w3'), met()]).toEqual([true, false, false, false])
  })

  it.each([
    ['\nwitnesses\nquorum none\n', 'line 2', /"witnesses" is none of log, witness, group, quorum/],
    [`${lines[0]}quorum w2\n`, 'line 2', /"w2" is not defined above/],
    [`${lines[0]}${lines[0]?.replace('w1', 'w2')}quorum w1\n`, 'line 2', /the witness "w2" has the key of "w1"/],
    [`${defined}group g 2 w1 w1\nquorum g\n`, 'line 6', /"w1" is a member of a group twice/],
    [`${defined}group g 01 w1\nquorum g\n`, 'line 6', /the threshold "01"/],
    [`${defined}group g constructor w1\nquorum g\n`, 'line 6', /the threshold "constructor"/],
    [`${defined}group w1 any w2\nquorum w1\n`, 'line 6', /"w1" is defined twice/],
    ['witness w\nquorum w\n', 'line 1', /a witness line is/],
    ['witness w x\nquorum w\n', 'line 1', /malformed verifier key/],
    [`${lines[0]?.trim()} nowhere\nquorum w1\n`, 'line 1', /no URL/],
    [`${lines[0]?.trim()} https://a.example more\nquorum w1\n`, 'line 1', /a witness line is/],
    ['log\nquorum none\n', 'line 1', /a log line is/],
    [`log ${vkeyOf('a', signer.publicKey)}\nlog ${vkeyOf('b', signer.publicKey)}\nquorum none\n`, 'line 2', /is there twice/],
    ['quorum\n', 'line 1', /a quorum line is/],
    ['quorum none none\n', 'line 1', /a quorum line is/],
    ['quorum \u0001\n', 'line 1', /a control character/],
    ['', undefined, /there is no quorum line/]
  ] as const)('WITNESS-9: %j is refused at %s', (text, at, message) => {
    const problem = problemOf(text)
    expect(problem.at).toBe(at)
    expect(problem.message).toMatch(message)
    expect(problem.message.length).toBeLessThan(200)
  })

  it('WITNESS-9: has names of any letters, and only blanks and tabs between items', () => {
    const text = `witness ノ\u00a0ード ${encodeVerifierKey(cosigners[0]?.key ?? never())}\nquorum ノ\u00a0ード\n`
    expect([...parseTlogPolicy(text).witnesses.keys()]).toEqual(['ノ\u00a0ード'])
  })

  it('WITNESS-9: of 32 logs, witnesses with ML-DSA-44 keys and groups is taken, one over the limits is not', () => {
    const logs = Array.from({ length: 32 }, (_, i) => `log ${vkeyOf(`log${i}`, sampleSigner(`log ${i}`).publicKey)}\n`)
    const many = Array.from({ length: 32 }, (_, i) => {
      const { key } = mlDsaCosignerOf(mlDsaSignerOf(new Uint8Array(32).fill(i)))
      return `witness w${i} ${encodeVerifierKey(key)}\ngroup g${i} any w${i}\n`
    })
    const policy = parseTlogPolicy(`${logs.join('')}${many.join('')}quorum g31\n`)
    expect([policy.logs.length, policy.witnesses.size, policy.groups.size]).toEqual([32, 32, 32])
    expect(thrownBy(() => parseTlogPolicy('#'.repeat(256 * 1024 + 1)))).toBe('E_TOO_LARGE')
    const chain = Array.from({ length: 1100 }, (_, i) => `group g${i + 1} any ${i === 0 ? 'w1' : `g${i}`}\n`)
    expect(problemOf(`${lines[0]}${chain.join('')}quorum g1100\n`).message).toMatch(/more than 1024 definitions/)
  })

  it('WITNESS-9: of arbitrary text throws nothing but its codes', () => {
    const word = constantFrom(
      'log',
      'witness',
      'group',
      'quorum',
      'none',
      'all',
      'any',
      '2',
      ' ',
      '\n',
      '\t',
      '#',
      'w1',
      lines[0] ?? ''
    )
    holds(property(array(word, { maxLength: 30 }), (words) => void thrownBy(() => parseTlogPolicy(words.join(' ')))))
    holds(property(string({ unit: 'binary' }), (text) => void thrownBy(() => parseTlogPolicy(text))))
    holds(property(uint8Array(), (bytes) => void thrownBy(() => parseTlogPolicy(textOf(bytes.map((byte) => byte & 127))))))
  })
})

function never(): never {
  throw new Error('bug')
}

describe('a quorum', () => {
  const policy = parseTlogPolicy(`${defined}group g 3 w1 w2 w3 w4 w5\nquorum g\n`)

  it('WITNESS-10: is met by any k of n, and its time is that of the last one needed', () => {
    const minutes = array(integer({ min: 0, max: 100 }), { minLength: 5, maxLength: 5 })
    const present = array(integer({ min: 0, max: 1 }), { minLength: 5, maxLength: 5 })
    holds(
      property(minutes, present, (times, bits) => {
        const given = times.map((time, i) => (bits[i] === 1 ? time : undefined))
        const { met, names, newestMs, quorumMs } = quorumOf(policy, noteWith(...given))
        const sorted = given.filter((time) => time !== undefined).toSorted((a, b) => b - a)
        expect(names).toEqual(given.flatMap((time, i) => (time === undefined ? [] : [`w${i + 1}`])))
        expect(met).toBe(sorted.length >= 3)
        expect(newestMs).toBe(sorted[0] === undefined ? 0 : startMs + sorted[0] * 60_000)
        expect(quorumMs).toBe(met ? startMs + (sorted[2] ?? 0) * 60_000 : 0)
      })
    )
  })

  it('WITNESS-11: one witness with a clock far ahead makes no quorum newer', () => {
    const { newestMs, quorumMs } = quorumOf(policy, noteWith(1, 2, 3, 4, 5_000_000))
    expect(newestMs).toBe(startMs + 5_000_000 * 60_000)
    expect(quorumMs).toBe(startMs + 3 * 60_000)
  })

  it('WITNESS-10: of a policy with logs is met for these logs alone, with their signature', () => {
    const listed = parseTlogPolicy(`log ${vkeyOf(originOf(log), signer.publicKey)}\n${defined}quorum w1\n`)
    const { text, signatures } = noteWith(0)
    expect(quorumOf(listed, { text, signatures }).met).toBe(true)
    const unsigned = signatures.filter(({ name }) => name !== originOf(log))
    expect(quorumOf(listed, { text, signatures: unsigned })).toMatchObject({ met: false, names: ['w1'] })
    const asWitness = encodeVerifierKey(cosigners[0]?.key ?? never())
    const own = parseTlogPolicy(`log ${asWitness}\nquorum none\n`)
    expect(quorumOf(own, { text, signatures }).met).toBe(false)
    const origin = cosignerOf(sampleSigner('w5'), originOf(log))
    const cosigned = parseTlogPolicy(`log ${encodeVerifierKey(origin.key)}\nquorum none\n`)
    expect(quorumOf(cosigned, { text, signatures: [cosign(checkpoint, origin, startMs).line] }).met).toBe(true)
  })
})
