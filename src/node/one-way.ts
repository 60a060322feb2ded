import { join } from 'node:path'
import {
  base64,
  fromBase64,
  hex,
  isLogId,
  isObject,
  type FrontierLine,
  type Json,
  parseStrict,
  RejoinError,
  sha256,
  utf8
} from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'
import { readdirSync } from 'node:fs'
import { matchWords } from './frontier-code.ts'

const maxBytes = 256 * 1024 * 1024
/** exports that are remembered of a target: a code may be of any of them */
const maxExports = 256
const folder = 'private/sites/one-way'

interface Export {
  readonly at: string
  readonly heads: readonly FrontierLine[]
}

/** What status tells of a target that can't answer. */
export interface OneWayRecord {
  readonly target: string
  /** when the newest export went out, and logs of it */
  readonly assumedAt: string | null
  readonly exports: number
  /** entries that six words have confirmed there, and when that was said */
  readonly confirmed: number
  readonly confirmedAt: string | null
  /** entries that went out and were not confirmed */
  readonly unconfirmed: number
}

/**
 * What is known of a target that no answer comes back from: what was sent, and what six words over a telephone confirmed. It lies in
 * `private/sites/one-way/`, one file for each target.
 */
export class OneWay {
  private readonly path: string
  private readonly target: string
  private confirmed: Export | undefined
  private exports: readonly Export[]

  private constructor(path: string, target: string, confirmed: Export | undefined, exports: readonly Export[]) {
    this.path = path
    this.target = target
    this.confirmed = confirmed
    this.exports = exports
  }

  /** Opens what is known of a target; of one that was never written for nothing is. @throws E_DAMAGED */
  static open(root: string, target: string): OneWay {
    const path = join(root, folder, `${hex(sha256(utf8(target))).slice(0, 32)}.json`)
    const bytes = readFileRangeSync(path, 0, maxBytes)
    if (bytes === undefined) return new OneWay(path, target, undefined, [])
    const value = parseStrict(bytes, { maxBytes, maxDepth: 6 })
    if (!isObject(value) || value['target'] !== target || !Array.isArray(value['exports']))
      throw new RejoinError('E_DAMAGED', `${path} is not what an export noted there`, {
        hint: 'without it everything is exported once more'
      })
    const confirmed = value['confirmed']
    return new OneWay(
      path,
      target,
      confirmed === undefined ? undefined : exportIn(confirmed, path),
      value['exports'].map((one: Json) => exportIn(one, path))
    )
  }

  /** Returns all targets that something is known of. */
  static list(root: string): readonly OneWayRecord[] {
    let names: readonly string[]
    try {
      names = readdirSync(join(root, folder)).filter((name) => /^[0-9a-f]{32}\.json$/.test(name))
    } catch {
      return []
    }
    return names.flatMap((name) => {
      const bytes = readFileRangeSync(join(root, folder, name), 0, maxBytes)
      const value = bytes && parseStrict(bytes, { maxBytes, maxDepth: 6 })
      const target = value !== undefined && isObject(value) ? value['target'] : undefined
      return typeof target === 'string' ? [OneWay.open(root, target).record()] : []
    })
  }

  private record(): OneWayRecord {
    const last = this.exports.at(-1)
    const sum = (heads: readonly FrontierLine[] = []): number => heads.reduce((total, { size }) => total + size, 0)
    return {
      target: this.target,
      assumedAt: last?.at ?? null,
      exports: this.exports.length,
      confirmed: sum(this.confirmed?.heads),
      confirmedAt: this.confirmed?.at ?? null,
      unconfirmed: Math.max(0, sum(last?.heads) - sum(this.confirmed?.heads))
    }
  }

  /**
   * Returns the frontier from which an export goes on: what was confirmed. With `overlap` what the export before the last `overlap` ones carried, where that
   * is more: then only so many are repeated.
   */
  base(overlap?: number): readonly FrontierLine[] {
    const confirmed = this.confirmed?.heads ?? []
    const assumed = overlap === undefined ? undefined : this.exports.at(-1 - overlap)?.heads
    if (assumed === undefined) return confirmed
    const sizes = new Map(confirmed.map((line) => [line.log, line]))
    for (const line of assumed) if (line.size > (sizes.get(line.log)?.size ?? 0)) sizes.set(line.log, line)
    return [...sizes.values()]
  }

  /** Notes what an export carried. */
  sent(heads: readonly FrontierLine[], nowMs: number): void {
    const next = { at: new Date(nowMs).toISOString(), heads }
    const last = this.exports.at(-1)
    const isSame =
      last !== undefined &&
      last.heads.length === heads.length &&
      last.heads.every(({ log, size }, i) => log === heads[i]?.log && size === heads[i]?.size)
    this.exports = isSame ? this.exports : [...this.exports, next].slice(-maxExports)
    this.save()
  }

  /** Finds what six words stand for, and takes it as confirmed. @returns entries that are confirmed @throws E_CODE */
  match(words: string, nowMs: number): number {
    const heads = matchWords(words, [
      ...(this.confirmed === undefined ? [] : [this.confirmed.heads]),
      ...this.exports.map(({ heads: sent }) => sent)
    ])
    this.confirmed = { at: new Date(nowMs).toISOString(), heads }
    this.save()
    return heads.reduce((sum, { size }) => sum + size, 0)
  }

  private save(): void {
    const { target, confirmed, exports } = this
    const value = { target, ...(confirmed !== undefined && { confirmed: plain(confirmed) }), exports: exports.map(plain) }
    replaceFileSync(this.path, utf8(`${JSON.stringify(value)}\n`), { durable: true })
  }
}

function plain({ at, heads }: Export): object {
  return { at, heads: heads.map(({ log, size, root }) => `${log} ${size} ${base64(root)}`) }
}

function exportIn(value: Json, path: string): Export {
  const fail = (): never => {
    throw new RejoinError('E_DAMAGED', `${path} is not what an export noted there`, {
      hint: 'without it everything is exported once more'
    })
  }
  if (!isObject(value) || typeof value['at'] !== 'string' || !Array.isArray(value['heads'])) return fail()
  const heads = value['heads'].map((line: Json) => {
    const [log = '', size, root = ''] = typeof line === 'string' ? line.split(' ') : []
    const bytes = fromBase64(root)
    if (!isLogId(log) || bytes?.length !== 32 || !Number.isSafeInteger(Number(size))) return fail()
    return { log, size: Number(size), root: bytes }
  })
  return { at: value['at'], heads }
}
