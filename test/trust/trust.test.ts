import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  decide,
  didOf,
  type EntryBlock,
  linesOf,
  parseHlc,
  type ProvenBlock,
  RejoinError,
  type RejoinEvent,
  type Rules,
  utf8,
  vkeyOf
} from '../../src/core/index.ts'
import { addIdentity, createTrust, Gate, loadTrust, removeIdentity } from '../../src/trust/index.ts'
import { sampleEvent, sampleLog, sampleSigner } from '../core/sample.ts'
import { thrownBy } from '../thrown.ts'

const alice = didOf(sampleSigner('alice').publicKey)
const bob = didOf(sampleSigner('bob').publicKey)
const me = didOf(sampleSigner('me').publicKey)
const nowMs = 1_795_000_000_000
const hlc = parseHlc(`${nowMs.toString(16).padStart(12, '0')}0000`)

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-trust-'))
  createTrust(root, 'test')
})
afterEach(() => rmSync(root, { recursive: true }))

function write(text: string): void {
  writeFileSync(join(root, 'trust.yaml'), text)
}

const head = 'apiVersion: rejoin/v1\nkind: TrustPolicy\n'

describe('the trust file', () => {
  it('TRUST-9 keeps comments and raises its version when identities are added and removed', () => {
    write(`${head}# my comment\nversion: 3\nkeys: {}\nidentities: {}\n`)
    addIdentity(root, 'alice', alice)
    addIdentity(root, 'alice', vkeyOf('rejoin/x', sampleSigner('alice-2').publicKey))
    addIdentity(root, 'bob', bob)
    const text = readFileSync(join(root, 'trust.yaml'), 'utf8')
    expect(text).toContain('# my comment')
    expect(text).toContain('version: 6')
    expect(loadTrust(root).identities.map(({ name, keys }) => [name, keys.length])).toEqual([
      ['alice', 2],
      ['bob', 1]
    ])
    removeIdentity(root, 'alice')
    expect(loadTrust(root).rules.authors.get(alice)).toBeUndefined()
    expect(loadTrust(root).rules.authors.get(bob)).toBe('bob')
    expect(readFileSync(join(root, 'trust.yaml'), 'utf8')).toContain('# my comment')
  })

  it('refuses a key under two names, an unknown name, and what is no key', () => {
    addIdentity(root, 'alice', alice)
    expect(thrownBy(() => addIdentity(root, 'mallory', alice))).toBe('E_EXISTS')
    expect(thrownBy(() => removeIdentity(root, 'nobody'))).toBe('E_NOT_FOUND')
    expect(thrownBy(() => addIdentity(root, 'x', 'garbage'))).toBe('E_KEY')
    expect(thrownBy(() => addIdentity(root, '../x', bob))).toBe('E_USAGE')
  })

  it('TRUST-2 names line and column of what does not parse', () => {
    write(`${head}keys: {a: [}\n`)
    try {
      loadTrust(root)
      expect.unreachable()
    } catch (error) {
      expect((error as RejoinError).code).toBe('E_TRUST_FILE')
      expect((error as RejoinError).at).toMatch(/^3:\d+$/)
    }
  })

  it.each([
    ['TRUST-1 another version', 'apiVersion: rejoin/v2\nkind: TrustPolicy\n'],
    ['TRUST-1 an unknown member', `${head}surprise: 1\n`],
    ['TRUST-3 an identity with an unknown key', `${head}keys: {}\nidentities: {a: {keys: [nope]}}\n`],
    ['TRUST-3 a key that is none', `${head}keys: {a: {did: "did:key:zBAD"}}\n`],
    ['a duplicate key', `${head}keys: {}\nkeys: {}\n`],
    ['a list', '- 1\n']
  ])('refuses %s', (_, text) => {
    write(text)
    expect(thrownBy(() => loadTrust(root))).toBe('E_TRUST_FILE')
  })
})

const open: Rules['mediaTypes'] = { allow: [], deny: [] }
const rules = (more: Partial<Rules> = {}): Rules => ({
  authors: new Map([[alice, 'alice']]),
  mediaTypes: open,
  eventTypes: open,
  ...more
})
const event = (more: Partial<RejoinEvent> = {}): RejoinEvent => ({ ...sampleEvent(sampleSigner('alice'), 1, hlc), ...more })

describe('a verdict', () => {
  const sbom = event({
    type: 'sbom.published',
    data: { mediaType: 'application/vnd.oci.image.manifest.v1+json', artifactType: 'application/vnd.cyclonedx+json' }
  })
  it.each<[string, RejoinEvent, Rules, string, string]>([
    ['TRUST-4 an unknown writer', event({ source: bob }), rules(), 'refuse', 'unknown-author'],
    ['the node itself', event({ source: me }), rules(), 'relay', 'own'],
    ['a trusted writer', event(), rules(), 'relay', 'identity'],
    [
      'TRUST-5 a denied media type',
      sbom,
      rules({ mediaTypes: { allow: [], deny: ['application/vnd.cyclonedx*'] } }),
      'refuse',
      'mediaTypes'
    ],
    [
      'TRUST-5 one that is not allowed',
      sbom,
      rules({ mediaTypes: { allow: ['application/spdx+json'], deny: [] } }),
      'refuse',
      'mediaTypes'
    ],
    [
      'TRUST-5 one that is allowed',
      sbom,
      rules({ mediaTypes: { allow: ['application/vnd.cyclonedx+json'], deny: [] } }),
      'relay',
      'identity'
    ],
    ['a denied event type', sbom, rules({ eventTypes: { allow: [], deny: ['sbom.*'] } }), 'refuse', 'eventTypes'],
    [
      'TRUST-6 the opening of a log',
      event({ type: 'log.opened' }),
      rules({ eventTypes: { allow: ['sbom.*'], deny: ['*'] } }),
      'relay',
      'log'
    ],
    ['TRUST-7 a clock far ahead', event({ hlc: parseHlc('ffffffffffff0000') }), rules(), 'hold', 'clock-ahead']
  ])('VERDICT-4 on %s', (_, one, some, verdict, rule) => {
    expect(decide(one, some, me, nowMs)).toEqual({ verdict, rule })
  })
})

describe('the gate', () => {
  it('TRUST-8 refuses a malformed line and one of another source alone', () => {
    const { lines, signer } = sampleLog(3)
    const author = didOf(signer.publicKey)
    const texts = [
      ...lines.map((line) => Buffer.from(line).toString()),
      '{"not":"an event"}',
      Buffer.from(sampleLog(2, 'someone else').lines[1] as Uint8Array).toString()
    ]
    const block: EntryBlock = { from: 0, count: texts.length, text: utf8(texts.map((text) => `${text}\n`).join('')) }
    const proven: ProvenBlock = { ...block, lines: linesOf(block), tileHash: undefined }
    addIdentity(root, 'writer', author)
    const judged = new Gate(me, loadTrust(root)).judge(proven, author, nowMs)
    expect(judged.map(({ decision }) => decision.rule)).toEqual(['log', 'identity', 'identity', 'malformed', 'wrong-source'])
  })
})
