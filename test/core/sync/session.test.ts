import { describe, expect, it } from 'vitest'
import {
  type Catchup,
  hashOfLogId,
  type LogId,
  type SyncMessage,
  sha256,
  signCheckpoint,
  utf8,
  type WireHead
} from '../../../src/core/index.ts'
import { type SampleLog, sampleSigner } from '../sample.ts'
import { thrownBy } from '../../thrown.ts'
import { answer, exchange, logOf, Side } from './side.ts'

const hello = (changes: object = {}): SyncMessage => ({
  kind: 'hello',
  version: 1,
  network: 'test',
  node: sampleSigner('peer').publicKey,
  store: new Uint8Array(16),
  seq: 3,
  salt: new Uint8Array(16),
  interest: [],
  ...changes
})
const message = (message: SyncMessage) => ({ kind: 'message', message }) as const
const codeAfter = (...messages: readonly SyncMessage[]) => {
  const side = new Side('a', [logOf(300)])
  side.step({ kind: 'start' })
  return thrownBy(() => messages.forEach((each) => side.step(message(each))))
}
const headOf = (log: ReturnType<typeof logOf>): WireHead => ({
  log: hashOfLogId(log.log),
  size: log.checkpoint.size,
  root: log.checkpoint.root,
  author: log.signer.publicKey,
  texts: 0
})

/** Returns a side that was offered a log and has asked for it. */
function asking(
  log = logOf(600),
  catchups = new Map<LogId, Catchup>(),
  name = 'a'
): { readonly side: Side; readonly want: Extract<SyncMessage, { kind: 'want' }> } {
  const side = new Side(name, [], { catchups })
  side.step({ kind: 'start' })
  side.step(message(hello()))
  side.step(message({ kind: 'changed', heads: [headOf(log)], last: true }))
  return { side, want: side.out.find(({ kind }) => kind === 'want') as Extract<SyncMessage, { kind: 'want' }> }
}

describe('a session', () => {
  it('SYNC-6, SYNC-16: of a few logs lists them all; both have everything afterwards', () => {
    const [a, b] = [new Side('a', [logOf(600), logOf(10, 'x')]), new Side('b', [logOf(300, 'y')])]
    exchange(a, b)
    expect([a.closed, b.closed]).toEqual([true, true])
    expect(b.committed.get(logOf(600).log)).toBe(600)
    expect(a.committed.get(logOf(300, 'y').log)).toBe(300)
    const cursors = a.effects.flatMap((effect) => (effect.kind === 'cursor' ? [[effect.seq, [...effect.store]]] : []))
    expect(cursors).toEqual([[7, [...b.storeId]]])
  })

  it('SYNC-5: with a cursor and nothing new costs a few small frames', () => {
    const b = new Side('b', [logOf(600)])
    const a = new Side('a', [logOf(600)], { cursor: { store: b.storeId, seq: 7 } })
    const c = new Side('b', [logOf(600)], { cursor: { store: a.storeId, seq: 7 } })
    expect(exchange(a, c)).toBe(8)
    expect(a.bytes + c.bytes).toBeLessThan(600)
    expect([a.closed, c.closed]).toEqual([true, true])
  })

  it.each([300, 1000, 3000])('SYNC-7: between stores of %i logs that lost their cursors lists what differs', (count) => {
    const [a, b] = [new Side('a'), new Side('b')]
    const heads = Array.from({ length: count }, (_, i) => ({
      log: sha256(utf8(`log ${i}`)),
      size: 5,
      root: new Uint8Array(32),
      author: sampleSigner('w').publicKey,
      texts: 0
    }))
    a.plain.push(...heads)
    b.plain.push(...heads.map((head, i) => (i % 100 === 7 ? { ...head, size: 6 } : head)))
    ;(a.session as unknown as { self: { logCount: number } }).self.logCount = count
    ;(b.session as unknown as { self: { logCount: number } }).self.logCount = count
    exchange(a, b)
    expect(new Set(a.surveyed.filter(({ size }) => size === 6).map(({ log }) => log.join())).size).toBe(count / 100)
    expect(a.surveyed.length).toBeLessThanOrEqual((4 * count) / 100)
    expect([a.closed, b.closed]).toEqual([true, true])
  })

  it('E_NETWORK, E_VERSION: SYNC-1 with another network or version is refused', () => {
    expect(codeAfter(hello({ network: 'other' }))).toBe('E_NETWORK')
    expect(codeAfter(hello({ version: 2 }))).toBe('E_VERSION')
  })

  it('E_PROTOCOL: SYNC-9 what is out of order is refused', () => {
    const since: SyncMessage = { kind: 'since', store: undefined, seq: 0, logCount: 0 }
    const want: SyncMessage = { kind: 'want', id: 1, log: hashOfLogId(logOf(300).log), from: 0, to: 1, proof: true }
    const changed: SyncMessage = { kind: 'changed', heads: [], last: true }
    expect(codeAfter(since)).toBe('E_PROTOCOL')
    expect(codeAfter(hello(), hello())).toBe('E_PROTOCOL')
    expect(codeAfter(hello(), since, since)).toBe('E_PROTOCOL')
    expect(codeAfter(hello(), changed, changed)).toBe('E_PROTOCOL')
    expect(codeAfter(hello(), { kind: 'bye', entries: 0, complete: true }, want)).toBe('E_PROTOCOL')
    expect(codeAfter(hello(), { kind: 'range', ranges: [] })).toBe('E_PROTOCOL')
    expect(codeAfter(hello(), { kind: 'end', id: 1, count: 0, reason: 0 })).toBe('E_PROTOCOL')
    expect(codeAfter(hello(), { kind: 'lines', id: 1, from: 0, count: 1, text: utf8('{}\n'), size: 0, narrowed: false })).toBe(
      'E_PROTOCOL'
    )
    expect(codeAfter(hello(), { kind: 'checkpoint', id: 9, note: logOf(300).checkpoint.note, cose: undefined })).toBe(
      'E_PROTOCOL'
    )
  })

  it('E_PROTOCOL: LINES before their proof, with a gap, or an END with another count', () => {
    const { side, want } = asking()
    const frames = answer(logOf(600), want)
    expect(thrownBy(() => side.step(message(frames[2] as SyncMessage)))).toBe('E_PROTOCOL')
    const second = asking().side
    expect(thrownBy(() => [0, 1, 3].forEach((i) => second.step(message(frames[i] as SyncMessage))))).toBe('E_PROTOCOL')
    const third = asking().side
    expect(
      thrownBy(() =>
        [...frames.slice(0, -1), { ...(frames.at(-1) as object), count: 7 } as SyncMessage].forEach((each) =>
          third.step(message(each))
        )
      )
    ).toBe('E_PROTOCOL')
  })

  it('E_PROTOCOL: an older checkpoint than what is here is a broken promise and no conflict', () => {
    const side = new Side('a', [logOf(600)])
    side.step({ kind: 'start' })
    side.step(message(hello()))
    side.step(message({ kind: 'changed', heads: [{ ...headOf(logOf(600)), size: 700 }], last: true }))
    const { id } = side.out.find(({ kind }) => kind === 'want') as Extract<SyncMessage, { kind: 'want' }>
    expect(
      thrownBy(() => side.step(message({ kind: 'checkpoint', id, note: logOf(500).checkpoint.note, cose: undefined })))
    ).toBe('E_PROTOCOL')
    expect(side.effects.some(({ kind }) => kind === 'conflict')).toBe(false)
  })

  it('E_ROOT: hashes that do not lead to the head are a lie, where nothing of the log is here', () => {
    const { side, want } = asking()
    const [first, hashes] = answer(logOf(600), want) as [SyncMessage, Extract<SyncMessage, { kind: 'hashes' }>]
    side.step(message(first))
    expect(thrownBy(() => side.step(message({ ...hashes, tiles: hashes.tiles.with(1, (hashes.tiles[1] as number) ^ 1) })))).toBe(
      'E_ROOT'
    )
  })

  it('SYNC-14: another history of a log is a conflict; other logs still come', () => {
    const short = logOf(300)
    const [a, b] = [new Side('a', [short]), new Side('b', [logOf(20, 'x')])]
    const other = logOf(600, 'other')
    const fake = {
      ...other,
      log: short.log,
      signer: short.signer,
      checkpoint: signCheckpoint({ log: short.log, size: 600, root: other.tree.root() }, short.signer)
    }
    b.logs.set(short.log, fake)
    exchange(a, b)
    expect(a.effects.filter(({ kind }) => kind === 'conflict')).toMatchObject([{ log: short.log }])
    expect(a.committed.get(logOf(20, 'x').log)).toBe(20)
    expect(a.closed).toBe(false)
    expect(a.effects.some(({ kind }) => kind === 'cursor')).toBe(false)
  })
})

describe('sessions that share a catch-up', () => {
  const log = logOf(600)

  it('SYNC-13: one source dies midway, the other one finishes', () => {
    const catchups = new Map<LogId, Catchup>()
    const first = asking(log, catchups)
    const second = asking(log, catchups, 'b')
    for (const frame of answer(log, first.want).slice(0, 3)) first.side.step(message(frame))
    for (const frame of answer(log, second.want)) second.side.step(message(frame))
    expect(second.side.closed).toBeUndefined()
    expect(second.side.out.some(({ kind }) => kind === 'bye')).toBe(false)
    first.side.session.release()
    second.side.out.length = 0
    second.side.step({ kind: 'poke' })
    const again = second.side.out.find(({ kind }) => kind === 'want') as Extract<SyncMessage, { kind: 'want' }>
    expect(again).toMatchObject({ from: 256, to: 600, proof: false })
    for (const frame of answer(log, again)) second.side.step(message(frame))
    expect(second.side.committed.get(log.log)).toBe(600)
    expect(catchups.size).toBe(0)
  })

  it('SYNC-12: a liar’s block is refused, and only its session fails', () => {
    const catchups = new Map<LogId, Catchup>()
    const liar = asking(log, catchups)
    const honest = asking(log, catchups, 'b')
    const frames = answer(log, liar.want)
    const lie = frames[2] as Extract<SyncMessage, { kind: 'lines' }>
    liar.side.step(message(frames[0] as SyncMessage))
    liar.side.step(message(frames[1] as SyncMessage))
    expect(thrownBy(() => liar.side.step(message({ ...lie, text: lie.text.with(9, (lie.text[9] as number) ^ 1) })))).toBe(
      'E_ROOT'
    )
    liar.side.session.release()
    for (const frame of answer(log, honest.want)) honest.side.step(message(frame))
    expect(honest.side.committed.get(log.log)).toBe(600)
  })

  it('PEERS-4: lines of another history than another side proved are no lie of this one, unless it proved the same', () => {
    const catchups = new Map<LogId, Catchup>()
    const other = logOf(600, 'other')
    // both prove the history; what the first was asked for is given back when it dies
    const [first, liar] = [asking(log, catchups), asking(log, catchups, 'b')]
    for (const side of [first, liar]) for (const frame of answer(log, side.want).slice(0, 2)) side.side.step(message(frame))
    const [forked, honest] = [new Side('c', [], { catchups }), new Side('d', [], { catchups })]
    for (const side of [forked, honest]) {
      side.step({ kind: 'start' })
      side.step(message(hello()))
      side.step(message({ kind: 'changed', heads: [headOf(log)], last: true }))
    }
    first.side.session.release()
    /** Has a side ask for what it can, and answers its newest request from a log. */
    const answerFrom = (from: SampleLog, side: Side): void => {
      side.step({ kind: 'poke' })
      const want = side.out.findLast(({ kind }) => kind === 'want') as Extract<SyncMessage, { kind: 'want' }>
      expect(want.proof).toBe(false)
      for (const frame of answer(from, want)) side.step(message(frame))
    }
    answerFrom(other, forked)
    expect([forked.stored.size, catchups.size]).toEqual([0, 1])
    expect(thrownBy(() => answerFrom(other, liar.side))).toBe('E_ROOT')
    liar.side.session.release()
    answerFrom(log, honest)
    expect(honest.committed.get(log.log)).toBe(600)
  })

  it('an unfinished catch-up is forgotten once nobody takes part in it', () => {
    const catchups = new Map<LogId, Catchup>()
    const { side, want } = asking(log, catchups)
    for (const frame of answer(log, want).slice(0, 3)) side.step(message(frame))
    expect(catchups.size).toBe(1)
    side.session.release()
    expect(catchups.size).toBe(0)
  })

  it('lines that are all here without their head cost one proof', () => {
    const side = new Side('a')
    side.survey = ({ author }) => ({ log: log.log, author: author as never, have: log.tree.clone(), size: 600 })
    side.step({ kind: 'start' })
    side.step(message(hello()))
    side.step(message({ kind: 'changed', heads: [headOf(log)], last: true }))
    const want = side.out.find(({ kind }) => kind === 'want') as Extract<SyncMessage, { kind: 'want' }>
    expect(want).toMatchObject({ from: 600, to: 600, proof: true })
    for (const frame of answer(log, want)) side.step(message(frame))
    expect(side.committed.get(log.log)).toBe(600)
  })
})
