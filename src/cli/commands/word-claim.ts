import type { AnyRecord } from '../ask.ts'
import { printable } from '../output.ts'

/** Returns one line for an installation, a claim, a claim result, or one of these that could not be read. */
export function wordClaim(record: AnyRecord): string {
  const of = (member: string): string => printable(String(record[member]))
  const place = `${of('log').slice(0, 8)}/${of('index')}`
  const disputed = record['disputed'] === true ? ['(its ID is of several documents)'] : []
  switch (record.kind) {
    case 'installation': {
      const status = of('status') === '' ? 'no result' : of('status')
      const count = Number(record['claims'])
      const state = `${of('action')}: ${status}`
      return [
        of('installation').padEnd(24),
        of('bundle'),
        state,
        of('created'),
        of('author'),
        `${count} claim${count === 1 ? '' : 's'}`
      ].join('  ')
    }
    case 'claim':
      return ['claim ', of('id'), of('action').padEnd(10), of('bundle'), of('created'), of('author'), place, ...disputed].join(
        '  '
      )
    case 'claim-result': {
      const unknown = record['installation'] === undefined ? [`of the claim ${of('claimId')}, which is not here`] : []
      const message = of('message') === '' ? [] : [of('message')]
      return [
        '  result',
        of('id'),
        of('status').padEnd(10),
        of('created'),
        of('author'),
        place,
        ...unknown,
        ...disputed,
        ...message
      ].join('  ')
    }
    default:
      return ['unread', of('digest'), of('author'), place, of('reason')].join('  ')
  }
}
