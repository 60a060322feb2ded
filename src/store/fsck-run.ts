import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, type ErrorCode } from '../core/index.ts'

/** Something in a data folder that is not as it was written. */
export interface Fault {
  /** path below the data folder */
  readonly path: string
  /** the first byte that is known to be wrong, or where the line or chunk begins that holds it */
  readonly offset: number
  readonly reason: string
  readonly code: ErrorCode
}

/** What was checked so far. */
export interface Checked {
  readonly logs: number
  /** entries whose text is there */
  readonly events: number
  /** entries present only as their hash */
  readonly withheld: number
  readonly blobs: number
  /** bytes of entries and blobs that were read */
  readonly bytes: number
}

/** What the checks of one run share: the counts, and how to stop. */
export interface FsckRun {
  readonly root: string
  readonly counts: { -readonly [count in keyof Checked]: Checked[count] }
  /** Tells the progress and lets others run. @throws the signal's reason */
  readonly step: () => Promise<void>
}

/** Returns the fault that an error stands for. @throws what is none of ours */
export function faultOf(error: unknown, path: string, offset: number): Fault {
  const code = codeOf(error)
  if (code === undefined) throw error
  return { path, offset, reason: (error as Error).message, code }
}

/** Returns the names in a folder, sorted; none where there is no such folder. */
export function namesIn(root: string, path: string): readonly string[] {
  try {
    return readdirSync(join(root, path)).toSorted()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw cause
    return []
  }
}

/** Returns whether a name is that of a file that a crash kept from being put in place; whoever finds one may delete it. */
export function isTemporary(name: string): boolean {
  return name.endsWith('.part')
}
