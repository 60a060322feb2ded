import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  base64,
  checkpointText,
  type Cosigner,
  cosignerOf,
  fromBase64,
  type LogId,
  parseCheckpoint,
  RejoinError,
  signerOf,
  textOf,
  type TreeHead,
  utf8
} from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from './file.ts'

const keyFile = 'keys/witness'
const maxKeyBytes = 1024
const maxHeadBytes = 1024

/** Makes the key with which this node witnesses other logs, and returns its witness. @throws E_EXISTS where there is one */
export function createWitness(root: string): Cosigner {
  if (readWitness(root) !== undefined) throw new RejoinError('E_EXISTS', 'this node has a witness key already')
  mkdirSync(join(root, 'keys'), { recursive: true, mode: 0o700 })
  const seed = randomBytes(32)
  replaceFileSync(join(root, keyFile), utf8(`${base64(seed)}\n`), { durable: true, mode: 0o600 })
  return cosignerOf(signerOf(seed))
}

/** Returns this node's witness, or undefined where it has no witness key. @throws E_KEY where the file is damaged */
export function readWitness(root: string): Cosigner | undefined {
  const bytes = readFileRangeSync(join(root, keyFile), 0, maxKeyBytes)
  if (bytes === undefined) return undefined
  const seed = fromBase64(textOf(bytes).trim())
  if (seed?.length !== 32)
    throw new RejoinError('E_KEY', `${join(root, keyFile)} does not hold a key`, { hint: 'put back the file from a backup' })
  return cosignerOf(signerOf(seed))
}

/** Returns the path of the note of what was cosigned last of a log. */
export function cosignedPath(log: LogId): string {
  return `private/cosigned/${log}`
}

/**
 * Returns what this node cosigned last of a log, or undefined where it never did.
 * @throws E_DAMAGED where the file is damaged: then nothing may be cosigned, since it may be another history
 */
export function readCosigned(root: string, log: LogId): TreeHead | undefined {
  const bytes = readFileRangeSync(join(root, cosignedPath(log)), 0, maxHeadBytes)
  return bytes === undefined ? undefined : parseCosigned(bytes, log)
}

/** Returns the head in a file of `private/cosigned`: the three lines of a checkpoint. @throws E_DAMAGED */
export function parseCosigned(bytes: Uint8Array, log: LogId): TreeHead {
  try {
    // a checkpoint's text, to which no signature belongs here
    const { parsed: _, ...head } = parseCheckpoint(utf8(`${textOf(bytes)}\n\u2014 none AAAAAAA=\n`))
    if (head.log === log && checkpointText(head) === textOf(bytes)) return head
  } catch {
    // told below
  }
  throw new RejoinError('E_DAMAGED', `${cosignedPath(log)} is damaged`, { hint: 'put back the file from a backup' })
}

/** Notes durably what is cosigned next of a log. It must come before the signature. */
export function writeCosigned(root: string, head: TreeHead): void {
  replaceFileSync(join(root, cosignedPath(head.log)), utf8(checkpointText(head)), { durable: true, mode: 0o600 })
}
