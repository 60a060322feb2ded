import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isLogId, type LogId, RejoinError, textOf, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'

/**
 * What this node remembers of a medium that it wrote to, in `private/media/<store>.json`: up to which entry of each log all that it had was put there. So a
 * medium that nobody changed costs no scan. It may be lost.
 */
export interface MediumMark {
  /** the number of this node's newest change then; nothing is new where it is the same */
  readonly seq: number
  /** the number of the newest change whose texts were put there */
  readonly texts: number
  /** this node's store, whose changes `seq` counts */
  readonly store: string
  readonly logs: ReadonlyMap<LogId, number>
  /** blobs that lay on the medium then, so that one that somebody deleted is noticed */
  readonly blobCount: number
  /** blobs that events name and that were not here then */
  readonly missing: number
  /** when, ISO 8601 */
  readonly at: string
}

function pathOf(root: string, store: string): string {
  return join(root, 'private/media', `${store}.json`)
}

/** Returns what is remembered of a medium, undefined for nothing. */
export function readMark(root: string, medium: string): MediumMark | undefined {
  const bytes = readFileRangeSync(pathOf(root, medium), 0, 64 * 1024 * 1024)
  if (bytes === undefined) return undefined
  try {
    const { seq, texts, store, logs, blobCount, missing, at } = JSON.parse(textOf(bytes)) as Readonly<Record<string, unknown>>
    if (typeof seq !== 'number' || typeof store !== 'string' || typeof blobCount !== 'number' || typeof at !== 'string')
      return undefined
    const sizes = Object.entries((logs ?? {}) as Readonly<Record<string, number>>).filter(([log]) => isLogId(log))
    return {
      seq,
      texts: Number(texts ?? 0),
      store,
      blobCount,
      at,
      missing: Number(missing ?? 0),
      logs: new Map(sizes as [LogId, number][])
    }
  } catch (error) {
    // it only saves work
    if (error instanceof SyntaxError || error instanceof RejoinError) return undefined
    throw error
  }
}

/** Remembers what was put on a medium. */
export function writeMark(root: string, medium: string, mark: MediumMark): void {
  replaceFileSync(pathOf(root, medium), utf8(`${JSON.stringify({ ...mark, logs: Object.fromEntries(mark.logs) })}\n`), {
    durable: false
  })
}

/** Returns what is remembered of all media. */
export function listMarks(root: string): readonly MediumMark[] {
  let names: readonly string[] = []
  try {
    names = readdirSync(join(root, 'private/media'))
  } catch {
    // none was written yet
  }
  return names.flatMap((name) => (name.endsWith('.json') ? (readMark(root, name.slice(0, -5)) ?? []) : []))
}
