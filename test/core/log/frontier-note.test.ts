import { describe, expect, it } from 'vitest'
import {
  base64,
  encodeNote,
  type Frontier,
  frontierPath,
  isNewerFrontier,
  keyOfNodePath,
  nodePathOf,
  parseNote,
  signFrontier,
  signNote,
  textOf,
  utf8,
  verifyFrontier
} from '../../../src/core/index.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const signer = sampleSigner('node')
const heads = ['a', 'b', 'c'].map((name) => sampleLog(2, name).checkpoint)
const given = { network: 'lab', store: '0123456789abcdef0123456789abcdef', seq: 7, time: '2026-11-20T10:00:00.000Z', heads }
const bytes = signFrontier(given, signer)
const name = `rejoin/frontier/v1/${nodePathOf(signer.publicKey)}`

/** The frontier with another text, signed by its node. */
const signed = (change: (text: string) => string): Uint8Array => encodeNote(signNote(change(parseNote(bytes).text), name, signer))

describe('a signed frontier', () => {
  it('comes back as it was, sorted (FRONTIER-6)', () => {
    const frontier = verifyFrontier(bytes)
    expect(frontier).toMatchObject({ network: 'lab', store: given.store, seq: 7, time: given.time })
    expect(frontier.heads.map(({ log, size, root }) => `${log} ${size} ${base64(root)}`)).toEqual(
      heads.map(({ log, size, root }) => `${log} ${size} ${base64(root)}`).toSorted()
    )
    expect(frontierPath(signer.publicKey)).toBe(`frontiers/${nodePathOf(signer.publicKey)}`)
    expect(keyOfNodePath(nodePathOf(signer.publicKey))).toEqual(signer.publicKey)
  })

  it.each<readonly [string, (text: string) => string, string]>([
    ['that does not begin as one', (text) => text.replace('frontier/v1', 'frontier/v2'), 'E_NOTE'],
    [
      'with another spelling of its key',
      (text) => text.replace(/did:key:\S+/, Buffer.from(signer.publicKey).toString('hex')),
      'E_NOTE'
    ],
    ['without a store', (text) => text.replace(`${given.store} 7`, '7'), 'E_NOTE'],
    ['with a number that has a leading zero', (text) => text.replace(' 7\n', ' 07\n'), 'E_NOTE'],
    ['with a malformed time', (text) => text.replace('T10', ' 10'), 'E_NOTE'],
    ['with a malformed head', (text) => text.replace(/ 2 /, ' two '), 'E_NOTE'],
    [
      'that is not sorted',
      (text) => [...text.split('\n').slice(0, 5), ...text.split('\n').slice(5, -1).toReversed(), ''].join('\n'),
      'E_NOTE'
    ],
    ['that lists a log twice', (text) => text + `${text.trimEnd().split('\n').at(-1) ?? ''}\n`, 'E_NOTE']
  ])('%s is refused (FRONTIER-7)', (_, change, code) => {
    expect(thrownBy(() => verifyFrontier(signed(change)))).toBe(code)
  })

  it('is refused with any byte of it changed, and by another key (FRONTIER-7)', () => {
    expect(verifyFrontier(signed((text) => text)).seq).toBe(7)
    for (let at = 0; at < bytes.length; at += 3) {
      const changed = bytes.slice()
      changed[at] = (changed[at] as number) ^ 1
      expect(thrownBy(() => verifyFrontier(changed))).toBeDefined()
    }
    const other = encodeNote(signNote(parseNote(bytes).text, name, sampleSigner('other')))
    expect(thrownBy(() => verifyFrontier(other))).toBe('E_SIGNATURE')
    expect(textOf(bytes).startsWith('rejoin/frontier/v1\n')).toBe(true)
    expect(thrownBy(() => verifyFrontier(utf8('')))).toBe('E_NOTE')
  })

  it('is replaced by one of more changes, or of another store and a later time (FRONTIER-8)', () => {
    const one: Frontier = verifyFrontier(bytes)
    expect(isNewerFrontier({ ...one, seq: 8, time: '2026-11-19T10:00:00.000Z' }, one)).toBe(true)
    expect(isNewerFrontier({ ...one, time: '2026-11-21T10:00:00.000Z' }, one)).toBe(false)
    const restored = { ...one, store: 'f'.repeat(32), seq: 1 }
    expect(isNewerFrontier({ ...restored, time: '2026-11-21T10:00:00.000Z' }, one)).toBe(true)
    expect(isNewerFrontier({ ...restored, time: '2026-11-19T10:00:00.000Z' }, one)).toBe(false)
  })
})
