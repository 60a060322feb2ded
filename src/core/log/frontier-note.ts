import { base64, compare, fromBase64, utf8 } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { didOf, nodePathOf, parseKey, type PublicKey, type Signer } from '../key.ts'
import type { TreeHead } from './checkpoint.ts'
import { isLogId } from './log-id.ts'
import { encodeNote, parseNote, signNote, verifyNote } from './note.ts'

const magic = 'rejoin/frontier/v1'
/** A frontier is never longer than this: some 150,000 logs. */
export const maxFrontierBytes: number = 16 * 1024 * 1024

/** What a node says that it holds. */
export interface Frontier {
  readonly node: PublicKey
  readonly network: string
  /** 32 hexadecimal digits of the node's store, whose changes `seq` counts: of two frontiers of one store the one with more changes is newer */
  readonly store: string
  readonly seq: number
  /** when it was signed, by that node's clock; for people only */
  readonly time: string
  /** sorted by log */
  readonly heads: readonly TreeHead[]
}

/** Returns the path of a node's frontier below the root of a replica. */
export function frontierPath(node: PublicKey): string {
  return `frontiers/${nodePathOf(node)}`
}

/** Returns the name under which a node signs its frontiers: it is none that a log has. */
function nameOf(node: PublicKey): string {
  return `${magic}/${nodePathOf(node)}`
}

/**
 * Returns a frontier as a signed note. Its text: `rejoin/frontier/v1`, the node's did:key, the network, store and number of the newest change,
 * the time, then for each log `<logId> <size> <base64 root>`.
 * @see protocols/frontier.md
 */
export function signFrontier({ network, store, seq, time, heads }: Omit<Frontier, 'node'>, signer: Signer): Uint8Array {
  const lines = heads
    .toSorted((a, b) => (a.log < b.log ? -1 : 1))
    .map(({ log, size, root }) => `${log} ${size} ${base64(root)}\n`)
  const head = `${magic}\n${didOf(signer.publicKey)}\n${network}\n${store} ${seq}\n${time}\n`
  return encodeNote(signNote(head + lines.join(''), nameOf(signer.publicKey), signer))
}

function fail(message: string): never {
  throw new RejoinError('E_NOTE', `a frontier ${message}`)
}

function parseHead(line: string): TreeHead {
  const [log = '', size = '', root = '', ...rest] = line.split(' ')
  const bytes = fromBase64(root)
  if (!isLogId(log) || !/^(?:0|[1-9][0-9]{0,15})$/.test(size) || bytes?.length !== 32 || rest.length > 0)
    fail('has a malformed head')
  return { log, size: Number(size), root: bytes as Uint8Array }
}

/**
 * Returns a frontier whose signature was verified with the key that it names itself; whether that node is one to believe is the caller's question.
 * @throws E_TOO_LARGE E_UTF8 E_NOTE E_KEY E_SIGNATURE
 */
export function verifyFrontier(bytes: Uint8Array): Frontier {
  const note = parseNote(bytes, maxFrontierBytes)
  const [first, did = '', network = '', counter = '', time = '', ...lines] = note.text.split('\n')
  if (first !== magic) fail('does not begin as one')
  if (lines.pop() !== '') fail('is cut off')
  const node = parseKey(did)
  if (didOf(node) !== did) fail('names its node in another spelling')
  const [, store = '', seq = ''] = /^([0-9a-f]{32}) (0|[1-9][0-9]{0,15})$/.exec(counter) ?? fail('has a malformed store')
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(network)) fail('has a malformed network')
  if (!/^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(time)) fail('has a malformed time')
  const heads = lines.map(parseHead)
  for (let i = 1; i < heads.length; i++)
    if (compare(utf8((heads[i - 1] as TreeHead).log), utf8((heads[i] as TreeHead).log)) >= 0) fail('is not sorted')
  verifyNote(note, nameOf(node), node)
  return { node, network, store, seq: Number(seq), time, heads }
}

/** Returns whether a frontier of a node replaces another one of it: one of the same store by its number, one of another store by the time it claims. */
export function isNewerFrontier(one: Frontier, than: Frontier): boolean {
  return one.store === than.store ? one.seq > than.seq : one.time > than.time
}
