import { join } from 'node:path'
import { isLogId, isObject, type LogId, parseStrict, RejoinError, utf8 } from '../core/index.ts'
import type { WebMemory, WebPlace } from '../replica/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'

const path = 'private/web.json'
const maxBytes = 64 * 1024 * 1024
/** folders on the web that are remembered; the longest unused goes first */
const maxFolders = 64

/** What is kept of one folder on the web: by whose rules it was taken, its validator, and for each log the entry and byte read up to. */
interface Kept {
  readonly trust: string
  readonly etag?: string
  readonly modified?: string
  readonly digest?: string
  readonly places: Readonly<Record<string, readonly [number, number]>>
}

type Folders = Readonly<Record<string, Kept>>

function load(root: string): Folders {
  const bytes = readFileRangeSync(join(root, path), 0, maxBytes)
  try {
    const value = bytes === undefined ? {} : parseStrict(bytes, { maxBytes, maxDepth: 8 })
    return isObject(value) ? (value as unknown as Folders) : {}
  } catch (error) {
    // it only saves requests
    if (error instanceof RejoinError) return {}
    throw error
  }
}

/**
 * Returns what this node remembers of a folder on the web.
 * @param trust digest of the rules in force: by others more may be wanted, and then its validator says nothing
 */
export function recall(root: string, url: string, trust: string): WebMemory {
  const kept = load(root)[url]
  const places = new Map<LogId, WebPlace>()
  for (const [log, [index, atByte]] of Object.entries(kept?.places ?? {})) if (isLogId(log)) places.set(log, { index, atByte })
  if (kept === undefined || kept.trust !== trust) return { validator: {}, places }
  return { validator: { etag: kept.etag, modified: kept.modified, digest: kept.digest }, places }
}

/** Remembers a folder on the web; its validator only where everything of it was taken. */
export function remember(root: string, url: string, trust: string, { validator, places }: WebMemory): void {
  const { [url]: _, ...others } = load(root)
  const kept: Kept = {
    trust,
    ...(validator.etag !== undefined && { etag: validator.etag }),
    ...(validator.modified !== undefined && { modified: validator.modified }),
    ...(validator.digest !== undefined && { digest: validator.digest }),
    places: Object.fromEntries([...places].map(([log, { index, atByte }]) => [log, [index, atByte]]))
  }
  const all = [...Object.entries(others), [url, kept] as const].slice(-maxFolders)
  replaceFileSync(join(root, path), utf8(`${JSON.stringify(Object.fromEntries(all))}\n`), { durable: false })
}
