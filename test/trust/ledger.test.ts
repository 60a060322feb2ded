import { array, boolean, constantFrom, integer, property, record } from 'fast-check'
import { expect, it } from 'vitest'
import { type LogId, parseHlc, parseLogId } from '../../src/core/index.ts'
import { Ledger } from '../../src/trust/ledger.ts'
import { compileTrust } from '../../src/trust/index.ts'
import { trustFile } from '../core/trust/sample-trust.ts'
import { holds } from '../property.ts'

const logs = ['a', 'b'].map((letter) => parseLogId(`${letter}${'a'.repeat(51)}`))
const burst = 2
const compiled = compileTrust(
  trustFile({
    quotas: new Map([['ci', { events: 10, bytes: 1000 }]]),
    identityRate: { eventsPerSecond: 100, bytesPerSecond: 1e9, burst }
  })
)
const hlcOf = (ms: number): ReturnType<typeof parseHlc> => parseHlc(`${ms.toString(16).padStart(12, '0')}0000`)

interface Here {
  readonly log: LogId
  readonly index: number
  readonly bytes: number
}

it('TRUST-30 counts as one that goes through everything again', () => {
  const change = record({
    log: constantFrom(...logs),
    index: integer({ min: 0, max: 12 }),
    bytes: integer({ min: 1, max: 50 }),
    drops: boolean()
  })
  holds(
    property(array(change, { maxLength: 60 }), (changes) => {
      const ledger = new Ledger()
      ledger.configure(compiled)
      let here: readonly Here[] = []
      for (const { log, index, bytes, drops } of changes) {
        const event = { data: {}, hlc: hlcOf(1000 * index) }
        const others = here.filter((one) => one.log !== log || one.index !== index)
        const before = others.filter((one) => one.log !== log || one.index < index)
        const recent = before.filter((one) => one.log === log && one.index > index - burst)
        const sum = (some: readonly Here[]): number => some.reduce((all, one) => all + one.bytes, 0)
        expect(ledger.before('ci', log, index, event)).toEqual({
          events: before.length,
          bytes: sum(before),
          recentEvents: recent.length,
          recentBytes: sum(recent)
        })
        if (drops) ledger.drop(log, index)
        else ledger.add('ci', log, index, event, bytes)
        if (drops) here = others
        else if (others.length === here.length) here = [...here, { log, index, bytes }]
      }
    })
  )
})
