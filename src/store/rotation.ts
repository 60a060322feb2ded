import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  base64,
  codeOf,
  type Digest,
  equal,
  fromBase64,
  isLogId,
  isObject,
  type Json,
  type JsonObject,
  type LogId,
  parseStrict,
  RejoinError,
  type Signer,
  signerOf
} from '../core/index.ts'
import { readFileRangeSync, replaceFileSync, syncFolderSync } from './file.ts'
import { type Keys, openKeys, writeHome, writeOwnLog, writeSeed } from './keys.ts'
import { nextDigestOf } from './next-key.ts'
import { isSealed, sealed } from './seal.ts'

const rotationFile = 'keys/rotation'
const maxRotationBytes = 4096

/** A change of keys that has begun: the old next key becomes the writer, and there is a fresh next key. */
export interface Rotation {
  /** the log that is closed */
  readonly from: LogId
  /** the old next key: it signs the closing and writes the successor */
  readonly writer: Signer
  /** digest of the fresh next key, for the successor's first line */
  readonly nextKey: Digest
}

interface Seeds {
  readonly from: LogId
  readonly writer: Uint8Array
  readonly next: Uint8Array
}

function seedIn(value: Json | undefined): Uint8Array | undefined {
  const seed = typeof value === 'string' ? fromBase64(value) : undefined
  return seed?.length === 32 ? seed : undefined
}

function membersOf(bytes: Uint8Array): JsonObject {
  try {
    const value = parseStrict(bytes, { maxBytes: maxRotationBytes, maxDepth: 2 })
    return isObject(value) && isSealed(value) ? value : {}
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return {}
  }
}

function readSeeds(root: string): Seeds | undefined {
  const path = join(root, rotationFile)
  const bytes = readFileRangeSync(path, 0, maxRotationBytes)
  if (bytes === undefined) return undefined
  const { from, writer, next } = membersOf(bytes)
  const [writerSeed, freshSeed] = [seedIn(writer), seedIn(next)]
  if (typeof from !== 'string' || !isLogId(from) || writerSeed === undefined || freshSeed === undefined)
    throw new RejoinError('E_KEY', `${path} is damaged`, { hint: 'put back the file from a backup' })
  return { from, writer: writerSeed, next: freshSeed }
}

function rotationOf({ from, writer, next }: Seeds): Rotation {
  return { from, writer: signerOf(writer), nextKey: nextDigestOf(next) }
}

/**
 * Returns the change of keys that was begun and not completed, or undefined. A node that finds one when it starts must go on with it
 * before it looks at its keys otherwise.
 * @throws E_KEY where its file is damaged
 */
export function readRotation(root: string): Rotation | undefined {
  const seeds = readSeeds(root)
  return seeds && rotationOf(seeds)
}

/**
 * Begins a change of keys, or goes on with the same one: durably notes the old next key as the coming writer and makes a fresh next key, so
 * that a crash never leaves a log whose keys are lost. The old writer key is not needed.
 * @param from the log that is to be closed
 * @param nextSeed seed of its next key
 * @param committed what the first line of that log commits to
 * @throws E_KEY where the seed is another key's · E_EXISTS while another change of keys is under way
 */
export function beginRotation(root: string, from: LogId, nextSeed: Uint8Array, committed: Digest): Rotation {
  if (nextDigestOf(nextSeed) !== committed)
    throw new RejoinError('E_KEY', `this is not the next key that the log ${from} commits to`)
  const begun = readSeeds(root)
  if (begun !== undefined) {
    if (begun.from === from && equal(begun.writer, nextSeed)) return rotationOf(begun)
    throw new RejoinError('E_EXISTS', `the keys of ${begun.from} are being changed already`)
  }
  const seeds: Seeds = { from, writer: nextSeed, next: randomBytes(32) }
  mkdirSync(join(root, 'keys'), { recursive: true, mode: 0o700 })
  const text = sealed({ from, writer: base64(seeds.writer), next: base64(seeds.next) })
  replaceFileSync(join(root, rotationFile), text, { durable: true, mode: 0o600 })
  return rotationOf(seeds)
}

/**
 * Completes a change of keys and returns the new ones. The closing and the first line of the successor must be durable. It may be
 * called again after a crash, with the same log.
 * @param successor the log that is written from now on
 * @throws E_NOT_FOUND where none was begun
 */
export function completeRotation(root: string, successor: LogId): Keys {
  const seeds = readSeeds(root)
  if (seeds === undefined) throw new RejoinError('E_NOT_FOUND', 'no change of keys was begun')
  writeSeed(root, 'keys/next', seeds.next)
  rmSync(join(root, 'keys/next.digest'), { force: true })
  writeSeed(root, 'keys/writer', seeds.writer)
  writeOwnLog(root, successor)
  // the writer's file has another inode now
  writeHome(root)
  rmSync(join(root, rotationFile), { force: true })
  syncFolderSync(join(root, 'keys'))
  return openKeys(root)
}
