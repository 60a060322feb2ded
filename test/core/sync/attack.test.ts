import { describe, expect, it } from 'vitest'
import {
  Catchup,
  codeOf,
  hashOfLogId,
  type LogId,
  type Plan,
  type ProvenBlock,
  type Pull,
  rangeEntries,
  type SessionEffect,
  sha256,
  signCheckpoint,
  type SyncMessage,
  Tree,
  utf8
} from '../../../src/core/index.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleSigner } from '../sample.ts'
import { answer, logOf, Side } from './side.ts'

const message = (one: SyncMessage) => ({ kind: 'message', message: one }) as const
const hello: SyncMessage = {
  kind: 'hello',
  version: 1,
  network: 'test',
  node: sampleSigner('peer').publicKey,
  store: new Uint8Array(16),
  seq: 3,
  salt: new Uint8Array(16),
  interest: []
}
type Want = Extract<SyncMessage, { kind: 'want' }>

/** Returns a side that knows another one, which offers it a log; with what it asks for. */
function asking(
  log = logOf(600),
  catchups = new Map<LogId, Catchup>(),
  name = 'a'
): { readonly side: Side; readonly want: Want } {
  const side = new Side(name, [], { catchups })
  const head = {
    log: hashOfLogId(log.log),
    size: log.checkpoint.size,
    root: log.checkpoint.root,
    author: log.signer.publicKey,
    texts: 0
  }
  side.step({ kind: 'start' })
  side.step(message(hello))
  side.step(message({ kind: 'changed', heads: [head], last: true }))
  return { side, want: side.out.find(({ kind }) => kind === 'want') as Want }
}

describe('a peer that means to use memory up', () => {
  it('SYNC-30 E_PROTOCOL: with WANTs whose answers it does not read', () => {
    const { session } = new Side('a', [logOf(300)])
    session.step({ kind: 'start' })
    session.step(message(hello))
    const want = (id: number): readonly SessionEffect[] =>
      session.step(message({ kind: 'want', id, log: hashOfLogId(logOf(300).log), from: 0, to: 300, proof: false }))
    for (let id = 1; id <= 64; id++) expect(want(id).some(({ kind }) => kind === 'serve')).toBe(true)
    expect(thrownBy(() => want(65))).toBe('E_PROTOCOL')
    session.step({ kind: 'served', entries: 300 })
    expect(thrownBy(() => want(66))).toBeUndefined()
  })

  it('SYNC-30 E_LINE: with lines that are longer than lines can be, of a tile that never ends', () => {
    const { side, want } = asking()
    for (const frame of answer(logOf(600), want).slice(0, 2)) side.step(message(frame))
    const lines = (count: number, bytes: number): SyncMessage => ({
      kind: 'lines',
      id: want.id,
      from: 0,
      count,
      text: new Uint8Array(bytes),
      size: 0,
      narrowed: false
    })
    expect(thrownBy(() => side.step(message(lines(1, 65_537))))).toBe('E_LINE')
    expect(thrownBy(() => side.step(message(lines(15, 1024 * 1024))))).toBe('E_LINE')
    expect(thrownBy(() => side.step(message(lines(1, 65_536))))).toBeUndefined()
  })

  it('SYNC-30: with the hashes of a log of a trillion entries, which its writer signed', () => {
    const log = logOf(600)
    const { side, want } = asking(log)
    const { note } = signCheckpoint({ log: log.log, size: 2 ** 40, root: sha256(utf8('x')) }, log.signer)
    side.step(message({ kind: 'checkpoint', id: want.id, note, cose: undefined }))
    const hashes: SyncMessage = {
      kind: 'hashes',
      id: want.id,
      tiles: new Uint8Array(64 * 1024),
      edge: new Uint8Array(0),
      last: false
    }
    // the log is let go of, and what still comes for it is not kept
    for (let i = 0; i < 10; i++) side.step(message(hashes))
    side.step(message({ kind: 'end', id: want.id, count: 0, reason: 1 }))
    side.step(message({ kind: 'since', store: undefined, seq: 0, logCount: 0 }))
    expect(side.out.find(({ kind }) => kind === 'bye')).toMatchObject({ complete: false })
  })

  it('SYNC-30 E_PROTOCOL: with HASHES that hold none', () => {
    const { side, want } = asking()
    side.step(message(answer(logOf(600), want)[0] as SyncMessage))
    const empty: SyncMessage = { kind: 'hashes', id: want.id, tiles: new Uint8Array(0), edge: new Uint8Array(0), last: false }
    expect(thrownBy(() => side.step(message(empty)))).toBe('E_PROTOCOL')
  })

  it('SYNC-30: with logs that it makes up: of more than 65,536 the rest is left to the next session', () => {
    const { side } = asking()
    const { author } = { author: sampleSigner('writer').publicKey }
    const pulls: readonly Pull[] = Array.from({ length: 70_000 }, (_, i) => ({
      log: `log${i}` as LogId,
      author: author as Pull['author'],
      have: new Tree(),
      size: 1
    }))
    expect(side.session['fetching'].failedPulls).toBe(0)
    side.session['fetching'].add(pulls)
    expect(side.session['fetching'].failedPulls).toBe(70_000 - 65_536)
  })
})

describe('a peer that means to use time up', () => {
  it('SYNC-30 E_PROTOCOL: comparing all logs over and over', () => {
    const side = new Side('a', [logOf(300), logOf(10, 'x')])
    side.step({ kind: 'start' })
    side.step(message(hello))
    const range = { low: new Uint8Array(0), high: new Uint8Array(0), fingerprint: new Uint8Array(16) }
    let frames = 0
    const code = ((): string | undefined => {
      try {
        for (; frames < 10_000; frames++) side.step(message({ kind: 'range', ranges: [range] }))
        return undefined
      } catch (error) {
        return codeOf(error)
      }
    })()
    expect([code, frames]).toEqual(['E_PROTOCOL', 4096])
    const many = new Side(
      'b',
      Array.from({ length: 3 }, (_, i) => logOf(3 + i, 'many'))
    )
    many.step({ kind: 'start' })
    many.step(message(hello))
    expect(thrownBy(() => many.session['listing'].takeRanges([range], []))).toBeUndefined()
  })

  it('SYNC-13: owing what a catch-up waits for: it is asked of a source that has nothing else to do', () => {
    const log = logOf(600)
    const catchups = new Map<LogId, Catchup>()
    const stalls = asking(log, catchups, 'a')
    for (const frame of answer(log, stalls.want).slice(0, 2)) stalls.side.step(message(frame))
    const honest = asking(log, catchups, 'b')
    expect([catchups.size, honest.want]).toEqual([1, undefined])
    const wants = (): readonly Want[] => honest.side.out.filter((one) => one.kind === 'want')
    honest.side.step({ kind: 'tick' })
    expect(wants()).toEqual([])
    honest.side.step({ kind: 'tick' })
    const [want] = wants()
    expect(want).toMatchObject({ from: 0, to: 600, proof: false })
    honest.side.step({ kind: 'tick' })
    expect(wants().length).toBe(1)
    for (const frame of answer(log, want as Want)) honest.side.step(message(frame))
    expect(honest.side.committed.get(log.log)).toBe(600)
    // what the other one still sends is stored no second time
    for (const frame of answer(log, stalls.want).slice(2)) stalls.side.step(message(frame))
    expect(stalls.side.stored.get(log.log) ?? []).toEqual([])
  })

  it('SYNC-13: what is asked of two sources is stored once, whoever gives it', () => {
    const catchup = new Catchup('log' as LogId, { to: 2 * rangeEntries } as Plan, { from: 0, to: rangeEntries })
    const blockOf = (from: number): ProvenBlock => ({
      from,
      count: rangeEntries,
      text: new Uint8Array(0),
      lines: [],
      tileHash: undefined
    })
    expect(catchup.claimOwed(rangeEntries - 1)).toBeUndefined()
    expect(catchup.claimOwed(1e6)).toEqual({ from: 0, to: rangeEntries })
    expect(catchup.deliver([blockOf(0)]).length).toBe(1)
    expect(catchup.deliver([blockOf(0)])).toEqual([])
    // the first source gives up what came another way
    catchup.giveBack({ from: 0, to: rangeEntries })
    expect(catchup.claim(1e6)).toEqual({ from: rangeEntries, to: 2 * rangeEntries })
    expect(catchup.claim(1e6)).toBeUndefined()
    expect(catchup.deliver([blockOf(rangeEntries)]).length).toBe(1)
    expect([catchup.done, catchup.claimOwed(1e6)]).toEqual([true, undefined])
  })
})
