import { array, assert, boolean, constantFrom, nat, property, record, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  digestOf,
  encodeHeads,
  type HeadLine,
  headLine,
  logIdOfHash,
  maxHeadsBytes,
  parseHeads,
  signerOf,
  utf8
} from '../../src/core/index.ts'
import { holds } from '../property.ts'
import { thrownBy } from '../thrown.ts'

const authors = [1, 2, 3].map((n) => signerOf(new Uint8Array(32).fill(n)).publicKey)
const hash32 = uint8Array({ minLength: 32, maxLength: 32 })
const lines = array(
  record({
    log: hash32.map(logIdOfHash),
    size: nat(),
    root: hash32,
    checkpoint: hash32.map(digestOf),
    author: constantFrom(...authors),
    texts: nat(),
    closed: boolean(),
    fork: boolean()
  }),
  { maxLength: 8 }
)
const store = '0123456789abcdef0123456789abcdef'
const bytes = encodeHeads(store, [headLine(sample())])

function sample(): HeadLine {
  return {
    log: logIdOfHash(new Uint8Array(32).fill(7)),
    size: 1042,
    root: new Uint8Array(32).fill(9),
    checkpoint: digestOf(utf8('x')),
    author: authors[0] as HeadLine['author'],
    texts: 0,
    closed: false,
    fork: true
  }
}

describe('the file that lists the logs of a replica', () => {
  it('FOLDER-17: comes back as it was written, whatever the order', () => {
    holds(
      property(lines, (heads) => {
        const unique = [...new Map(heads.map((head) => [head.log, head])).values()]
        const parsed = parseHeads(encodeHeads(store, unique.map(headLine).toReversed()))
        expect(parsed.store).toBe(store)
        const byLog = (all: readonly HeadLine[]) =>
          all.map((head) => ({ ...head, root: [...head.root] })).toSorted((a, b) => (a.log < b.log ? -1 : 1))
        expect(byLog(parsed.heads)).toEqual(byLog(unique))
      })
    )
  })

  it('never throws anything but its codes, whatever byte is changed', () => {
    let refused = 0
    assert(
      property(nat(bytes.length - 1), nat(255), (at, byte) => {
        const changed = bytes.slice()
        changed[at] = byte
        if (thrownBy(() => parseHeads(changed)) !== undefined) refused++
      }),
      { numRuns: 300 }
    )
    expect(refused).toBeGreaterThan(0)
  })

  it.each([
    ['', 'E_DAMAGED'],
    ['hello\n', 'E_DAMAGED'],
    [`rejoin heads 2 ${store}\n`, 'E_VERSION'],
    [`rejoin heads 1 ${store}\n${headLine(sample())}`, 'E_DAMAGED'],
    [`rejoin heads 1 ${store}\n${headLine(sample())}\n${headLine(sample())}\n`, 'E_DAMAGED'],
    [`rejoin heads 1 ${store}\n${headLine(sample()).replace(' 1042 ', ' 9999999999999999 ')}\n`, 'E_DAMAGED'],
    [`rejoin heads 1 ${store}\n${headLine(sample()).replace(' 1042 ', ' 01042 ')}\n`, 'E_DAMAGED']
  ])('refuses %j', (text, code) => expect(thrownBy(() => parseHeads(utf8(text)))).toBe(code))

  it('refuses a file over its limit before it looks at it', () => {
    expect(thrownBy(() => parseHeads(new Uint8Array(maxHeadsBytes + 1)))).toBe('E_TOO_LARGE')
  })
})
