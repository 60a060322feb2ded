import { join } from 'node:path'
import {
  didOf,
  edgeLength,
  entriesPerFile,
  equal,
  foldEdge,
  fromBase64,
  isLogId,
  isObject,
  leafHash,
  type LogId,
  parseCheckpoint,
  parseEvent,
  RejoinError,
  textOf,
  tileWidth,
  Tree,
  utf8,
  verifyCheckpoint,
  verifyCoseCheckpoint
} from '../core/index.ts'
import { readFileRangeSync } from './file.ts'
import { readEntriesText } from './fsck-entries.ts'
import type { CheckedLog } from './fsck-log.ts'
import { type Fault, faultOf, type FsckRun, isTemporary, namesIn } from './fsck-run.ts'
import { parseJson } from './fsck-settings.ts'
import { splitOffer } from './incoming.ts'

type Logs = ReadonlyMap<LogId, CheckedLog>

const wholeFile = Number.MAX_SAFE_INTEGER

/** Checks the text that this node keeps for itself: each line must be the one that its withheld marker stands for. */
export async function* checkPrivateEntries(run: FsckRun, logs: Logs): AsyncGenerator<Fault, void, void> {
  for (const folder of ['private/logs', 'private/held']) {
    for (const log of namesIn(run.root, folder).filter(isLogId)) {
      for (const name of namesIn(run.root, `${folder}/${log}/entries`)) {
        if (isTemporary(name)) continue
        yield* privateFile(run, logs.get(log), log, `${folder}/${log}/entries/${name}`)
        await run.step()
      }
    }
  }
}

function* privateFile(run: FsckRun, checked: CheckedLog | undefined, log: LogId, path: string): Generator<Fault, void, void> {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const number = Number(/^(\d{6,})\.ndjson$/.exec(name)?.[1] ?? Number.NaN)
  if (Number.isNaN(number)) {
    yield { path, offset: 0, reason: 'no entries belong in a file of this name', code: 'E_DAMAGED' }
    return
  }
  const text = readFileRangeSync(join(run.root, path), 0, wholeFile) ?? new Uint8Array(0)
  run.counts.bytes += text.length
  const lines = readEntriesText(run.root, log, number)?.lines ?? []
  const hashOf = new Map(lines.filter(({ size }) => size === 1).map(({ index, hash }) => [index, hash]))
  const places = new Map([...hashOf].map(([index, hash]) => [Buffer.from(hash).toString('latin1'), index]))
  const runs = lines.filter(({ size }) => size > 1)
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf(10, start)
    const end = newline < 0 ? text.length : newline
    try {
      const { index, event } = parsePrivateLine(text.subarray(start, end), newline < 0)
      if (event === undefined) return
      if (Math.floor(index / entriesPerFile) !== number) throw new RejoinError('E_LINE', `entry ${index} belongs in another file`)
      const source = parseEvent(event).source
      if (checked !== undefined && source !== didOf(checked.opened.publicKey))
        throw new RejoinError('E_EVENT', "the source is not the log's writer")
      const hash = leafHash(event)
      const known = hashOf.get(index)
      const covered = known !== undefined || runs.some((line) => index >= line.index && index < line.index + line.size)
      if (known !== undefined && !equal(known, hash))
        throw new RejoinError('E_LINE', `it has another hash than entry ${index} of the log`)
      // kept before its marker was written: then the log has no such entry anywhere
      if (!covered && places.has(Buffer.from(hash).toString('latin1')))
        throw new RejoinError('E_LINE', `it is not entry ${index} of the log`)
    } catch (error) {
      yield faultOf(error, path, start)
    }
    start = end + 1
  }
}

const beforeEvent = utf8('{"event":')
const afterEvent = /,"index":(0|[1-9][0-9]{0,15})\}$/

/** Returns the parts of a private line; no event where it is the last one and was torn by a crash. @throws E_LINE */
function parsePrivateLine(line: Uint8Array, isTorn: boolean): { readonly index: number; readonly event: Uint8Array | undefined } {
  const tail = Buffer.from(line.subarray(Math.max(0, line.length - 30))).toString('latin1')
  const match = afterEvent.exec(tail)
  if (isTorn) {
    // what a crash cut off is the beginning of a line and never holds a whole one
    const brace = line.lastIndexOf(0x7d)
    if (brace >= 0 && afterEvent.test(Buffer.from(line.subarray(Math.max(0, brace - 29), brace + 1)).toString('latin1')))
      throw new RejoinError('E_LINE', 'the last line has no end')
    return { index: 0, event: undefined }
  }
  if (match === null || !equal(line.subarray(0, beforeEvent.length), beforeEvent))
    throw new RejoinError('E_LINE', 'the line is not {"event":…,"index":…}')
  return { index: Number(match[1]), event: line.subarray(beforeEvent.length, line.length - match[0].length) }
}

/** Checks the offers of catch-ups that were interrupted: the hashes must lead from the lines to the signed root. */
export function* checkIncoming(root: string, logs: Logs): Generator<Fault, void, void> {
  for (const name of namesIn(root, 'private/incoming')) {
    const path = `private/incoming/${name}`
    if (isTemporary(name)) continue
    try {
      if (!isLogId(name)) throw new RejoinError('E_DAMAGED', 'the name is not a log ID')
      checkOffer(readFileRangeSync(join(root, path), 0, wholeFile) ?? new Uint8Array(0), name, logs.get(name))
    } catch (error) {
      yield faultOf(error, path, 0)
    }
  }
}

function checkOffer(bytes: Uint8Array, log: LogId, checked: CheckedLog | undefined): void {
  const { note, cose, fromTile, hashes } = splitOffer(bytes)
  const head = parseCheckpoint(note)
  if (head.log !== log) throw new RejoinError('E_ORIGIN', 'the offer is of another log')
  if (checked !== undefined) {
    const checkpoint = verifyCheckpoint(note, log, checked.opened.publicKey)
    if (cose.length > 0) verifyCoseCheckpoint(cose, checkpoint, checked.opened.publicKey)
  }
  const tileCount = Math.floor(head.size / tileWidth) - fromTile
  const edgeCount = edgeLength(head.size % tileWidth)
  if (tileCount < 0 || hashes.length !== (tileCount + edgeCount) * 32)
    throw new RejoinError('E_TILE', 'the offer has the wrong number of hashes')
  const roots = checked?.tileRoots ?? new Uint8Array(0)
  if (roots.length < fromTile * 32) {
    if (checked === undefined || checked.size >= fromTile * tileWidth) return
    throw new RejoinError('E_TILE', 'the offer goes on from entries that are not there')
  }
  const tree = new Tree()
  for (let tile = 0; tile < fromTile; tile++) tree.appendSubtree(roots.subarray(tile * 32, tile * 32 + 32), 8)
  for (let at = 0; at < tileCount * 32; at += 32) tree.appendSubtree(hashes.subarray(at, at + 32), 8)
  const edge = Array.from({ length: edgeCount }, (_, i) => hashes.subarray((tileCount + i) * 32, (tileCount + i + 1) * 32))
  if (!equal(foldEdge([...tree.edge(), ...edge]), head.root))
    throw new RejoinError('E_ROOT', 'the hashes of the offer do not give its root')
}

/** Checks the proofs of forks that this node keeps: two heads of one log, both signed by its writer. */
export function* checkForks(root: string, logs: Logs): Generator<Fault, void, void> {
  for (const name of namesIn(root, 'private/forks')) {
    const path = `private/forks/${name}`
    if (isTemporary(name)) continue
    try {
      if (!isLogId(name)) throw new RejoinError('E_DAMAGED', 'the name is not a log ID')
      checkFork(readFileRangeSync(join(root, path), 0, wholeFile) ?? new Uint8Array(0), name, logs.get(name))
    } catch (error) {
      yield faultOf(error, path, 0)
    }
  }
}

function checkFork(bytes: Uint8Array, log: LogId, checked: CheckedLog | undefined): void {
  const value = parseJson(bytes)
  if (!isObject(value) || value['log'] !== log || !Array.isArray(value['notes']) || value['notes'].length !== 2)
    throw new RejoinError('E_DAMAGED', 'it is not two heads of the log')
  if (textOf(bytes) !== `${JSON.stringify({ log, notes: value['notes'] })}\n`)
    throw new RejoinError('E_DAMAGED', 'it is not written as this program writes it')
  for (const text of value['notes'] as readonly unknown[]) {
    const note = typeof text === 'string' ? fromBase64(text) : undefined
    if (note === undefined) throw new RejoinError('E_DAMAGED', 'a head is not base64')
    if (checked === undefined) parseCheckpoint(note)
    else verifyCheckpoint(note, log, checked.opened.publicKey)
  }
}
