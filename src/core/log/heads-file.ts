import { base64, fromBase64, textOf, utf8 } from '../bytes.ts'
import { type Digest, isDigest } from '../digest.ts'
import { RejoinError } from '../error.ts'
import { didOf, parseKey, type PublicKey } from '../key.ts'
import { isLogId, type LogId } from './log-id.ts'

/** The name of the file at a replica's root that lists its logs, for readers that can't list folders. */
export const headsPath = 'heads'
/** The largest such file that is read: a million logs take some 300 MB, and nobody keeps those on a web server. */
export const maxHeadsBytes: number = 64 * 1024 * 1024

/** What the file says of one log. Nothing of it is proven: a reader goes on to the log's checkpoint. */
export interface HeadLine {
  readonly log: LogId
  readonly size: number
  readonly root: Uint8Array
  /** digest of the file `checkpoint` */
  readonly checkpoint: Digest
  readonly author: PublicKey
  /** the number of the change that last put other texts into the log, 0 for none; of the store that the file names */
  readonly texts: number
  /** whether there is a file `closed`, a file `fork` */
  readonly closed: boolean
  readonly fork: boolean
}

/** All that the file says. */
export interface HeadsFile {
  /** 32 hexadecimal digits: the store whose numbers `texts` are */
  readonly store: string
  readonly heads: readonly HeadLine[]
}

/**
 * Returns the line of a log, without its newline:
 * `<logId> 1042 <root, base64> sha256:<hex of the file checkpoint> did:key:z6Mk… 0 -`; last of it are the files that are there, `closed`, `fork`, `closed,fork` or `-`.
 */
export function headLine({ log, size, root, checkpoint, author, texts, closed, fork }: HeadLine): string {
  const files = [...(closed ? ['closed'] : []), ...(fork ? ['fork'] : [])].join(',')
  return `${log} ${size} ${base64(root)} ${checkpoint} ${didOf(author)} ${texts} ${files === '' ? '-' : files}`
}

/** Returns the bytes of the file for lines by headLine. */
export function encodeHeads(store: string, lines: readonly string[]): Uint8Array {
  return utf8(`rejoin heads 1 ${store}\n${lines.toSorted().join('\n')}${lines.length === 0 ? '' : '\n'}`)
}

const first = /^rejoin heads (?<version>\d{1,9}) (?<store>[0-9a-f]{32})$/
const lineForm =
  /^(?<log>[a-z2-7]+) (?<size>0|[1-9]\d{0,15}) (?<root>[A-Za-z0-9+/]{43}=) (?<checkpoint>sha256:[0-9a-f]{64}) (?<author>did:key:z[1-9A-HJ-NP-Za-km-z]+) (?<texts>0|[1-9]\d{0,15}) (?<files>-|closed|fork|closed,fork)$/

function fail(what: string): never {
  throw new RejoinError('E_DAMAGED', `${headsPath}: ${what}`)
}

/**
 * Returns what the bytes of the file say.
 * @throws E_TOO_LARGE E_UTF8 · E_VERSION · E_DAMAGED for a line that is none, or two of one log
 */
export function parseHeads(bytes: Uint8Array): HeadsFile {
  if (bytes.length > maxHeadsBytes) throw new RejoinError('E_TOO_LARGE', `${headsPath} is over ${maxHeadsBytes} bytes`)
  const lines = textOf(bytes).split('\n')
  const { version, store } = first.exec(lines[0] ?? '')?.groups ?? {}
  if (version === undefined || store === undefined) fail('it does not begin as a list of heads')
  if (version !== '1') throw new RejoinError('E_VERSION', `${headsPath} has version ${version}; this program knows 1`)
  if (lines.at(-1) !== '') fail('its last line is cut off')
  const heads = new Map<string, HeadLine>()
  for (const [i, line] of lines.slice(1, -1).entries()) {
    const { log = '', size, root = '', checkpoint = '', author = '', texts, files = '' } = lineForm.exec(line)?.groups ?? {}
    const rootBytes = fromBase64(root)
    if (!isLogId(log) || !isDigest(checkpoint) || rootBytes?.length !== 32 || !(Number(size) <= Number.MAX_SAFE_INTEGER))
      fail(`line ${i + 2} is no head`)
    if (heads.has(log)) fail(`line ${i + 2} is of a log that was listed before`)
    heads.set(log, {
      log,
      size: Number(size),
      root: rootBytes,
      checkpoint,
      author: parseKey(author),
      texts: Number(texts),
      closed: files.startsWith('closed'),
      fork: files.endsWith('fork')
    })
  }
  return { store, heads: [...heads.values()] }
}
