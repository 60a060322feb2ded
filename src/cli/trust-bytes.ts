import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { RejoinError } from '../core/error.ts'
import { ioError } from '../store/index.ts'
import type { Context } from './context.ts'

/** A trust file that a command is given. */
export interface NamedTrust {
  /** what it is called in messages */
  readonly label: string
  readonly bytes: Uint8Array
  /** where the files lie that it names */
  readonly folder: string
}

/** Returns the bytes of a trust file; of the node's own where none is named. @throws E_NOT_FOUND E_PERMISSION E_IO */
export function readTrustFile({ root }: Context, file?: string): NamedTrust {
  const path = file === undefined ? join(root, 'trust.yaml') : resolve(file)
  const label = file ?? path
  try {
    // not by ranges: <(…) of a shell is a pipe
    return { label, bytes: readFileSync(path), folder: dirname(path) }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      throw new RejoinError('E_NOT_FOUND', `there is no file ${label}`, { cause })
    throw ioError(cause, 'read', label)
  }
}
