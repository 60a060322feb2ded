import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, it, vi } from 'vitest'
import {
  boundData,
  boundType,
  type Compiled,
  didOf,
  encodeEvent,
  encodeWithheld,
  firstHlc,
  hashOfLogId,
  type KeySet,
  leafHash,
  linesOf,
  type LogId,
  logIdOf,
  parseEvent,
  parseKeySet,
  type RejoinEvent,
  signCheckpoint,
  signCoseCheckpoint,
  type Signer,
  tick,
  tokenAlgs,
  tokenAudience,
  utf8
} from '../../src/core/index.ts'
import { LocalReplica, type Replica } from '../../src/replica/index.ts'
import { LogFolder, Store } from '../../src/store/index.ts'
import { driveSession, newShare, pipe, type SyncResult, type SyncShare } from '../../src/sync/index.ts'
import { Bindings, compileTrust, Gate } from '../../src/trust/index.ts'
import { sampleEvent, sampleSigner } from '../core/sample.ts'
import { trustFile } from '../core/trust/sample-trust.ts'
import { keySetOf, makeIssuer, sign, type TestIssuer } from '../trust/issuer.ts'

const atMs = 1_795_000_000_000
const iss = 'https://forge.example'
let forge: TestIssuer
let keys: KeySet
beforeAll(async () => {
  forge = await makeIssuer()
  keys = parseKeySet(keySetOf(forge)) as KeySet
})

interface Side {
  readonly root: string
  readonly store: Store
  readonly replica: LocalReplica
  readonly gate: Gate
  readonly key: Uint8Array
  readonly share: SyncShare
}

const sides: Side[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const { store, root } of sides.splice(0)) {
    await store[Symbol.asyncDispose]()
    rmSync(root, { recursive: true, force: true })
  }
})

function rules(): Compiled {
  const issuer = { name: 'forge', iss, jwks: 'x', aud: 'pool', algs: tokenAlgs, claims: new Map(), bindForMs: Infinity }
  return compileTrust(
    trustFile({
      keys: new Map(),
      identities: new Map([['team', { name: 'team', keys: [], roles: [], issuer: 'forge' }]]),
      issuers: new Map([['forge', issuer]]),
      keySets: new Map([['forge', keys]])
    })
  )
}

async function side(name: string, logs: readonly (readonly [Signer, readonly RejoinEvent[]])[] = []): Promise<Side> {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-door-'))
  Store.create(root, 'test')
  for (const [signer, events] of logs) await write(root, signer, events)
  const store = await Store.open(root)
  const compiled = rules()
  const bindings = new Bindings(compiled, (log, index) =>
    index < (store.folder(log)?.size ?? 0) ? store.lineOf(log, index) : undefined
  )
  const { publicKey } = sampleSigner(name)
  const gate = new Gate(didOf(publicKey), compiled, { bindings })
  const replica = new LocalReplica(store, gate, publicKey)
  const made = { root, store, replica, gate, key: publicKey, share: newShare() }
  sides.push(made)
  return made
}

async function write(root: string, signer: Signer, events: readonly RejoinEvent[]): Promise<void> {
  const lines = events.map(encodeEvent)
  const folder = LogFolder.create(root, logIdOf(lines[0] as Uint8Array), lines[0] as Uint8Array)
  const block = { from: 0, count: lines.length, text: Buffer.concat(lines.flatMap((line) => [line, utf8('\n')])) }
  folder.append(block, linesOf(block), undefined)
  const head = signCheckpoint({ log: folder.log, size: lines.length, root: folder.tree.root() }, signer)
  folder.commit(head, signCoseCheckpoint(head, signer).bytes, false)
  await folder.close()
}

/** Returns the events of a log, in which a token stands at an index. */
async function eventsOf(
  name: string,
  count: number,
  tokenAt?: number,
  text = 'said'
): Promise<readonly [Signer, readonly RejoinEvent[]]> {
  const signer = sampleSigner(name)
  const token = await sign(forge, { iss, aud: tokenAudience('pool', didOf(signer.publicKey)) }, atMs)
  let hlc = firstHlc
  const events = Array.from({ length: count }, (_, index) => {
    hlc = tick(hlc, atMs)
    const event = sampleEvent(signer, index, hlc)
    if (index === 0) return event
    if (index === tokenAt) return { ...event, type: boundType, data: boundData(token) }
    return { ...event, data: { text: `${text} by ${name}` } }
  })
  return [signer, events]
}

async function meet(a: Side, b: Side, replica: Replica = a.replica): Promise<readonly [SyncResult, SyncResult]> {
  const [x, y] = pipe()
  const { signal } = new AbortController()
  return await Promise.all([
    driveSession(replica, x, { signal, peer: b.key, share: a.share }),
    driveSession(b.replica, y, { signal, peer: a.key, share: b.share })
  ])
}

const logsAt = ({ root }: Side): readonly string[] => (existsSync(join(root, 'logs')) ? readdirSync(join(root, 'logs')) : [])
const idOf = ([, [first]]: readonly [Signer, readonly RejoinEvent[]]): LogId => logIdOf(encodeEvent(first as RejoinEvent))

it('BINDING-15 of a flood of unknown logs a few are looked into at a time, none is stored, and the one with a token still comes in', async () => {
  const strangers = await Promise.all(Array.from({ length: 70 }, async (_, i) => await eventsOf(`stranger ${i}`, 20)))
  const worker = await eventsOf('worker', 4, 2)
  const [a, b] = [await side('a', [...strangers, worker]), await side('b')]
  let nowMs = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
  const [, first] = await meet(a, b)
  // 32 logs of 20 entries each at most
  expect(first.entriesReceived).toBeGreaterThan(0)
  expect(first.entriesReceived).toBeLessThanOrEqual(32 * 20)
  expect(logsAt(b).filter((log) => log !== idOf(worker))).toEqual([])
  // what was put off is listed again, since its cursor did not move
  let entries = first.entriesReceived
  for (let i = 0; i < 4; i++) {
    nowMs += 64_000
    const [, next] = await meet(a, b)
    entries += next.entriesReceived
  }
  expect(logsAt(b)).toEqual([idOf(worker)])
  // each stranger once; the worker's log when it was looked into, when it was taken, and, where that was before the last was looked into, once
  // more for the text that was refused
  expect([70 * 20 + 2 * 4, 70 * 20 + 3 * 4]).toContain(entries)
  expect(b.store.needFolder(idOf(worker)).entry(1).line).toBeUndefined()
  expect(b.store.needFolder(idOf(worker)).entry(3).line).toBeDefined()
  // nothing is asked again
  nowMs += 64_000
  expect((await meet(a, b))[1].entriesReceived).toBe(0)
})

it('BINDING-15 a log whose first entries are too large is not let in, and not looked into again', async () => {
  const large = await eventsOf('large', 100, 1, 'x'.repeat(60_000))
  const [a, b] = [await side('a', [large]), await side('b')]
  const [, result] = await meet(a, b)
  expect(result.complete).toBe(true)
  expect(result.bytesReceived).toBeLessThan(2_000_000)
  expect(logsAt(b)).toEqual([])
  b.replica.forgetCursors()
  expect((await meet(a, b))[1].entriesReceived).toBe(0)
})

it('BINDING-14 lines that are not the log’s end the session, and nothing of them is stored', async () => {
  const worker = await eventsOf('worker', 4, 1)
  const other = await eventsOf('other', 4, 1)
  const [a, b] = [await side('a', [worker, other]), await side('b')]
  const lying = Object.assign(Object.create(a.replica) as Replica, {
    read: (log: LogId, from: number, to: number, maxBytes: number) =>
      a.replica.read(log === idOf(worker) ? idOf(other) : log, from, to, maxBytes)
  })
  const faults = meet(a, b, lying)
  await expect(faults).rejects.toMatchObject({ code: expect.stringMatching(/^E_(?:ROOT|GONE)$/) as string })
  expect(logsAt(b)).not.toContain(idOf(worker))
})

it('BINDING-14 a token that came as its hash lets nothing in', async () => {
  const worker = await eventsOf('worker', 4, 1)
  const [a, b] = [await side('a', [worker]), await side('b')]
  const deaf = Object.assign(Object.create(b.replica) as Replica, { interest: () => [{ types: ['log.*'] }] })
  const [x, y] = pipe()
  const { signal } = new AbortController()
  // even a side that asks for no tokens gets them
  await Promise.all([
    driveSession(a.replica, x, { signal, peer: b.key, share: a.share }),
    driveSession(deaf, y, { signal, peer: a.key, share: b.share })
  ])
  expect(logsAt(b)).toEqual([idOf(worker)])
  expect(b.store.needFolder(idOf(worker)).entry(1).line).toBeDefined()
  expect(b.store.needFolder(idOf(worker)).entry(2).line).toBeUndefined()
  const c = await side('c')
  await meet(b, c)
  expect(logsAt(c)).toEqual([idOf(worker)])
})

it('BINDING-2 a token that came as its hash counts once its text is there: what follows it is judged again', async () => {
  const [signer, events] = await eventsOf('worker', 4, 1)
  const later = await sign(forge, { iss, aud: tokenAudience('pool', didOf(signer.publicKey)), run: 2 }, atMs)
  const whole = events.map((one, i) => (i === 2 ? { ...one, type: boundType, data: boundData(later) } : one)).map(encodeEvent)
  const b = await side('b')
  const log = logIdOf(whole[0] as Uint8Array)
  const textOf = (lines: readonly Uint8Array[]): Uint8Array => Buffer.concat(lines.flatMap((line) => [line, utf8('\n')]))
  const hidden = [1, 2]
  const shown = whole.map((line, i) => (hidden.includes(i) ? utf8(encodeWithheld({ hash: leafHash(line), size: 1 })) : line))
  const block = { from: 0, count: 4, text: textOf(shown) }
  // no token is seen at the door
  expect(
    b.replica.looked(
      { log: hashOfLogId(log), size: 4, root: new Uint8Array(32), author: signer.publicKey, texts: 0 },
      { ...block, lines: linesOf(block), tileHash: undefined }
    )
  ).toEqual([])
  const first = whole.map((line, i) => (i === 2 ? utf8(encodeWithheld({ hash: leafHash(line), size: 1 })) : line))
  const seen = { from: 0, count: 4, text: textOf(first) }
  await b.replica.accept(log, [{ ...seen, lines: linesOf(seen), tileHash: undefined }])
  const folder = b.store.needFolder(log)
  await b.replica.commit(log, signCheckpoint({ log, size: 4, root: folder.tree.root() }, signer), undefined)
  const claims = (): readonly string[] | undefined =>
    b.gate.factsOf({ index: 3, start: 0, end: 9 }, parseEvent(whole[3] as Uint8Array), {
      log,
      author: didOf(signer.publicKey),
      nowMs: atMs
    }).signer.claims
  expect(claims()).toEqual([`iss=${iss}`])
  await b.replica.takeTexts(log, { from: 0, count: 4, text: textOf(whole) })
  expect(claims()).toEqual([`iss=${iss}`, 'run=2'])
  expect(folder.entry(2).line).toBeDefined()
  expect(folder.entry(3).line).toBeDefined()
})
