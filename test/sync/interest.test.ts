import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  type Compiled,
  concat,
  hashOfLogId,
  hex,
  linesOf,
  type LogId,
  logFolder,
  narrow,
  type ProvenBlock,
  sha256,
  type SyncMessage,
  textOf,
  utf8,
  type WireHead
} from '../../src/core/index.ts'
import { type Draft, type Fault, verifyFolder } from '../../src/store/index.ts'
import type { LocalReplica } from '../../src/replica/index.ts'
import { serveWant } from '../../src/sync/serve.ts'
import { decodeSyncFrame } from '../../src/sync/wire.ts'
import { makeSite, meet, removeSites, type Site } from './sites.ts'

afterEach(removeSites)

type Want = Extract<SyncMessage, { kind: 'want' }>

const digest = (i: number): string => `sha256:${hex(sha256(utf8(`blob ${i}`)))}`
/** Every hundredth is an SBOM. */
const draft = (i: number): Draft => ({
  type: i % 100 === 50 ? 'sbom.published' : 'scan.done',
  subject: digest(i),
  data: { mediaType: 'application/json', digest: digest(i), size: i, repository: 'apps/some/thing', tag: `v1.0.${i}` }
})
const drafts = (count: number): readonly Draft[] => Array.from({ length: count }, (_, i) => draft(i))

const isScan = (line: Uint8Array): boolean => textOf(line).includes('"type":"scan.done"')

/** Rules that let SBOMs in and nothing else. */
const onlySboms = (trust: Compiled): Compiled => ({
  ...trust,
  file: { ...trust.file, eventTypes: { allow: ['sbom.*', 'log.*'], deny: [] } }
})

function entriesOf({ root }: Site, log: LogId): readonly Uint8Array[] {
  const folder = join(root, logFolder(log), 'entries')
  return readdirSync(folder)
    .toSorted()
    .map((name) => readFileSync(join(folder, name)))
}

/** Bytes of all files below a folder. */
function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .reduce((sum, one) => sum + statSync(join(one.parentPath, one.name)).size, 0)
}

async function faultsOf({ root, store }: Site): Promise<readonly Fault[]> {
  await store.index.flush({ all: true })
  return await Array.fromAsync(verifyFolder(root, { signal: new AbortController().signal }))
}

const rootOf = ({ store }: Site, log: LogId): string => hex(store.head(log)?.root ?? new Uint8Array(0))

/** Returns entries of a site's log as they are stored after their proof, with scans hidden. */
function provenOf({ store, log }: Site, from: number, to: number, hides = isScan): ProvenBlock {
  const block = narrow(store.needFolder(log).entries.read(from, to), hides)
  return { ...block, lines: linesOf(block), tileHash: undefined }
}

/** Returns the answer to a WANT: entries of each LINES, and why it ended. */
async function answerTo(site: Site, want: Omit<Want, 'kind' | 'id' | 'log'>, log: LogId): Promise<readonly unknown[]> {
  const found: unknown[] = []
  for await (const frame of serveWant(site.replica, { kind: 'want', id: 1, log: hashOfLogId(log), ...want })) {
    const length = frame.length < 129 ? 1 : frame.length < 16_386 ? 2 : 3
    const message = decodeSyncFrame(frame.subarray(length))
    if (message.kind === 'lines') found.push([message.from, message.count])
    if (message.kind === 'end') found.push({ count: message.count, reason: message.reason })
  }
  return found
}

describe('interest', () => {
  it('SYNC-19 SYNC-20: who wants 1 % of 20,000 events gets their text, runs for the rest, and passes a log on that verifies', async () => {
    const a = await makeSite('a')
    await a.writer.append(drafts(19_999))
    a.writer.sign()
    const b = await makeSite('b', [a], onlySboms)
    const [sent, taken] = await meet(a, b)
    expect(taken).toMatchObject({ complete: true, events: 201, refused: 0, entriesReceived: 20_000 })
    expect(sent.bytesSent).toBe(taken.bytesReceived)

    const whole = entriesOf(a, a.log)
    const expected = whole.map((text, i) => {
      const from = i * 1024
      return narrow({ from, count: Math.min(1024, 20_000 - from), text }, isScan).text
    })
    expect(hex(sha256(concat(entriesOf(b, a.log))))).toBe(hex(sha256(concat(expected))))
    const narrowBytes = expected.reduce((sum, text) => sum + text.length, 0)
    const kept = expected.flatMap((text) =>
      textOf(text)
        .split('\n')
        .filter((line) => line.includes('"source"'))
    )
    expect(kept.length).toBe(201)
    const wholeBytes = whole.reduce((sum, text) => sum + text.length, 0)
    expect(narrowBytes).toBeLessThan(wholeBytes * 0.03)
    // besides lines: one tile of level 1 is not full, so none; the checkpoints
    expect(bytesBelow(join(b.root, logFolder(a.log)))).toBeLessThan(narrowBytes + 16 * 1024)
    // hexadecimal digits pack to half
    expect(taken.bytesReceived).toBeLessThan(narrowBytes * 0.7)

    expect(rootOf(b, a.log)).toBe(rootOf(a, a.log))
    expect(await faultsOf(b)).toEqual([])

    const c = await makeSite('c', [a])
    const [, third] = await meet(b, c)
    expect(third).toMatchObject({ complete: true, events: 201, entriesReceived: 20_000 })
    expect(rootOf(c, a.log)).toBe(rootOf(a, a.log))
    expect(await faultsOf(c)).toEqual([])
  })

  it('SYNC-20: a log that grows bit by bit comes narrowed at each meeting', async () => {
    const a = await makeSite('a')
    const b = await makeSite('b', [a], onlySboms)
    const c = await makeSite('c', [a])
    for (const count of [10, 300, 1, 700, 6, 250]) {
      await a.writer.append(drafts(count))
      expect((await meet(a, b))[1].complete).toBe(true)
      expect((await meet(b, c))[1].complete).toBe(true)
      for (const site of [b, c]) expect(rootOf(site, a.log)).toBe(rootOf(a, a.log))
    }
    expect(textOf(concat(entriesOf(b, a.log)))).not.toContain('scan.done')
    for (const site of [b, c]) expect(await faultsOf(site)).toEqual([])
  })

  it('SYNC-25: what its own interest left out is asked of nobody again, before that changes', async () => {
    const a = await makeSite('a')
    await a.writer.append(drafts(2999))
    a.writer.sign()
    const c = await makeSite('c', [a])
    await meet(a, c)
    const b = await makeSite('b', [a], onlySboms)
    expect((await meet(a, b))[1]).toMatchObject({ complete: true, entriesReceived: 3000 })
    for (const site of [a, c, a]) expect((await meet(site, b))[1]).toMatchObject({ complete: true, entriesReceived: 0 })
    const local = b.replica as LocalReplica
    local.seekAnew()
    expect((await meet(c, b))[1]).toMatchObject({ complete: true, entriesReceived: 3000, events: 0 })
    expect((await meet(a, b))[1]).toMatchObject({ complete: true, entriesReceived: 0 })
  })

  it('SYNC-5: what changes while a session is under way is asked for by the next one, as if nothing were known of the other side', async () => {
    const a = await makeSite('a')
    await a.writer.append(drafts(300))
    const b = await makeSite('b', [a], onlySboms)
    await meet(a, b)
    const local = b.replica as LocalReplica
    const before = local.cursor(a.replica.node)
    expect(before).not.toBe(undefined)
    // the rules change after the session said what it wants, and before its end
    const setCursor = vi.spyOn(local, 'setCursor')
    const heads = local.survey.bind(local)
    vi.spyOn(local, 'survey').mockImplementationOnce((offered, node) => {
      local.seekAnew()
      local.forgetCursors()
      return heads(offered, node)
    })
    await a.writer.append(drafts(1))
    expect((await meet(a, b))[1].complete).toBe(true)
    expect(setCursor).not.toHaveBeenCalled()
    expect(local.cursor(a.replica.node)).toBe(undefined)
    await meet(a, b)
    expect(local.cursor(a.replica.node)).not.toBe(undefined)
  })

  it('SYNC-25: what the other side lacks is asked of others, also by a side with an interest', async () => {
    const a = await makeSite('a')
    await a.writer.append(drafts(999))
    a.writer.sign()
    const c = await makeSite('c', [a], onlySboms)
    await meet(a, c)
    const withScans = (trust: Compiled): Compiled => ({
      ...trust,
      file: { ...trust.file, eventTypes: { allow: ['sbom.*', 'scan.*', 'log.*'], deny: [] } }
    })
    const d = await makeSite('d', [a], withScans)
    expect((await meet(c, d))[1]).toMatchObject({ complete: true, events: 11 })
    expect((await meet(a, d))[1]).toMatchObject({ complete: true, events: 989 })
    // an interest that changes while a session is under way: what is left out may be wanted by then
    const b = await makeSite('b', [a], onlySboms)
    const local = b.replica as LocalReplica
    const survey = local.survey.bind(local)
    vi.spyOn(local, 'survey').mockImplementationOnce((heads, node) => {
      local.seekAnew()
      return survey(heads, node)
    })
    await meet(a, b)
    expect((await meet(a, b))[1].entriesReceived).toBe(1000)
    expect((await meet(d, b))[1].entriesReceived).toBe(0)
  })

  it('SYNC-19: without an interest all lines are sent as they stand', async () => {
    const a = await makeSite('a')
    await a.writer.append(drafts(600))
    const b = await makeSite('b', [a])
    await meet(a, b)
    expect(hex(concat(entriesOf(b, a.log)))).toBe(hex(concat(entriesOf(a, a.log))))
  })

  it('SYNC-24: where a run reaches over an end of what is asked for, the answer ends there as gone', async () => {
    const a = await makeSite('a')
    await a.writer.append(drafts(599))
    const b = await makeSite('b', [a], (trust) => ({
      ...trust,
      file: { ...trust.file, eventTypes: { allow: ['log.*'], deny: [] } }
    }))
    await meet(a, b)
    expect(linesOf(b.store.needFolder(a.log).entries.read(256, 600)).map(({ size }) => size)).toEqual([256, 64, 16, 8])
    expect(await answerTo(b, { from: 0, to: 300, proof: false }, a.log)).toEqual([[0, 256], { count: 256, reason: 1 }])
    expect(await answerTo(b, { from: 300, to: 600, proof: true }, a.log)).toEqual([{ count: 0, reason: 1 }])
    expect(await answerTo(b, { from: 256, to: 600, proof: false }, a.log)).toEqual([[256, 344], { count: 344, reason: 0 }])
    expect(await answerTo(b, { from: 576, to: 592, proof: false }, a.log)).toEqual([[576, 16], { count: 16, reason: 0 }])
  })

  it('SYNC-24: who holds part of a tile takes the rest from a side that has its text', async () => {
    const a = await makeSite('a')
    const [b, c] = [await makeSite('b', [a], onlySboms), await makeSite('c', [a])]
    await a.writer.append(drafts(299))
    await meet(a, c)
    await a.writer.append(drafts(300))
    await meet(a, b)
    expect((await meet(b, c))[1]).toMatchObject({ complete: false, conflicts: 0 })
    expect(c.store.head(a.log)?.size).toBe(300)
    expect((await meet(a, c))[1].complete).toBe(true)
    expect(rootOf(c, a.log)).toBe(rootOf(a, a.log))
  })

  it('SYNC-24: of lines beyond a head, none is fetched where a run reaches over its end', async () => {
    const a = await makeSite('a')
    await a.writer.append(drafts(599))
    a.writer.sign()
    const b = await makeSite('b', [a])
    await b.replica.accept(a.log, [provenOf(a, 0, 256), provenOf(a, 256, 512)])
    const head = (size: number): WireHead => ({
      log: hashOfLogId(a.log),
      size,
      root: new Uint8Array(32),
      author: a.key,
      texts: 0
    })
    expect(b.replica.survey([head(300)])).toEqual([])
    const [all, some] = [b.replica.survey([head(600)]), b.replica.survey([head(256)])]
    expect([all[0]?.have.size, some[0]?.have.size]).toEqual([512, 256])
    expect(hex(some[0]?.have.root() ?? new Uint8Array(0))).toBe(hex(a.store.needFolder(a.log).tiles.treeAt(256).root()))
  })

  it('E_INCOMPLETE: lines that come in another way meanwhile are not covered by a run', async () => {
    const a = await makeSite('a')
    await a.writer.append(drafts(599))
    const b = await makeSite('b', [a])
    await b.replica.accept(a.log, [provenOf(a, 0, 256), provenOf(a, 256, 310, () => false)])
    await expect(b.replica.accept(a.log, [provenOf(a, 256, 512)])).rejects.toMatchObject({ code: 'E_INCOMPLETE' })
    expect(b.store.needFolder(a.log).size).toBe(310)
    expect(textOf(b.store.needFolder(a.log).entry(309).line as Uint8Array)).toContain('"size":308')
  })
})
