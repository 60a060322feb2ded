import { afterEach, describe, expect, it } from 'vitest'
import { codeOf, type EntryBlock, hex, type LogId, RejoinError, textOf, type WireHead } from '../../src/core/index.ts'
import type { Replica } from '../../src/replica/index.ts'
import { driveSession, pipe } from '../../src/sync/index.ts'
import { makeSite, meet, removeSites, type Site } from './sites.ts'

afterEach(removeSites)

const drafts = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ type: 'sbom.published', subject: `x:${i}`, data: { size: i } }))

interface Sought {
  readonly node: string
  readonly store: string
  readonly heads: readonly WireHead[]
}

/** Returns what a replica does that holds the hashes of some entries, and what it was asked and given. */
function hungry(of: () => LogId, ranges: readonly { from: number; to: number }[], take: (block: EntryBlock) => void = () => {}) {
  const seen: { readonly sought: Sought[]; readonly blocks: EntryBlock[]; readonly from: string[] } = {
    sought: [],
    blocks: [],
    from: []
  }
  const members: Partial<Replica> = {
    seek: (node, store, heads) => {
      seen.sought.push({ node: hex(node), store: hex(store), heads })
      return heads.length > 0 ? [{ log: of(), ranges }] : []
    },
    takeTexts: async (_, block, node) => {
      seen.from.push(hex(node))
      seen.blocks.push(block)
      await Promise.resolve()
      take(block)
      return { events: block.count, refused: 1, held: 2 }
    }
  }
  return { ...seen, members }
}

/** Returns a site whose log another one holds already, all but for some texts as it says. */
async function holder(ranges: readonly { from: number; to: number }[], take?: (block: EntryBlock) => void) {
  const a = await makeSite('a')
  await a.writer.append(drafts(599))
  const hunger = hungry(() => a.log, ranges, take)
  const b = await makeSite('b', [a], undefined, hunger.members)
  return { a, b, ...hunger }
}

const lineAt = (site: Site, index: number): string => textOf(site.store.needFolder(site.log).entry(index).line as Uint8Array)

describe('texts over a stream', () => {
  it('SYNC-22: come with the lines that the other side has, after the log itself', async () => {
    const { a, b, sought, blocks, from } = await holder([{ from: 256, to: 600 }])
    const [sent, taken] = await meet(a, b)
    expect(b.store.head(a.log)?.size).toBe(600)
    expect(sought.map(({ node, store }) => [node, store])).toEqual([[hex(a.key), a.store.journal.storeId]])
    expect(sought[0]?.heads.map(({ size, texts }) => [size, texts])).toEqual([[600, 0]])
    expect(blocks.map(({ from: at, count }) => [at, count])).toEqual([[256, 344]])
    expect(from).toEqual([hex(a.key)])
    expect(textOf((blocks[0] as EntryBlock).text).split('\n')[515 - 256]).toBe(lineAt(a, 515))
    expect(taken).toMatchObject({ complete: true, events: 600 + 344, refused: 1, held: 2, entriesReceived: 944 })
    expect(sent).toMatchObject({ complete: true, entriesSent: 944 })
  })

  it('SYNC-23: that are not the log’s are refused, and the session is complete', async () => {
    const { a, b, blocks } = await holder(
      [
        { from: 0, to: 512 },
        { from: 512, to: 600 }
      ],
      () => {
        throw new RejoinError('E_ROOT', 'not the lines')
      }
    )
    const faults: unknown[] = []
    const [x, y] = pipe()
    const { signal } = new AbortController()
    const [, taken] = await Promise.all([
      driveSession(a.replica, x, { signal, share: a.share, peer: b.key }),
      driveSession(b.replica, y, { signal, share: b.share, peer: a.key, onFault: (fault) => faults.push(fault) })
    ])
    expect(taken).toMatchObject({ complete: true, events: 600 })
    expect(blocks.length).toBeGreaterThan(0)
    expect(faults).toEqual([])
    expect(b.replica.cursor(a.key)?.storeId).toBe(a.store.journal.storeId)
  })

  it('SYNC-23: that are not there leave the session complete', async () => {
    const { a, b, blocks } = await holder([{ from: 512, to: 768 }])
    const [, taken] = await meet(a, b)
    expect(taken).toMatchObject({ complete: true, entriesReceived: 600 + 88 })
    expect(blocks).toEqual([])
  })

  it('that can not be stored fail the session', async () => {
    const { a, b } = await holder([{ from: 0, to: 256 }], () => {
      throw new RejoinError('E_NO_SPACE', 'full')
    })
    const [x, y] = pipe()
    const { signal } = new AbortController()
    const [, taken] = await Promise.allSettled([
      driveSession(a.replica, x, { signal, share: a.share, peer: b.key }),
      driveSession(b.replica, y, { signal, share: b.share, peer: a.key })
    ])
    expect(taken.status === 'rejected' && codeOf(taken.reason)).toBe('E_NO_SPACE')
    expect(b.store.head(a.log)?.size).toBe(600)
  })

  it('SYNC-21: the number of the change that brought texts is in CHANGED', async () => {
    const a = await makeSite('a')
    const hunger = hungry(() => a.log, [])
    const b = await makeSite('b', [a], undefined, hunger.members)
    a.store.textsOf = () => 41
    await meet(a, b)
    expect(hunger.sought[0]?.heads.map(({ texts }) => texts)).toEqual([41])
  })
})
