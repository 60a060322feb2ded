import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  didOf,
  type EntryBlock,
  linesOf,
  parseHlc,
  type ProvenBlock,
  RejoinError,
  type RejoinEvent,
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
    expect([...loadTrust(root).file.identities.values()].map(({ name, keys }) => [name, keys.length])).toEqual([
      ['alice', 2],
      ['bob', 1]
    ])
    removeIdentity(root, 'alice')
    const gate = new Gate(me, loadTrust(root))
    expect(gate.nameOf(alice)).toBeUndefined()
    expect(gate.nameOf(bob)).toBe('bob')
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

const event = (more: Partial<RejoinEvent> = {}): RejoinEvent => ({ ...sampleEvent(sampleSigner('alice'), 1, hlc), ...more })
const known = `${head}keys: {a: {did: "${alice}"}}\nidentities: {alice: {keys: [a]}}\n`

describe('a verdict', () => {
  const sbom = event({
    type: 'sbom.published',
    data: { mediaType: 'application/vnd.oci.image.manifest.v1+json', artifactType: 'application/vnd.cyclonedx+json' }
  })
  it.each<[string, RejoinEvent, string, string, string]>([
    ['TRUST-4 an unknown writer', event({ source: bob }), known, 'refuse', 'unknown-author'],
    ['the node itself', event({ source: me }), known, 'relay', 'own'],
    ['a trusted writer', event(), known, 'relay', 'identity'],
    ['TRUST-5 a denied media type', sbom, `${known}mediaTypes: {deny: ["application/vnd.cyclonedx*"]}\n`, 'refuse', 'mediaTypes'],
    ['TRUST-5 one that is not allowed', sbom, `${known}mediaTypes: {allow: ["application/spdx+json"]}\n`, 'refuse', 'mediaTypes'],
    [
      'TRUST-5 one that is allowed',
      sbom,
      `${known}mediaTypes: {allow: ["application/vnd.cyclonedx+json"]}\n`,
      'relay',
      'identity'
    ],
    ['a denied event type', sbom, `${known}eventTypes: {deny: ["sbom.*"]}\n`, 'refuse', 'eventTypes'],
    [
      'TRUST-6 the opening of a log',
      event({ type: 'log.opened' }),
      `${known}eventTypes: {allow: ["sbom.*"], deny: ["vex.*"]}\n`,
      'relay',
      'log'
    ],
    ['TRUST-7 a clock far ahead', event({ hlc: parseHlc('ffffffffffff0000') }), known, 'hold', 'clock-ahead']
  ])('VERDICT-4 on %s', (_, one, text, verdict, rule) => {
    write(text)
    const line = { index: 1, size: 1, hash: new Uint8Array(32), withheld: false, start: 0, end: 600 }
    const log = sampleLog(1).log
    const gate = new Gate(me, loadTrust(root))
    expect(gate.judgeOne(line, one, { log, author: one.source, nowMs }).decision).toMatchObject({ verdict, rule })
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
    const judged = new Gate(me, loadTrust(root)).judge(proven, { log: sampleLog(3).log, author, nowMs })
    expect(judged.map(({ decision }) => decision.rule)).toEqual(['log', 'identity', 'identity', 'malformed', 'wrong-source'])
  })
})
