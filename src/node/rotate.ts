import { rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  closedRecord,
  codeOf,
  type Digest,
  didOf,
  equal,
  hashOfLogId,
  isLogId,
  type LogId,
  peerIdOf,
  RejoinError,
  signCheckpoint,
  signClosing,
  signCoseCheckpoint,
  type Signer,
  signerOf,
  textOf,
  type TreeHead,
  utf8
} from '../core/index.ts'
import {
  beginRotation,
  completeRotation,
  copiedFrom,
  type Keys,
  type LogFolder,
  readFileRangeSync,
  readOwnLog,
  readRotation,
  readSeed,
  type Repair,
  replaceFileSync,
  type Rotation,
  Store
} from '../store/index.ts'
import { beginLog } from './open-log.ts'

/** A change of keys that is done. */
export interface Rotated {
  /** the log that was closed, and the entries of it that stay valid */
  readonly closed: LogId
  readonly size: number
  /** entries that were there and are void now */
  readonly voided: number
  readonly log: LogId
  readonly did: string
  readonly nodeId: string
  readonly nextKey: Digest
}

/** What is to be changed. */
export interface RotateOptions {
  /** seed of the next key of the own log */
  readonly nextSeed: Uint8Array
  /** entries that stay valid; all where it is left out */
  readonly size?: number
  readonly onRepair?: (repair: Repair) => void
}

/** where the log is to end, of a change of keys that was begun: `<logId> <size>` */
const cutFile = 'keys/cut'
const maxCutBytes = 256

/**
 * Closes the log that this node writes, with its next key, and goes on in a new log under that key. The old key is not needed. The folder must
 * not be open elsewhere: the node's key, and so its peer ID, is another one afterwards. A crash at any point is made good by
 * finishRotation, or by calling this again.
 * @throws E_LOCKED while the node is up · E_KEY for a seed that the log does not commit to · E_USAGE for a size beyond the log · E_EXISTS
 * where the log was closed elsewhere already
 * @see protocols/closing.md#CLOSING-11
 */
export async function rotateKeys(root: string, { nextSeed, size, onRepair = () => {} }: RotateOptions): Promise<Rotated> {
  const from = readOwnLog(root)
  if (from === undefined) throw new RejoinError('E_NO_DATA', `there is no node in ${root}`)
  await using store = await openStore(root, from, onRepair)
  const folder = store.needFolder(from)
  const end = endOf(store, folder, signerHere(root, folder))
  if (size !== undefined && (!Number.isSafeInteger(size) || size < 1 || size > end))
    throw new RejoinError('E_USAGE', `the log has ${end} events: it can be closed at 1 to ${end}`)
  const before = store.urgent.closed(from)
  if (before !== undefined && size !== undefined && before.size !== size)
    throw new RejoinError('E_EXISTS', `the log ${from} was closed at ${before.size} already`)
  // before the keys: a change that was begun must end where it was meant to
  replaceFileSync(join(root, cutFile), utf8(`${from} ${size ?? before?.size ?? end}\n`), { durable: true, mode: 0o600 })
  return await goOn(store, beginRotation(root, from, nextSeed, folder.opened.nextKey))
}

/**
 * Completes a change of keys that was interrupted; a node must call it before it looks at its keys.
 * @returns what was done, or undefined where there was none
 */
export async function finishRotation(root: string, onRepair: (repair: Repair) => void = () => {}): Promise<Rotated | undefined> {
  const rotation = readRotation(root)
  if (rotation === undefined) return undefined
  await using store = await openStore(root, rotation.from, onRepair)
  return await goOn(store, rotation)
}

async function openStore(root: string, ownLog: LogId, onRepair: (repair: Repair) => void): Promise<Store> {
  try {
    return await Store.open(root, { ownLog, onRepair })
  } catch (cause) {
    if (codeOf(cause) !== 'E_LOCKED') throw cause
    throw new RejoinError('E_LOCKED', 'the node is up, and its key and peer ID would change', { cause, hint: 'stop it first' })
  }
}

/** Returns the old key where it is here, fits its log, and this folder is no copy, which must not sign. */
function signerHere(root: string, folder: LogFolder): Signer | undefined {
  try {
    const seed = readSeed(root, 'keys/writer')
    const signer = seed && signerOf(seed)
    if (signer === undefined || !equal(signer.publicKey, folder.opened.publicKey)) return undefined
    return copiedFrom(root) === undefined ? signer : undefined
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}

/** Returns how many entries of the log are signed, after what is durable was signed too where the old key is here. */
function endOf(store: Store, folder: LogFolder, signer: Signer | undefined): number {
  if (signer !== undefined) return store.openWriter(folder.log, signer).sign().size
  return Math.max(1, folder.checkpoint?.size ?? 0)
}

function headAt(folder: LogFolder, size: number): TreeHead {
  const { log, checkpoint } = folder
  if (size === 1) return { log, size, root: hashOfLogId(log) }
  const root = size === checkpoint?.size ? checkpoint.root : folder.tiles.treeAt(size).root()
  return { log, size, root }
}

/** Returns where the log is to end. */
function readCut(store: Store, folder: LogFolder): number {
  const bytes = readFileRangeSync(join(store.root, cutFile), 0, maxCutBytes)
  const [, log = '', size = ''] = /^(\S+) ([1-9][0-9]*)\n$/.exec(bytes === undefined ? '' : textOf(bytes)) ?? []
  if (isLogId(log) && log === folder.log) return Math.min(Number(size), Math.max(1, folder.checkpoint?.size ?? 0))
  return store.urgent.closed(folder.log)?.size ?? Math.max(1, folder.checkpoint?.size ?? 0)
}

async function goOn(store: Store, rotation: Rotation): Promise<Rotated> {
  const { from, writer } = rotation
  const folder = store.needFolder(from)
  const closed = store.urgent.closed(from)
  const at = closed === undefined ? headAt(folder, readCut(store, folder)) : { log: from, size: closed.size, root: closed.root }
  const log = successorHere(store, rotation, at) ?? (await makeSuccessor(store, rotation, folder, at))
  const openedLine = folder.entry(0).line
  if (openedLine === undefined) throw new Error('bug: the first line of an own log is withheld')
  if (closed?.successor !== undefined && closed.successor !== log)
    throw new RejoinError('E_EXISTS', `the log ${from} was closed elsewhere, and goes on in ${closed.successor}`)
  store.urgent.add(closedRecord(openedLine, [signClosing(openedLine, { size: at.size, root: at.root, successor: log }, writer)]))
  const keys = completeRotation(store.root, log)
  rmSync(join(store.root, cutFile), { force: true })
  return rotatedOf(folder, at, log, keys)
}

/** A first line that is durable already must be gone on with: the closing may name it. */
function successorHere(store: Store, { writer, from, nextKey: fresh }: Rotation, at: TreeHead): LogId | undefined {
  return store.listHeads().find(({ log }) => {
    const { publicKey, nextKey, succeeds } = store.opened(log)
    const isNext = equal(publicKey, writer.publicKey) && nextKey === fresh && succeeds?.log === from
    return isNext && succeeds.size === at.size && equal(succeeds.root, at.root)
  })?.log
}

/** Makes the successor durable with its signature: a line that nothing proves is cut off when a folder is opened. */
async function makeSuccessor(store: Store, { writer, nextKey }: Rotation, old: LogFolder, at: TreeHead): Promise<LogId> {
  const { publicKey } = writer
  const folder = await beginLog(store, { publicKey, nextKey }, old.opened.name, at)
  const checkpoint = signCheckpoint({ log: folder.log, size: 1, root: folder.tree.root() }, writer)
  store.indexRange(folder, 0, 1)
  store.commit(folder, checkpoint, signCoseCheckpoint(checkpoint, writer).bytes)
  return folder.log
}

function rotatedOf(folder: LogFolder, at: TreeHead, log: LogId, { signer, nextKey }: Keys): Rotated {
  const { publicKey } = signer
  return {
    closed: at.log,
    size: at.size,
    voided: Math.max(0, folder.size - at.size),
    log,
    did: didOf(publicKey),
    nodeId: peerIdOf(publicKey),
    nextKey
  }
}
