import { join } from 'node:path'
import {
  base64,
  equal,
  fromBase64,
  isDigest,
  isLogId,
  isObject,
  type LogId,
  nextKeyDigest,
  type PublicKey,
  RejoinError,
  signerOf,
  textOf
} from '../core/index.ts'
import { readFileRangeSync } from './file.ts'
import type { CheckedLog } from './fsck-log.ts'
import { type Fault, faultOf } from './fsck-run.ts'
import { parseJson } from './fsck-settings.ts'
import { isSealed } from './seal.ts'

const maxBytes = 4096

/** Checks the files in keys/, where there are any: the keys must be those that the node's own log names. */
export function* checkKeys(root: string, logs: ReadonlyMap<LogId, CheckedLog>): Generator<Fault, void, void> {
  let own: CheckedLog | undefined
  const checks: Readonly<Record<string, (text: string) => void>> = {
    log: (text) => {
      const name = text.slice(0, -1)
      if (!isLogId(name) || text !== `${name}\n`) throw new RejoinError('E_KEY', 'it is not a log ID and a newline')
      own = logs.get(name)
      if (own === undefined) throw new RejoinError('E_NOT_FOUND', 'the log that it names is not here')
    },
    writer: (text) => {
      const key = publicKeyIn(text)
      if (own !== undefined && !equal(key, own.opened.publicKey))
        throw new RejoinError('E_KEY', "it is not the key of this node's log")
    },
    next: (text) => {
      const digest = nextKeyDigest(publicKeyIn(text))
      if (own !== undefined && digest !== own.opened.nextKey)
        throw new RejoinError('E_KEY', "it is not the next key that this node's log names")
    },
    'next.digest': (text) => {
      if (!isDigest(text.slice(0, -1)) || !text.endsWith('\n')) throw new RejoinError('E_KEY', 'it is not a digest and a newline')
      if (own !== undefined && text.slice(0, -1) !== own.opened.nextKey)
        throw new RejoinError('E_KEY', "it is not the next key that this node's log names")
    },
    witness: (text) => void publicKeyIn(text),
    rotation: (text) => {
      const value = parseJson(Buffer.from(text))
      if (!isObject(value) || !isSealed(value)) throw new RejoinError('E_DAMAGED', 'its check sum is another')
    },
    home: (text) => {
      const value = parseJson(Buffer.from(text))
      if (!isObject(value) || !isSealed(value)) throw new RejoinError('E_DAMAGED', 'its check sum is another')
    }
  }
  for (const [name, check] of Object.entries(checks)) {
    const path = `keys/${name}`
    try {
      const bytes = readFileRangeSync(join(root, path), 0, maxBytes)
      if (bytes !== undefined) check(textOf(bytes))
    } catch (error) {
      yield faultOf(error, path, 0)
    }
  }
}

function publicKeyIn(text: string): PublicKey {
  const seed = fromBase64(text.slice(0, -1))
  if (seed?.length !== 32 || text !== `${base64(seed)}\n`)
    throw new RejoinError('E_KEY', 'it is not a key in base64 and a newline')
  return signerOf(seed).publicKey
}
