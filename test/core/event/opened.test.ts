import { describe, expect, it } from 'vitest'
import {
  base64,
  digestOf,
  encodeEvent,
  type Hlc,
  hex,
  isName,
  type Json,
  logIdOf,
  nextKeyDigest,
  type Opened,
  openedEvent,
  parseEvent,
  parseOpened,
  parseOpenedLine,
  type RejoinEvent,
  utf8
} from '../../../src/core/index.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleEvent, sampleSigner } from '../sample.ts'

const { publicKey } = sampleSigner('writer')
const nextKey = nextKeyDigest(sampleSigner('next').publicKey)
const stamp = { id: '0123456789abcdef'.repeat(2), time: '2026-11-20T10:00:00.000Z', hlc: '0193a4c2f1d80002' as Hlc }
const opened: Opened = { publicKey, nextKey, name: 'edge-17' }
const succeeds = { log: logIdOf(utf8('before')), size: 7, root: new Uint8Array(32).fill(9) }
const event = openedEvent(opened, stamp)
const parseWith = (changes: Readonly<Record<string, Json>>, without?: string) => {
  const data = Object.fromEntries(Object.entries({ ...event.data, ...changes }).filter(([key]) => key !== without))
  return thrownBy(() => parseOpened({ ...event, data }))
}

describe('log.opened', () => {
  it('LOG-2: comes back from its line', () => {
    expect(parseOpenedLine(encodeEvent(event))).toEqual(opened)
    expect(parseOpened(event)).toEqual(opened)
    expect(event.data).toEqual({ name: 'edge-17', next: nextKey, publicKey: hex(publicKey) })
  })

  it('LOG-7: comes back with the log that it succeeds', () => {
    const line = encodeEvent(openedEvent({ ...opened, succeeds }, stamp))
    expect(parseOpenedLine(line)).toEqual({ ...opened, succeeds })
    expect(parseEvent(line).data['succeeds']).toEqual({ log: succeeds.log, root: base64(succeeds.root), size: 7 })
  })

  it('LOG-2: is the type of the first event, and nothing else: E_OPENED', () => {
    const other = sampleEvent(sampleSigner('writer'), 1, stamp.hlc)
    expect(thrownBy(() => parseOpened(other))).toBe('E_OPENED')
    expect(parseWith({ more: 1 })).toBe('E_OPENED')
    for (const member of ['publicKey', 'next', 'name']) expect(parseWith({}, member)).toBe('E_OPENED')
  })

  it('LOG-3: has the source that its public key spells: E_OPENED', () => {
    const stolen: RejoinEvent = {
      ...event,
      source: openedEvent({ ...opened, publicKey: sampleSigner('x').publicKey }, stamp).source
    }
    expect(thrownBy(() => parseOpened(stolen))).toBe('E_OPENED')
  })

  it.each([
    ['LOG-4', { publicKey: hex(publicKey).toUpperCase() }, 'E_OPENED'],
    ['LOG-4', { publicKey: 1 }, 'E_OPENED'],
    ['LOG-4', { publicKey: hex(publicKey).slice(2) }, 'E_KEY'],
    ['LOG-4', { publicKey: '01'.padEnd(64, '0') }, 'E_KEY'],
    ['LOG-5', { next: 'sha256:1' }, 'E_OPENED'],
    ['LOG-5', { next: 1 }, 'E_OPENED'],
    ['LOG-6', { name: '' }, 'E_OPENED'],
    ['LOG-6', { name: ' x' }, 'E_OPENED'],
    ['LOG-6', { name: 'a\u001b[2Jb' }, 'E_OPENED'],
    ['LOG-6', { name: 'a\nb' }, 'E_OPENED'],
    ['LOG-6', { name: 'a\u202eb' }, 'E_OPENED'],
    ['LOG-6', { name: 'x'.repeat(65) }, 'E_OPENED'],
    ['LOG-6', { name: 7 }, 'E_OPENED'],
    ['LOG-7', { succeeds: null }, 'E_OPENED'],
    ['LOG-7', { succeeds: {} }, 'E_OPENED'],
    ['LOG-7', { succeeds: { log: 'x', size: 1, root: base64(succeeds.root) } }, 'E_OPENED'],
    ['LOG-7', { succeeds: { log: succeeds.log, size: -1, root: base64(succeeds.root) } }, 'E_OPENED'],
    ['LOG-7', { succeeds: { log: succeeds.log, size: 1.5, root: base64(succeeds.root) } }, 'E_OPENED'],
    ['LOG-7', { succeeds: { log: succeeds.log, size: 1, root: 'AA==' } }, 'E_OPENED'],
    ['LOG-7', { succeeds: { log: succeeds.log, size: 1, root: base64(succeeds.root), more: 1 } }, 'E_OPENED']
  ] as const)('%s: is not with %j: %s', (_, changes, code) => {
    expect(parseWith(changes as unknown as Readonly<Record<string, Json>>)).toBe(code)
  })

  it.each(['edge-17', 'Knoten 7', 'ノード', 'a', 'x'.repeat(64), 'me@home.example', 'a_b.c'])(
    'LOG-6: names may be %j',
    (name) => {
      expect(isName(name)).toBe(true)
    }
  )

  it('LOG-5: commits to the digest of the next key', () => {
    expect(nextKeyDigest(publicKey)).toBe(digestOf(publicKey))
  })
})
