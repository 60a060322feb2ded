import { array, boolean, constantFrom, integer, property, record } from 'fast-check'
import { expect, it } from 'vitest'
import {
  decideOn,
  decidePlainly,
  factsOf,
  isPlain,
  makeCompiled,
  parseHlc,
  type PatternLists,
  type RejoinEvent,
  type TrustFile,
  writerStanding
} from '../../../src/core/index.ts'
import { sampleEvent, sampleLog, sampleSigner } from '../sample.ts'
import { holds } from '../../property.ts'
import { did, trustFile } from './sample-trust.ts'

const nowMs = 1_795_000_000_000
const { log } = sampleLog(1)
const [alice, bob, me] = ['ci', 'bob', 'me'].map(did) as [string, string, string]

const lists = (values: readonly string[]): ReturnType<typeof record<PatternLists>> =>
  record({ allow: array(constantFrom(...values), { maxLength: 2 }), deny: array(constantFrom(...values), { maxLength: 2 }) })

it('VERDICT-13 VERDICT-5 a plain trust file gives the same verdicts without a table of facts', () => {
  const events = record({
    source: constantFrom(alice, bob, me),
    type: constantFrom('sbom.published', 'vex.published', 'log.opened'),
    hlc: constantFrom(0, 60_000, 11 * 60_000, 60 * 60_000),
    repository: constantFrom(undefined, 'apps/x', 'tools'),
    artifactType: constantFrom(undefined, 'application/spdx+json'),
    mediaType: constantFrom(undefined, 'application/vnd.oci.image.manifest.v1+json'),
    size: constantFrom<unknown>(undefined, 5, 1e300, -1, 'x', 2 ** 41)
  })
  const files = record({
    eventTypes: lists(['sbom.*', 'vex.published']),
    mediaTypes: lists(['application/*', 'application/spdx+json']),
    artifactTypes: lists(['application/spdx+json']),
    repositories: lists(['apps/**', 'tools']),
    revoked: boolean(),
    entryBytes: constantFrom(100, 65_535)
  })
  holds(
    property(events, files, constantFrom(alice, bob, me), integer({ min: 50, max: 200 }), (said, given, author, lineBytes) => {
      const { hlc, repository, artifactType, mediaType, size, ...rest } = said
      const data = Object.fromEntries(
        Object.entries({ repository, artifactType, mediaType, size }).filter(([, value]) => value !== undefined)
      ) as RejoinEvent['data']
      const event: RejoinEvent = {
        ...sampleEvent(sampleSigner('alice'), 1, parseHlc(`${(nowMs + hlc).toString(16).padStart(12, '0')}0000`)),
        ...rest,
        data
      }
      const base = trustFile()
      const { revoked, entryBytes, ...patterns } = given
      const keys = new Map([...base.keys].map(([name, key]) => [name, { ...key, ...(revoked && { untilMs: nowMs }) }]))
      const file: TrustFile = { ...base, ...patterns, keys, limits: { ...base.limits, entryBytes } }
      const compiled = makeCompiled(file, [])
      expect(isPlain(compiled)).toBe(true)
      const place = { log, index: 3, author }
      const standing = writerStanding({ event, place, nowMs }, file, { quorum: false, gates: undefined })
      const evidence = {
        event,
        place,
        lineBytes,
        nowMs,
        witnesses: { names: [], newestMs: 0 },
        peerReputation: 0,
        content: undefined,
        overlap: undefined,
        vex: []
      }
      const plain = decidePlainly(event, { author, lineBytes, standing: standing.signer.standing, nowMs }, compiled, me)
      expect(plain).toEqual(decideOn(factsOf(evidence, file, standing), compiled, me))
    })
  )
})
