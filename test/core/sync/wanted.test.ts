import { array, constantFrom, option, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  boundedInterest,
  encodeEvent,
  type Interest,
  interestOfWire,
  isWanted,
  maxInterests,
  maxPatterns,
  type RejoinEvent,
  syncMessage,
  utf8,
  wantedBy,
  wireOfInterest
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { event } from '../trust/sample-trust.ts'

const values = ['', 'a', 'ab', 'a/b', 'sbom.published', 'scan.done', 'application/x']
const patterns = array(constantFrom(...values, '*', 'a*', 'sbom.*', 'application/*', event('ci', 'a.b').source), { maxLength: 4 })
const list = option(patterns, { nil: undefined, freq: 2 })
const lists = record({
  authors: list,
  types: list,
  mediaTypes: list,
  artifactTypes: list,
  documentTypes: list,
  repositories: list
})

/** Any interest. */
const interest = lists.map((all) => Object.fromEntries(Object.entries(all).filter(([, one]) => one !== undefined)) as Interest)
const value = option(constantFrom<string | number>(...values, 7), { nil: undefined })
const anyEvent = record({
  author: constantFrom('ci', 'security'),
  type: constantFrom('sbom.published', 'scan.done', 'a.b'),
  data: record({ mediaType: value, artifactType: value, repository: value })
}).map(({ author, type, data }): RejoinEvent => {
  const there = Object.entries(data).filter(([, one]) => one !== undefined)
  return event(author, type, Object.fromEntries(there) as RejoinEvent['data'])
})

describe('an interest', () => {
  it('SYNC-20: decides about a line as it does about its event', () => {
    holds(
      property(
        array(interest, { minLength: 1, maxLength: 4 }),
        array(anyEvent, { minLength: 20, maxLength: 20 }),
        (all, events) => {
          const wanted = wantedBy(all)
          for (const one of events) expect(wanted(encodeEvent(one))).toBe(isWanted(all, one))
        }
      )
    )
  })

  it('SYNC-20: wants `log.` events and what is no event, whatever it is', () => {
    const wanted = wantedBy([{ authors: [] }])
    expect(wanted(encodeEvent(event('ci', 'sbom.published')))).toBe(false)
    expect(wanted(encodeEvent(event('ci', 'log.closed')))).toBe(true)
    for (const junk of [
      '',
      '{',
      'null',
      '7',
      '[]',
      '{"source":1,"type":"a.b","data":{}}',
      '{"source":"x","type":"a.b","data":null}'
    ])
      expect(wanted(utf8(junk))).toBe(true)
    expect(wanted(Uint8Array.of(0xff, 0xfe))).toBe(true)
  })

  it('SYNC-19: is the same after HELLO, where an absent list is not an empty one', () => {
    holds(
      property(array(interest, { maxLength: 4 }), (all) => {
        const bytes = new Uint8Array(32)
        const hello = {
          kind: 'hello',
          version: 1,
          network: 'x',
          node: bytes,
          store: bytes.slice(16),
          seq: 0,
          salt: bytes.slice(16)
        } as const
        const read = syncMessage.decode(syncMessage.encode({ ...hello, interest: wireOfInterest(all) }))
        expect(read.kind === 'hello' && interestOfWire(read.interest)).toEqual(all)
      })
    )
  })

  it('E_FRAME: SYNC-19 with more than 1,024 patterns in all is refused', () => {
    const half = Array.from({ length: maxPatterns / 2 }, (_, i) => `a${i}`)
    const within = [{ types: half }, { types: half.slice(1) }, { authors: ['x'] }]
    expect(interestOfWire(wireOfInterest(within))).toEqual(within)
    expect(thrownBy(() => interestOfWire(wireOfInterest([...within, { authors: ['y'] }])))).toBe('E_FRAME')
  })

  it('SYNC-19: leaves authors out where that lets in no more of the logs that are asked for', () => {
    const all = ['did:key:z1', 'did:key:z2']
    const sboms = { types: ['sbom.*'] }
    expect(boundedInterest([{ authors: ['me'] }, { authors: all }])).toEqual([])
    expect(boundedInterest([{ authors: ['me'] }, { ...sboms, authors: all }])).toEqual([{ authors: ['me'] }, sboms])
    const some = [{ authors: ['me'] }, { ...sboms, authors: ['did:key:z1'] }, { types: ['scan.*'], authors: all }]
    expect(boundedInterest(some)).toEqual([some[0], some[1], { types: ['scan.*'] }])
    const anybody = [{ authors: ['me'] }, { types: ['scan.*'] }]
    expect(boundedInterest(anybody)).toEqual(anybody)
    expect(boundedInterest([...anybody, { types: ['scan.done'], authors: all }])).toEqual(anybody)
    holds(
      property(array(interest, { minLength: 1, maxLength: 6 }), anyEvent, (interests, one) => {
        const asked = interests.some(({ authors }) => authors === undefined || authors.some((author) => author === one.source))
        const sent = boundedInterest(interests)
        const isSent = sent.length === 0 || isWanted(sent, one)
        if (isWanted(interests, one)) expect(isSent).toBe(true)
        else if (asked) expect(isSent).toBe(false)
      })
    )
  })

  it('SYNC-19: that is over the limits goes out wider, and never smaller', () => {
    const many = (count: number, chars = 3): readonly string[] =>
      Array.from({ length: count }, (_, i) => `${i}`.padEnd(chars, 'x'))
    const alike = Array.from({ length: maxInterests + 1 }, (_, i) => ({ types: [`t.x${i}`] }))
    expect(boundedInterest(alike)).toEqual([{ types: alike.flatMap(({ types }) => types) }])
    const builders = { types: ['sbom.*'], authors: many(200, 56) }
    expect(boundedInterest([builders, { types: ['a.b'], authors: ['me'] }])).toEqual([{ types: ['sbom.*'] }, { types: ['a.b'] }])
    expect(boundedInterest([{ types: ['a.b'], repositories: many(maxPatterns) }])).toEqual([{ types: ['a.b'] }])
    expect(boundedInterest([{ types: ['x'.repeat(257)] }, { types: ['a.b'] }])).toEqual([])
    holds(
      property(array(interest, { minLength: maxInterests - 1, maxLength: maxInterests + 3 }), anyEvent, (all, one) => {
        const sent = boundedInterest(all)
        expect(sent.length).toBeLessThanOrEqual(maxInterests)
        if (isWanted(all, one)) expect(sent.length === 0 || isWanted(sent, one)).toBe(true)
      })
    )
  })
})
