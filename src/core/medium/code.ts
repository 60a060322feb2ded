import { base64, utf8 } from '../bytes.ts'
import { sha256 } from '../digest.ts'
import type { LogId } from '../log/log-id.ts'

/** What a replica holds of a log. */
export interface FrontierLine {
  readonly log: LogId
  readonly size: number
  readonly root: Uint8Array
}

/** Six words of 11 bits: 60 bits of the frontier, 6 that notice a word that was misheard. */
export const codeWordCount = 6
const valueBits = 60n
const checkBits = 6n
const valueMask: bigint = (1n << valueBits) - 1n

/** Returns what one log adds to the value of a frontier. */
export function codeOfLine({ log, size, root }: FrontierLine): bigint {
  if (size === 0) return 0n
  const hash = sha256(utf8(`rejoin/code/v1\n${log} ${size} ${base64(root)}\n`))
  return new DataView(hash.buffer, hash.byteOffset).getBigUint64(0) & valueMask
}

/** Returns the value that stands for a frontier: the exclusive or over its logs, so that one log's share can be exchanged for another. */
export function codeOfFrontier(frontier: Iterable<FrontierLine>): bigint {
  let value = 0n
  for (const line of frontier) value ^= codeOfLine(line)
  return value
}

function checkOf(value: bigint): bigint {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return BigInt((sha256(bytes)[0] as number) >> 2)
}

/** Returns the numbers of six words, 0 to 2,047 each, that stand for a value. */
export function wordsOfCode(value: bigint): readonly number[] {
  const bits = (value << checkBits) | checkOf(value)
  return Array.from({ length: codeWordCount }, (_, i) => Number((bits >> BigInt(11 * (codeWordCount - 1 - i))) & 2047n))
}

/** Returns the value that six words stand for, undefined where one of them was misheard. */
export function codeOfWords(words: readonly number[]): bigint | undefined {
  if (words.length !== codeWordCount) return undefined
  const bits = words.reduce((value, word) => (value << 11n) | BigInt(word), 0n)
  const value = bits >> checkBits
  return checkOf(value) === (bits & ((1n << checkBits) - 1n)) ? value : undefined
}

/** combinations of two logs that are tried at most */
const maxPairs = 4_000_000

/**
 * Returns the frontier that a value stands for: one of those that were sent, or one that differs from one of them in at most two logs, which then are
 * where another one had them, or absent as nobody let them in. The newest that fits; undefined where none does.
 * @param sent what was sent, the oldest first
 */
export function frontierOfCode(value: bigint, sent: readonly (readonly FrontierLine[])[]): readonly FrontierLine[] | undefined {
  const known = new Map<LogId, Map<number, FrontierLine>>()
  for (const frontier of sent)
    for (const line of frontier) {
      const sizes = known.get(line.log) ?? new Map<number, FrontierLine>()
      known.set(line.log, sizes.set(line.size, line))
    }
  for (const frontier of sent.toReversed()) {
    const difference = codeOfFrontier(frontier) ^ value
    if (difference === 0n) return frontier
    const found = exchanged(frontier, difference, known)
    if (found !== undefined) return found
  }
  return undefined
}

interface Exchange {
  readonly log: LogId
  readonly line: FrontierLine | undefined
  readonly change: bigint
}

function exchanged(
  frontier: readonly FrontierLine[],
  difference: bigint,
  known: ReadonlyMap<LogId, ReadonlyMap<number, FrontierLine>>
): readonly FrontierLine[] | undefined {
  const exchanges: Exchange[] = frontier.flatMap((line) => {
    const own = codeOfLine(line)
    const others = [...(known.get(line.log)?.values() ?? [])].filter(({ size }) => size !== line.size)
    return [undefined, ...others].map((other) => ({
      log: line.log,
      line: other,
      change: own ^ (other === undefined ? 0n : codeOfLine(other))
    }))
  })
  const one = exchanges.find(({ change }) => change === difference)
  if (one !== undefined) return withExchanges(frontier, [one])
  if (exchanges.length ** 2 > maxPairs) return undefined
  const byChange = new Map(exchanges.map((exchange) => [exchange.change, exchange]))
  for (const first of exchanges) {
    const second = byChange.get(difference ^ first.change)
    if (second !== undefined && second.log !== first.log) return withExchanges(frontier, [first, second])
  }
  return undefined
}

function withExchanges(frontier: readonly FrontierLine[], exchanges: readonly Exchange[]): readonly FrontierLine[] {
  return frontier.flatMap((line) => {
    const exchange = exchanges.find(({ log }) => log === line.log)
    return exchange === undefined ? [line] : (exchange.line ?? [])
  })
}

/** Returns which sent frontier's words are the most like some that don't fit together, and which word differs; undefined where none has four of them. */
export function nearestCode(
  words: readonly number[],
  sent: readonly (readonly FrontierLine[])[]
): { readonly words: readonly number[]; readonly differs: readonly number[] } | undefined {
  let best: { readonly words: readonly number[]; readonly differs: readonly number[] } | undefined
  for (const frontier of sent.toReversed()) {
    const candidate = wordsOfCode(codeOfFrontier(frontier))
    const differs = candidate.flatMap((word, i) => (word === words[i] ? [] : [i]))
    if (differs.length <= 2 && (best === undefined || differs.length < best.differs.length)) best = { words: candidate, differs }
  }
  return best
}
