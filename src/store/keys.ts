import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  base64,
  type Digest,
  fromBase64,
  type LogId,
  nextKeyDigest,
  parseDigest,
  parseLogId,
  RejoinError,
  type Signer,
  signerOf,
  textOf,
  utf8
} from '../core/index.ts'
import { ioError, readFileRangeSync, replaceFileSync } from './file.ts'
import { sealed } from './seal.ts'

const writerFile = 'keys/writer'
const nextFile = 'keys/next'
const homeFile = 'keys/home'
const ownLogFile = 'keys/log'
const maxKeyBytes = 1024
/** file systems that make up inode numbers anew at every mount: FAT, exFAT and those in user space */
const unstableInodes: ReadonlySet<number> = new Set([0x4d44, 0x2011bab0, 0x65735546])

/** The keys of a node: the writer's own signer, and the digest of the key that may succeed it. */
export interface Keys {
  readonly signer: Signer
  readonly seed: Uint8Array
  readonly nextKey: Digest
}

/** Where a data folder is at home: facts that a copy of the folder does not share and a move of its volume does not change. */
export interface Home {
  readonly inode: string
  readonly birthMs: number
  readonly machineId?: string
}

/** Where the seed of a key stands: the writer's, and that of the key which may succeed it. */
export type SeedFile = typeof writerFile | typeof nextFile

/** Writes a key's 32-byte seed durably, readable by its owner only. */
export function writeSeed(root: string, file: SeedFile, seed: Uint8Array): void {
  replaceFileSync(join(root, file), utf8(`${base64(seed)}\n`), { durable: true, mode: 0o600 })
}

/**
 * Returns a key's seed, or undefined where it is not here.
 * @throws E_KEY where the file is damaged
 */
export function readSeed(root: string, file: SeedFile): Uint8Array | undefined {
  const bytes = readFileRangeSync(join(root, file), 0, maxKeyBytes)
  if (bytes === undefined) return undefined
  const seed = fromBase64(textOf(bytes).trim())
  if (seed?.length !== 32)
    throw new RejoinError('E_KEY', `${join(root, file)} does not hold a key`, { hint: 'put back the file from a backup' })
  return seed
}

/** Makes a writer key and a next key in an empty data folder, readable by their owner only. */
export function createKeys(root: string): Keys {
  mkdirSync(join(root, 'keys'), { recursive: true, mode: 0o700 })
  chmodSync(join(root, 'keys'), 0o700)
  writeSeed(root, nextFile, randomBytes(32))
  writeSeed(root, writerFile, randomBytes(32))
  writeHome(root)
  return openKeys(root)
}

/**
 * Reads the keys of a data folder.
 * @throws E_NO_DATA where there is no node in it · E_KEY where a key file is damaged
 */
export function openKeys(root: string): Keys {
  const seed = readSeed(root, writerFile)
  if (seed === undefined)
    throw new RejoinError('E_NO_DATA', `there is no node in ${root}`, {
      hint: `rejoin init --data ${root} --name NAME makes one`
    })
  const next = readSeed(root, nextFile)
  return {
    seed,
    signer: signerOf(seed),
    nextKey: next === undefined ? readNextDigest(root) : nextKeyDigest(signerOf(next).publicKey)
  }
}

/** The next key itself may be kept elsewhere; its digest then stays in `keys/next.digest`. */
function readNextDigest(root: string): Digest {
  const bytes = readFileRangeSync(join(root, 'keys/next.digest'), 0, maxKeyBytes)
  if (bytes === undefined) throw new RejoinError('E_KEY', `${join(root, nextFile)} is missing and so is keys/next.digest`)
  return parseDigest(textOf(bytes).trim())
}

function machineId(): string | undefined {
  try {
    const id = readFileSync('/etc/machine-id', 'utf8').trim()
    return /^[0-9a-f]{32}$/.test(id) ? id : undefined
  } catch {
    return undefined
  }
}

function currentHome(root: string): Home {
  const path = join(root, writerFile)
  try {
    const { ino, birthtimeMs } = statSync(path, { bigint: true })
    const stable = !unstableInodes.has(statfsSync(path).type)
    const machine = machineId()
    return {
      inode: stable ? String(ino) : 'none',
      birthMs: Number(birthtimeMs),
      ...(machine !== undefined && { machineId: machine })
    }
  } catch (cause) {
    throw ioError(cause, 'read', path)
  }
}

/** Notes that the data folder is at home where it is now. */
export function writeHome(root: string): void {
  replaceFileSync(join(root, homeFile), sealed({ ...currentHome(root) }), { durable: true, mode: 0o600 })
}

/**
 * Returns why the data folder looks like a copy of the one that was noted as home, or undefined where it is that one.
 * Host names don't count: a container that moves with its volume is no copy.
 */
export function copiedFrom(root: string): string | undefined {
  const bytes = readFileRangeSync(join(root, homeFile), 0, maxKeyBytes)
  if (bytes === undefined) return 'keys/home is missing'
  let noted: Partial<Home>
  try {
    noted = JSON.parse(textOf(bytes)) as Partial<Home>
  } catch {
    return 'keys/home is damaged'
  }
  const now = currentHome(root)
  if (noted.inode !== now.inode) return 'the key file has another inode'
  if (noted.birthMs !== now.birthMs) return 'the key file was made at another time'
  if (noted.machineId !== undefined && now.machineId !== undefined && noted.machineId !== now.machineId)
    return 'the machine ID is another'
  return undefined
}

/** Returns the log that this node writes, or undefined before the first one was opened. */
export function readOwnLog(root: string): LogId | undefined {
  const bytes = readFileRangeSync(join(root, ownLogFile), 0, maxKeyBytes)
  return bytes === undefined ? undefined : parseLogId(textOf(bytes).trim())
}

/** Notes which log this node writes from now on. */
export function writeOwnLog(root: string, log: LogId): void {
  replaceFileSync(join(root, ownLogFile), utf8(`${log}\n`), { durable: true, mode: 0o600 })
}
