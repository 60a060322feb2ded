import { describe, expect, it } from 'vitest'
import { endReason, logIdOfHash, type SessionEffect, type SyncMessage, type TextPull } from '../../../src/core/index.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleSigner } from '../sample.ts'
import { answer, exchange, logOf, Side, textOfLines } from './side.ts'

type Want = Extract<SyncMessage, { kind: 'want' }>
type Texts = Extract<SessionEffect, { kind: 'texts' }>

const log = logOf(600)
const other = logOf(300, 'other')
const message = (one: SyncMessage) => ({ kind: 'message', message: one }) as const
const textsOf = (side: Side): readonly Texts[] => side.effects.filter((effect) => effect.kind === 'texts')
const wantsOf = (side: Side): readonly Want[] => side.out.filter((one) => one.kind === 'want')

/** Has a side want texts once, after its first survey. */
function seeking(side: Side, pulls: readonly TextPull[]): Side {
  let asked = false
  side.seek = () => {
    const now = asked ? [] : pulls
    asked = true
    return now
  }
  return side
}

/** Returns a side that has all entries and was told everything by the other side, which serves nothing yet. */
function waiting(pulls: readonly TextPull[]): Side {
  const side = seeking(new Side('a', [log, other]), pulls)
  const peer = new Side('b', [log, other])
  for (const one of [side, peer]) one.step({ kind: 'start' })
  for (const one of peer.out.splice(0)) side.step(message(one))
  for (const one of side.out.filter(({ kind }) => kind === 'hello' || kind === 'since')) peer.step(message(one))
  for (const one of peer.out.splice(0)) side.step(message(one))
  return side
}
const lines = (id: number, from: number, to: number): SyncMessage => ({
  kind: 'lines',
  id,
  from,
  count: to - from,
  text: textOfLines(log, from, to),
  size: 0,
  narrowed: false
})

describe('texts in a session', () => {
  it('SYNC-22: are asked for after everything else, and handed out as whole tiles', () => {
    const pulls = [
      {
        log: log.log,
        ranges: [
          { from: 0, to: 256 },
          { from: 512, to: 600 }
        ]
      }
    ]
    const [a, b] = [seeking(new Side('a', [log]), pulls), new Side('b', [log, other])]
    exchange(a, b)
    const wants = a.effects.flatMap((effect) =>
      effect.kind === 'send' && effect.message.kind === 'want' ? [effect.message] : []
    )
    expect(wants.map(({ from, to, proof }) => [from, to, proof])).toEqual([
      [0, 300, true],
      [0, 256, false],
      [512, 600, false]
    ])
    const committed = a.effects.findIndex(({ kind }) => kind === 'commit')
    const asked = a.effects.findIndex((effect) => effect.kind === 'send' && effect.message === wants[1])
    expect(committed).toBeLessThan(asked)
    expect(textsOf(a).map(({ log: of, block: { from, count } }) => [of, from, count])).toEqual([
      [log.log, 0, 256],
      [log.log, 512, 88]
    ])
    expect(textsOf(a)[1]?.block.text).toEqual(textOfLines(log, 512, 600))
    expect([a.closed, b.closed]).toEqual([true, true])
    const byes = a.effects.flatMap((effect) => (effect.kind === 'send' && effect.message.kind === 'bye' ? [effect.message] : []))
    expect(byes).toEqual([{ kind: 'bye', entries: 300 + 256 + 88, complete: true }])
  })

  it('SYNC-22: are sought once at least, with whose they would be', () => {
    const [a, b] = [new Side('a'), new Side('b')]
    exchange(a, b)
    const seeks = a.effects.filter((effect) => effect.kind === 'seek')
    expect(seeks).toEqual([{ kind: 'seek', node: sampleSigner('b').publicKey, store: Uint8Array.from(b.storeId), heads: [] }])
  })

  it('a long range is cut into requests, of which few are under way at once; BYE waits for all', () => {
    const side = waiting([{ log: log.log, ranges: [{ from: 0, to: 50_000 }] }])
    const ranges = (): readonly (readonly [number, number])[] => wantsOf(side).map(({ from, to }) => [from, to])
    expect(ranges()).toEqual([0, 8192, 16_384, 24_576].map((from) => [from, from + 8192]))
    side.step(message({ kind: 'end', id: wantsOf(side)[0]?.id as number, count: 0, reason: endReason.done }))
    expect(ranges().at(-1)).toEqual([32_768, 40_960])
    expect(side.out.some(({ kind }) => kind === 'bye')).toBe(false)
    for (let at = 1; at < wantsOf(side).length; at++)
      side.step(message({ kind: 'end', id: wantsOf(side)[at]?.id as number, count: 0, reason: endReason.done }))
    expect(ranges().at(-1)).toEqual([49_152, 50_000])
    expect(side.out.at(-1)).toEqual({ kind: 'bye', entries: 0, complete: true })
  })

  it('SYNC-23: that do not come leave the session complete', () => {
    const side = waiting([
      {
        log: log.log,
        ranges: [
          { from: 0, to: 256 },
          { from: 256, to: 600 }
        ]
      },
      { log: other.log, ranges: [{ from: 0, to: 300 }] }
    ])
    const [first, second, third] = wantsOf(side) as [Want, Want, Want]
    side.step(message(lines(first.id, 0, 256)))
    side.step(message({ kind: 'end', id: first.id, count: 256, reason: endReason.done }))
    side.step(message({ kind: 'end', id: second.id, count: 0, reason: endReason.gone }))
    side.step(message(lines(third.id, 0, 256)))
    side.step(message({ kind: 'end', id: third.id, count: 256, reason: endReason.gone }))
    expect(side.out.at(-1)).toEqual({ kind: 'bye', entries: 512, complete: true })
    side.step(message({ kind: 'bye', entries: 0, complete: true }))
    expect(side.closed).toBe(true)
    expect(side.effects.some(({ kind }) => kind === 'cursor')).toBe(true)
  })

  it('SYNC-23: whose lines were refused, or that are gone, are asked for no further', () => {
    const pulls = [log.log, other.log].map((of) => ({ log: of, ranges: [{ from: 0, to: 40_960 }] }))
    for (const reason of [endReason.done, endReason.gone]) {
      const side = waiting(pulls)
      const first = wantsOf(side)[0] as Want
      if (reason === endReason.done) side.step({ kind: 'texts-refused', log: log.log })
      side.step(message({ kind: 'end', id: first.id, count: 0, reason }))
      const next = wantsOf(side).slice(4)
      expect(next.map(({ log: of, from }) => [logIdOfHash(of), from])).toEqual([[other.log, 0]])
    }
  })

  it('E_PROTOCOL: with a gap, beyond what was asked for, not up to a tile’s end, or with another count at END', () => {
    const after = (...frames: readonly ((id: number) => SyncMessage)[]): string | undefined => {
      const side = waiting([{ log: log.log, ranges: [{ from: 0, to: 512 }] }])
      const { id } = wantsOf(side)[0] as Want
      return thrownBy(() => frames.forEach((frame) => side.step(message(frame(id)))))
    }
    expect(after((id) => lines(id, 1, 256))).toBe('E_PROTOCOL')
    expect(after((id) => lines(id, 0, 513))).toBe('E_PROTOCOL')
    expect(after((id) => ({ kind: 'lines', id, from: 0, count: 0, text: new Uint8Array(0), size: 0, narrowed: false }))).toBe(
      'E_PROTOCOL'
    )
    expect(after((id) => lines(id, 0, 300))).toBe('E_PROTOCOL')
    expect(
      after(
        (id) => lines(id, 0, 256),
        (id) => ({ kind: 'end', id, count: 255, reason: 0 })
      )
    ).toBe('E_PROTOCOL')
    expect(
      after(
        (id) => lines(id, 0, 100),
        (id) => lines(id, 100, 256),
        (id) => lines(id, 256, 512)
      )
    ).toBeUndefined()
    expect(
      after(
        (id) => ({ kind: 'end', id, count: 0, reason: 0 }),
        (id) => lines(id, 0, 256)
      )
    ).toBe('E_PROTOCOL')
  })

  it('that are cut off with the connection leave the session incomplete', () => {
    const side = waiting([{ log: log.log, ranges: [{ from: 0, to: 600 }] }])
    const frames = answer(log, wantsOf(side)[0] as Want)
    side.step(message(frames[0] as SyncMessage))
    side.step({ kind: 'ended' })
    expect(side.closed).toBe(false)
    expect(textsOf(side).length).toBe(1)
    expect(side.effects.some(({ kind }) => kind === 'cursor')).toBe(false)
  })

  it('SYNC-20: what the other side wants goes with each of its requests', () => {
    const wanted = [{ types: ['sbom.*'] }]
    const [a, b] = [new Side('a', [], { interest: wanted }), new Side('b', [log])]
    exchange(a, b)
    expect(b.effects.flatMap((effect) => (effect.kind === 'serve' ? [effect.interest] : []))).toEqual([wanted])
    expect(a.committed.get(log.log)).toBe(600)
  })
})
