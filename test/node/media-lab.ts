import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf, utf8 } from '../../src/core/index.ts'
import {
  archiveWriter,
  checkStream,
  exportMedium,
  type MediumExport,
  Node,
  publish,
  type PublishOptions,
  runVerb
} from '../../src/node/index.ts'
import { addIdentity } from '../../src/trust/index.ts'
import { afterEveryTest } from '../endings.ts'

const folders: string[] = []
const closing: Node[] = []
afterEveryTest(async () => {
  for (const node of closing.splice(0)) await node[Symbol.asyncDispose]()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

export const never: AbortSignal = new AbortController().signal
/** The selection of everything. */
export const all: MediumExport = { selection: { repositories: [], types: [], platforms: [] } }

/** A record with all its members. */
export type Said = Readonly<Record<string, unknown>>

/** Returns a new temporary folder, deleted after the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'rejoin-media-'))
  folders.push(path)
  return path
}

/** Makes a node and opens it, without a network. */
export async function nodeNamed(name: string, known: readonly Node[] = []): Promise<Node> {
  const root = join(folder(), name)
  await Node.init(root, name, 'lab')
  for (const one of known) addIdentity(root, `n${one.nodeId.slice(-6)}`, one.did)
  const node = await Node.open(root)
  closing.push(node)
  return node
}

/** Publishes a text as a document of its own. @returns the digest of its manifest */
export async function say(node: Node, text: string | Uint8Array, options: PublishOptions = {}): Promise<string> {
  const bytes = typeof text === 'string' ? utf8(text) : text
  const path = join(folder(), digestOf(bytes).slice(7, 19))
  writeFileSync(path, bytes)
  for await (const record of publish(node, [path], { type: 'text/plain', ...options }) as AsyncIterable<Said>) {
    if (typeof record['digest'] === 'string') return record['digest']
    throw new Error(JSON.stringify(record))
  }
  throw new Error('nothing was published')
}

/** Exports to an archive. @returns all records */
export async function exported(node: Node, path: string, options: MediumExport = all): Promise<readonly Said[]> {
  if (!node.writer.lacksTail) node.writer.sign()
  return (await Array.fromAsync(exportMedium(node.root, options, archiveWriter(path), never))) as unknown as readonly Said[]
}

/** Imports, and returns all records but progress. */
export async function imported(
  node: Node,
  replica: string,
  more: object = {}
): Promise<{ readonly result: Said; readonly faults: readonly Said[] }> {
  const records = (await Array.fromAsync(
    runVerb(node, undefined, 'import-stream', { replica, ...more }, never)
  )) as unknown as readonly Said[]
  return { result: records.at(-1) as Said, faults: records.filter(({ kind }) => kind === 'fault') }
}

/** Checks an archive. */
export async function checked(
  replica: string,
  more: object = {}
): Promise<{ readonly result: Said; readonly faults: readonly Said[] }> {
  const records = (await Array.fromAsync(checkStream({ replica, ...more }, never))) as unknown as readonly Said[]
  return { result: records.at(-1) as Said, faults: records.filter(({ kind }) => kind === 'fault') }
}
