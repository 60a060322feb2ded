import {
  didOf,
  encodeEvent,
  firstHlc,
  leafHash,
  linesOf,
  type LogId,
  logIdOf,
  parseHlc,
  type RejoinEvent,
  signCheckpoint,
  textOf,
  Tree,
  utf8
} from '../../src/core/index.ts'
import type { Node } from '../../src/node/index.ts'
import { sampleEvent, sampleSigner } from '../core/sample.ts'

/** A log that somebody else wrote. */
export interface WrittenLog {
  readonly name: string
  readonly log: LogId
  readonly did: string
  readonly lines: readonly Uint8Array[]
}

/** An event of a log that somebody else wrote, without what it gets from its place. */
export type Said = Pick<RejoinEvent, 'type'> & Partial<Pick<RejoinEvent, 'subject' | 'data'>> & { readonly atMs?: number }

const startMs = 1_790_000_000_000

/** Writes a log of a made-up key: its first line, and then what it says. */
export function writtenLog(name: string, said: readonly Said[]): WrittenLog {
  const signer = sampleSigner(name)
  const lines = [undefined, ...said].map((one, index) => {
    if (one === undefined) return encodeEvent(sampleEvent(signer, 0, firstHlc))
    const { atMs = startMs + index, ...rest } = one
    const hlc = parseHlc(`${atMs.toString(16).padStart(12, '0')}0000`)
    const { subject: _subject, ...stamped } = sampleEvent(signer, index, hlc)
    return encodeEvent({ ...stamped, data: { index }, ...rest })
  })
  return { name, log: logIdOf(lines[0] as Uint8Array), did: didOf(signer.publicKey), lines }
}

/** Lets a node take in the entries [from, to) of a log, as a session would bring them. */
export async function bring(
  node: Node,
  { name, log, lines }: WrittenLog,
  from = 0,
  to: number = lines.length,
  by?: string
): Promise<void> {
  const tree = new Tree()
  for (const line of lines.slice(0, to)) tree.append(leafHash(line))
  const text = utf8(
    lines
      .slice(from, to)
      .map((line) => `${textOf(line)}\n`)
      .join('')
  )
  const block = { from, count: to - from, text }
  await node.replica.accept(log, [{ ...block, lines: linesOf(block), tileHash: undefined }], by)
  await node.replica.commit(log, signCheckpoint({ log, size: to, root: tree.root() }, sampleSigner(name)), undefined)
}

/** Returns where the text of an entry lies: its verdict. */
export function verdictAt({ store }: Node, log: LogId, index: number): 'relay' | 'keep' | 'hold' | 'nowhere' {
  const folder = store.folder(log)
  if (folder === undefined || index >= folder.size) return 'nowhere'
  if (folder.entry(index).line !== undefined) return 'relay'
  if (store.places.kept.read(log, index) !== undefined) return 'keep'
  return store.places.held.read(log, index) === undefined ? 'nowhere' : 'hold'
}

/** Writes a trust file whose identities have several keys. */
export function trustText(
  identities: Readonly<Record<string, readonly WrittenLog[]>>,
  rest: string,
  {
    version = 2,
    revoked
  }: { readonly version?: number; readonly revoked?: { readonly of: WrittenLog; readonly size: number } } = {}
): string {
  const all = Object.values(identities).flat()
  const keys = all.map(({ name, did, log }) => {
    const cut = revoked?.of.name === name ? `, revokedFrom: {log: ${log}, size: ${revoked.size}}` : ''
    return `  ${name}: {did: "${did}"${cut}}\n`
  })
  const names = Object.entries(identities).map(
    ([name, logs]) => `  ${name}: {keys: [${logs.map((one) => one.name).join(', ')}], roles: [${name}]}\n`
  )
  return `apiVersion: rejoin/v1\nkind: TrustPolicy\nname: me\nversion: ${version}\nkeys:\n${keys.join('')}identities:\n${names.join('')}${rest}`
}
