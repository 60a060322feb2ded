import { describe, expect, it } from 'vitest'
import { Catchup, type EntryRange, type Plan, type ProvenBlock, rangeEntries } from '../../../src/core/index.ts'

const catchupTo = (to: number): Catchup => new Catchup('log' as never, { to } as Plan, { from: 0, to: rangeEntries })
const blockOf = ({ from, to }: EntryRange): ProvenBlock => ({
  from,
  count: to - from,
  text: new Uint8Array(0),
  lines: [],
  tileHash: undefined
})

describe('Catchup', () => {
  it('hands each range to one source, and stores in order whatever the order of arrival', () => {
    const catchup = catchupTo(3 * rangeEntries)
    const [second, third] = [catchup.claim(1e6) as EntryRange, catchup.claim(1e6) as EntryRange]
    expect(catchup.claim(1e6)).toBeUndefined()
    expect(catchup.deliver([blockOf(third)])).toEqual([])
    expect(catchup.deliver([blockOf({ from: 0, to: rangeEntries })]).length).toBe(1)
    expect(catchup.deliver([blockOf(second)]).map(({ from }) => from)).toEqual([rangeEntries, 2 * rangeEntries])
    expect(catchup.done).toBe(true)
  })

  it('gives a source nothing that it does not have', () => {
    const catchup = catchupTo(3 * rangeEntries)
    expect(catchup.claim(rangeEntries + 1)).toBeUndefined()
    catchup.giveBack({ from: 0, to: rangeEntries })
    expect(catchup.claim(rangeEntries)).toEqual({ from: 0, to: rangeEntries })
  })

  it('knows whether somebody still fetches', () => {
    const catchup = catchupTo(rangeEntries)
    expect(catchup.isFetching).toBe(true)
    catchup.giveBack({ from: 0, to: rangeEntries })
    expect(catchup.isFetching).toBe(false)
    catchup.claim(rangeEntries)
    expect(catchup.isFetching).toBe(true)
    catchup.finishRange()
    expect(catchup.isFetching).toBe(false)
  })

  it('does not run ahead of what is stored without bound', () => {
    const catchup = catchupTo(100 * rangeEntries)
    let count = 0
    while (catchup.claim(1e9) !== undefined) count++
    expect(count).toBe(7)
  })
})
