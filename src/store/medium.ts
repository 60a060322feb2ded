import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { realpathSync } from 'node:fs'
import { codeOf, RejoinError } from '../core/index.ts'
import { ioError } from './file.ts'
import type { MediumLimits } from './replica-file.ts'

const gone = new Set(['EIO', 'ENOTCONN', 'ECONNABORTED', 'ENODEV', 'ENXIO', 'ESTALE', 'EREMOTEIO', 'ENOMEDIUM', 'ESHUTDOWN'])

/**
 * Returns what an error of the operating system means on a medium that people pull out: the medium went away. Others are returned as they are.
 * @param root of the replica on it
 */
export function asGone(thrown: unknown, root: string): unknown {
  // what went wrong while closing says less than what went wrong before
  const error = thrown instanceof SuppressedError ? thrown.suppressed : thrown
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== undefined && gone.has(code)) return wentAway(root, error)
  }
  const code = codeOf(error)
  const isMissing = code === 'E_NOT_FOUND' || code === 'E_IO' || (error as NodeJS.ErrnoException).code === 'ENOENT'
  return isMissing && !existsSync(root) ? wentAway(root, error) : error
}

function wentAway(root: string, cause: unknown): RejoinError {
  if (codeOf(cause) === 'E_GONE') return cause as RejoinError
  return new RejoinError('E_GONE', `${root} went away`, {
    cause,
    hint: 'put it back and run the same command again; what was finished is kept'
  })
}

/** What a medium has room for. */
export interface MediumRoom {
  readonly freeBytes: number
  /** what a file takes is a multiple of this */
  readonly blockBytes: number
}

/** Returns how much a medium can take. @throws E_IO E_GONE */
export function roomOn(path: string): MediumRoom {
  try {
    const { bavail, blocks, bsize } = statfsSync(path)
    // some drivers in user space say nothing of their size: then it shows when a write fails
    return { freeBytes: blocks === 0 ? Number.MAX_SAFE_INTEGER : bavail * bsize, blockBytes: Math.max(512, bsize) }
  } catch (cause) {
    throw asGone(ioError(cause, 'look at', path), path)
  }
}

const fatLimits: MediumLimits = { fileBytes: 2 ** 32 - 1, names: 10_000 }

/** Returns what the file system below a path can't take, as far as its kind tells; what else there is shows when a write fails. */
export function limitsOf(path: string): MediumLimits {
  const kind = kindOf(path)
  return kind === 'vfat' || kind === 'msdos' || kind === 'fuse.fusefat' || kind === 'fusefat' ? fatLimits : {}
}

function kindOf(path: string): string | undefined {
  try {
    const real = realpathSync(path)
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, at = '-']) => real === unescaped(at) || real.startsWith(unescaped(at).replace(/\/?$/, '/')))
    const longest = mounts.toSorted(([, a = ''], [, b = '']) => unescaped(b).length - unescaped(a).length)[0]
    return longest?.[0] === 'fusefat' ? 'fusefat' : longest?.[2]
  } catch {
    return undefined
  }
}

/** A blank in a mount point is written as `\040`. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
