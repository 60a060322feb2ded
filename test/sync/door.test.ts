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
  firstHlc,
  type KeySet,
  linesOf,
  type LogId,
  logIdOf,
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
  const replica = new LocalReplica(store, new Gate(didOf(publicKey), compiled, { bindings }), publicKey)
  const made = { root, store, replica, key: publicKey, share: newShare() }
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
  // each stranger once; the worker's log when it was looked into, when it was taken, and once more for the text that was refused
  expect(entries).toBe(70 * 20 + 3 * 4)
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
