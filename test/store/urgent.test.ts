import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  closedPath,
  closedRecord,
  encodeEvent,
  forkPath,
  type Hlc,
  logIdOf,
  makeSizeForkProof,
  nextKeyDigest,
  openedEvent,
  sha256,
  signCheckpoint,
  signClosing,
  type UrgentRecord,
  utf8,
  verifyUrgent
} from '../../src/core/index.ts'
import { UrgentRecords } from '../../src/store/index.ts'
import { sampleSigner } from '../core/sample.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-urgent-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const [writer, next] = [sampleSigner('writer'), sampleSigner('next')]
const stamp = { time: '2026-11-20T10:00:00.000Z', hlc: '0193a4c2f1d80002' as Hlc }

/** Returns the first line of one of many logs by the same writer. */
function lineOf(number: number): Uint8Array {
  const opened = { publicKey: writer.publicKey, nextKey: nextKeyDigest(next.publicKey), name: 'sample' }
  return encodeEvent(openedEvent(opened, { ...stamp, id: number.toString(16).padStart(32, '0') }))
}

function closed(number: number, size: number): UrgentRecord {
  const line = lineOf(number)
  return closedRecord(line, [signClosing(line, { size, root: sha256(utf8(`root ${size}`)) }, next)])
}

function forked(number: number, size: number): UrgentRecord {
  const line = lineOf(number)
  const head = (mark: string) => signCheckpoint({ log: logIdOf(line), size, root: sha256(utf8(mark)) }, writer)
  return verifyUrgent(makeSizeForkProof(line, head('one'), head('other')))
}

describe('urgent records', () => {
  it('URGENT-3: keep one of each kind of a log, whatever came first, and find it again', () => {
    const log = logIdOf(lineOf(0))
    const records = [closed(0, 9), forked(0, 8), closed(0, 4), forked(0, 5), forked(0, 7), closed(0, 6)]
    const kept: Buffer[][] = []
    for (const order of [records, records.toReversed()]) {
      rmSync(join(root, 'logs'), { recursive: true, force: true })
      const urgent = UrgentRecords.open(root)
      for (const record of order) urgent.add(record)
      for (const one of [urgent, UrgentRecords.open(root)]) {
        expect(one.closed(log)).toMatchObject({ size: 4, conflict: true })
        expect(one.fork(log)).toMatchObject({ atIndex: 4 })
        expect(one.forSession(100)).toHaveLength(2)
      }
      expect(urgent.add(closed(0, 9))).toBeUndefined()
      expect(urgent.add(forked(0, 8))).toBeUndefined()
      kept.push([closedPath(log), forkPath(log)].map((path) => readFileSync(join(root, path))))
    }
    expect(kept[0]).toEqual(kept[1])
  })

  it('URGENT-6: are kept of 1,000 logs without entries, and of every log with some', () => {
    const urgent = UrgentRecords.open(root)
    for (let number = 0; number < 1000; number++) expect(urgent.add(closed(number, 4))).toBeDefined()
    expect(urgent.add(closed(1000, 4))).toBeUndefined()
    // of a log that is known already, more is taken
    expect(urgent.add(closed(0, 3))).toBeDefined()
    mkdirSync(join(root, 'logs', logIdOf(lineOf(1001)), 'entries'), { recursive: true })
    expect(urgent.add(closed(1001, 4))).toBeDefined()
    const seen = new Set<string>()
    for (let session = 0; session < 25; session++) {
      const records = urgent.forSession(100)
      expect(records).toHaveLength(100)
      // what is new always goes, and first
      expect(verifyUrgent(records[0] as Uint8Array).log).toBe(logIdOf(lineOf(1001)))
      for (const record of records) seen.add(Buffer.from(record).toString())
    }
    expect(seen.size).toBe(1001)
  })

  it('pass over a damaged file, and name it', () => {
    const urgent = UrgentRecords.open(root)
    urgent.add(closed(0, 4))
    const path = closedPath(logIdOf(lineOf(0)))
    const bytes = readFileSync(join(root, path))
    bytes[bytes.length - 10] = (bytes[bytes.length - 10] as number) ^ 1
    writeFileSync(join(root, path), bytes)
    const again = UrgentRecords.open(root)
    expect(again.damaged).toEqual([path])
    expect(again.closed(logIdOf(lineOf(0)))).toBeUndefined()
    expect(again.add(closed(0, 4))).toBeDefined()
    expect(UrgentRecords.open(root).damaged).toEqual([])
  })
})
