import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../src/node/index.ts'
import { Live, Node } from '../../src/node/index.ts'
import { type Fault, verifyFolder } from '../../src/store/index.ts'
import { addIdentity } from '../../src/trust/index.ts'
import { afterEveryFile, afterEveryTest } from '../endings.ts'
import { patient } from '../net/hosts.ts'

const folders: string[] = []
const keptFolders: string[] = []
afterEveryFile(() => {
  for (const folder of keptFolders.splice(0)) rmSync(folder, { recursive: true, force: true })
})
const closing: AsyncDisposable[] = []
afterEveryTest(async () => {
  for (const one of closing.splice(0).toReversed()) await one[Symbol.asyncDispose]()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** Makes the data folder of a node, which goes after all tests of the file. */
export async function kept(name: string): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), `rejoin-${name}-`))
  keptFolders.push(root)
  await Node.init(root, name, 'test')
  return root
}

/** A node that is up on loopback. */
export interface Up {
  readonly root: string
  readonly node: Node
  readonly live: Live
  readonly address: string
  readonly notices: string[]
  readonly down: () => Promise<void>
}

/** Makes the data folder of a node, which goes after the test. */
export async function made(name: string): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), `rejoin-${name}-`))
  folders.push(root)
  await Node.init(root, name, 'test')
  return root
}

/** Brings a node up in a data folder. */
export async function up(root: string, flags: Partial<Config> = {}): Promise<Up> {
  const notices: string[] = []
  const node = await Node.open(root, {
    flags: { listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, peers: [], ...flags },
    onNotice: (notice) => notices.push(notice)
  })
  const live = await Live.open(node)
  closing.push(node, live)
  const down = async (): Promise<void> => {
    await live[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
  }
  return { root, node, live, address: live.host.addresses()[0] ?? '', notices, down }
}

/** Opens a data folder without the network. */
export async function opened(root: string, flags: Partial<Config> = {}): Promise<Node> {
  const node = await Node.open(root, { flags })
  closing.push(node)
  return node
}

/** Lets a node trust another key by a name. */
export function trust({ root, node, live }: Up, name: string, did: string): void {
  addIdentity(root, name, did)
  node.reloadTrust()
  live.rulesChanged()
}

/** Connects a node to another one, and syncs once. */
export async function meet(one: Up, other: Up): Promise<void> {
  const { peerId } = await one.live.dial(other.address, patient().signal)
  await one.live.sync(peerId, patient().signal)
}

/** Writes small events in a node's own log. */
export async function write({ node }: Up, count: number, mark = 'note'): Promise<void> {
  await node.writer.append(Array.from({ length: count }, (_, n) => ({ type: 'note.said', data: { text: `${mark} ${n}` } })))
  node.writer.sign()
}

/** Returns what is wrong in a data folder. */
export async function faults(root: string): Promise<readonly Fault[]> {
  return await Array.fromAsync(verifyFolder(root, patient()))
}
