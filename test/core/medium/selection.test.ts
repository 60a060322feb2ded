import { array, constantFrom, integer, property, record, uniqueArray } from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Digest,
  digestOf,
  encodeOmitted,
  encodeSums,
  everything,
  isNarrow,
  isPlatform,
  packVolumes,
  parseOmitted,
  platformName,
  reasonFor,
  referenceIn,
  type RejoinEvent,
  type Selection,
  signSeal,
  sumsLine,
  textOf,
  utf8,
  verifySeal,
  wantsPlatform,
  withReferrers
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleSigner } from '../sample.ts'

const digest = (name: string): Digest => digestOf(utf8(name))

function event(name: string, data: Record<string, string> = {}, type = 'manifest.published'): RejoinEvent {
  return {
    specversion: '1.0',
    id: '0'.repeat(32),
    source: 'did:key:z6Mk',
    type,
    subject: digest(name),
    time: '2026-11-20T10:00:00.000Z',
    hlc: '01a1f8660d000001' as RejoinEvent['hlc'],
    data: { digest: digest(name), mediaType: 'application/vnd.oci.image.manifest.v1+json', ...data }
  }
}

const selection = (some: Partial<Selection>): Selection => ({ ...everything, ...some })

describe('selection', () => {
  test('takes events by repository, type and time, all of them together (SELECT-1)', () => {
    const web = event('web', { repository: 'apps/web', artifactType: 'application/vnd.cyclonedx+json' })
    expect(reasonFor(web, selection({ repositories: ['apps/*'] }))).toBe('repository apps/web')
    expect(reasonFor(web, selection({ repositories: ['apps/**', 'x'] }))).toBeDefined()
    expect(reasonFor(web, selection({ repositories: ['other'] }))).toBeUndefined()
    expect(reasonFor(web, selection({ types: ['application/vnd.cyclonedx*'] }))).toBeDefined()
    expect(reasonFor(web, selection({ types: ['manifest.published'] }))).toBe('type manifest.published')
    expect(reasonFor(web, selection({ repositories: ['apps/*'], types: ['sbom.*'] }))).toBeUndefined()
    const at = Number.parseInt('01a1f8660d00', 16)
    expect([reasonFor(web, selection({ sinceMs: at })), reasonFor(web, selection({ sinceMs: at + 1 }))]).toEqual([
      'since then',
      undefined
    ])
    expect([
      isNarrow(everything),
      isNarrow(selection({ platforms: ['linux/amd64'] })),
      isNarrow(selection({ types: ['x'] }))
    ]).toEqual([false, false, true])
  })

  test('what refers to what is chosen comes along, and what refers to that, and to a part of it (SELECT-3)', () => {
    const references = [
      referenceIn(event('sbom', { refers: digest('arm') })),
      referenceIn(event('signature', { refers: digest('sbom') })),
      referenceIn(event('other', { refers: digest('nothing') })),
      referenceIn({ ...event('image'), data: {}, type: 'receipt.issued' })
    ]
    const chosen = new Set([digest('image')])
    const because = withReferrers(chosen, references, new Map([[digest('arm'), digest('image')]]))
    expect([...chosen]).toEqual([digest('image'), digest('sbom'), digest('signature')])
    expect(because.get(digest('signature'))).toBe(digest('sbom'))
    expect(references[3]).toEqual({ artifact: undefined, about: digest('image') })
  })

  test('platforms are named as os/arch or os/arch/variant (SELECT-4)', () => {
    expect(platformName({ os: 'linux', architecture: 'arm', variant: 'v7' })).toBe('linux/arm/v7')
    expect([platformName(undefined), platformName({ os: 'linux' }), platformName({ os: '../x', architecture: 'y' })]).toEqual([
      undefined,
      undefined,
      undefined
    ])
    const arm = selection({ platforms: ['linux/arm'] })
    expect(
      ['linux/arm/v7', 'linux/arm', 'linux/arm64', undefined, 'unknown/unknown'].map((name) => wantsPlatform(name, arm))
    ).toEqual([true, true, false, true, true])
    expect([isPlatform('linux/amd64'), isPlatform('linux'), isPlatform('Linux/x')]).toEqual([true, false, false])
  })

  test('what was left out is listed, and read strictly (SELECT-5)', () => {
    const list = [
      { digest: digest('b'), because: 'linux/arm64' },
      { digest: digest('a'), because: 'volume' }
    ]
    const bytes = encodeOmitted(list)
    expect([...parseOmitted(bytes)].toSorted()).toEqual(list.map((one) => [one.digest, one.because]).toSorted())
    for (const text of [
      '',
      'rejoin omitted 2\n',
      'rejoin omitted 1\nx\n',
      textOf(bytes).slice(0, -1),
      `${textOf(bytes)}sha256:00 x\n`
    ])
      expect(thrownBy(() => parseOmitted(utf8(text)))).toBe('E_DAMAGED')
  })
})

describe('volumes', () => {
  test('hold whole loads, never more than they may, and lose none (SELECT-7)', () => {
    const load = record({
      parts: uniqueArray(constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), { maxLength: 4 }),
      size: integer({ min: 1, max: 40 })
    })
    holds(
      property(
        array(load, { maxLength: 12 }),
        integer({ min: 0, max: 20 }),
        integer({ min: 20, max: 120 }),
        (all, every, max) => {
          const size = (name: string): number => name.charCodeAt(0) % 23
          const loads = all.map(({ parts }) => ({ parts: new Map(parts.map((name) => [name, size(name)])) }))
          const { volumes, tooLarge } = packVolumes(loads, every, max)
          for (const { loads: on, bytes } of volumes) {
            const names = new Set(on.flatMap(({ parts }) => [...parts.keys()]))
            expect(bytes).toBe(every + [...names].reduce((sum, name) => sum + size(name), 0))
            expect(bytes).toBeLessThanOrEqual(max)
          }
          expect(volumes.flatMap(({ loads: on }) => on).length + tooLarge.length).toBe(loads.length)
          for (const { parts } of tooLarge) expect(every + [...parts.values()].reduce((a, b) => a + b, 0)).toBeGreaterThan(max)
        }
      )
    )
  })
})

describe('seal', () => {
  const seal = { network: 'lab', time: '2026-11-28T16:20:00Z', heads: digest('heads'), files: digest('files') }

  test('is a signed note over the digests of heads and of the list of files (SEAL-1, SEAL-2)', () => {
    const bytes = signSeal(seal, sampleSigner('one'))
    expect(textOf(bytes).split('\n').slice(0, 6)).toEqual([
      'rejoin/seal/v1',
      expect.stringMatching(/^did:key:/),
      'lab',
      seal.time,
      `heads ${seal.heads}`,
      `files ${seal.files}`
    ])
    expect(verifySeal(bytes)).toMatchObject(seal)
  })

  test('any changed byte breaks it (SEAL-2)', () => {
    const bytes = signSeal(seal, sampleSigner('one'))
    holds(
      property(integer({ min: 0, max: bytes.length - 1 }), integer({ min: 1, max: 255 }), (at, by) => {
        const changed = bytes.slice()
        changed[at] = ((changed[at] as number) + by) % 256
        expect(thrownBy(() => verifySeal(changed))).toBeDefined()
      })
    )
  })

  test('SHA256SUMS is sorted by path, as sha256sum -c reads it', () => {
    const sum = '0'.repeat(64)
    expect(textOf(encodeSums([sumsLine(sum, 'b'), sumsLine(sum, 'a')]))).toBe(`${sum}  a\n${sum}  b\n`)
  })
})
