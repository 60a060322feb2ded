import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { type LogId, parseEvent, type RejoinEvent } from '../../src/core/index.ts'
import { Live, type LiveOptions, Node, publish, type PublishOptions } from '../../src/node/index.ts'
import { verifyFolder } from '../../src/store/index.ts'

/** A node of a test, up on loopback. */
export interface LabNode {
  readonly name: string
  readonly root: string
  readonly node: Node
  readonly live: Live
  readonly address: string
  readonly notices: string[]
}

const never = new AbortController().signal
/** how long a test waits for something to become true, and how often it looks */
const patience = { timeout: 120_000, interval: 50 }

/** Nodes of one test, in temporary folders, closed and deleted together. */
export class NodeLab implements AsyncDisposable {
  private readonly closing: AsyncDisposable[] = []
  private readonly folders: string[] = []

  /** Makes a data folder and returns its path and did:key. */
  async folder(name: string): Promise<{ readonly root: string; readonly did: string }> {
    const root = mkdtempSync(join(tmpdir(), `rejoin-lab-${name}-`))
    this.folders.push(root)
    await Node.init(root, name, 'lab')
    const node = await Node.open(root)
    const { did } = node
    await node[Symbol.asyncDispose]()
    return { root, did }
  }

  /** Brings the node of a data folder up. */
  async up(name: string, root: string, options: LiveOptions = {}): Promise<LabNode> {
    const notices: string[] = []
    const flags = { listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, peers: [] }
    const node = await Node.open(root, { flags, onNotice: (notice) => notices.push(notice) })
    const live = await Live.open(node, options)
    this.closing.push(node, live)
    return { name, root, node, live, address: live.host.addresses()[0] ?? '', notices }
  }

  /** Takes a node down. */
  async down({ node, live }: LabNode): Promise<void> {
    await live[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
  }

  /** Connects one node to another; they sync by themselves. */
  async connect(from: LabNode, to: LabNode): Promise<void> {
    await from.live.dial(to.address, never)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.closing.toReversed()) await one[Symbol.asyncDispose]()
    for (const folder of this.folders) rmSync(folder, { recursive: true, force: true })
  }
}

/** Writes a trust file. @param rules YAML after the identities */
export function writeTrust(root: string, version: number, identities: Readonly<Record<string, string>>, rules = ''): void {
  const keys = Object.entries(identities).map(([name, did]) => `  ${name}: {did: "${did}"}\n`)
  const names = Object.keys(identities).map((name) => `  ${name}: {keys: [${name}], roles: [${name}]}\n`)
  writeFileSync(
    join(root, 'trust.yaml'),
    `apiVersion: rejoin/v1\nkind: TrustPolicy\nname: lab\nversion: ${version}\nkeys:\n${keys.join('')}identities:\n${names.join('')}${rules}`
  )
}

/** Puts what stands in trust.yaml in force. */
export async function reload({ node, live }: LabNode): Promise<void> {
  if (node.reloadTrust()) live.rulesChanged()
  await node.settled()
}

/** Publishes a text as a document of some media type. */
export async function publishText(
  lab: LabNode,
  text: string,
  options: PublishOptions
): Promise<{ digest: string; index: number }> {
  const path = join(lab.root, 'tmp', 'document.txt')
  writeFileSync(path, text)
  for await (const result of publish(lab.node, [path], options)) {
    if (result.kind === 'error') throw new Error(`${result.code} ${result.error}`)
    return { digest: result.digest, index: result.index }
  }
  throw new Error('nothing was published')
}

/** Returns the events of a log that are used at a node, by their titles; undefined where the text is not used there. */
export function usedAt({ node }: LabNode, log: LogId): readonly (RejoinEvent | undefined)[] {
  const folder = node.store.folder(log)
  if (folder === undefined) return []
  return Array.from({ length: folder.size }, (_, index) => {
    const line = node.store.lineOf(log, index)
    return line && parseEvent(line)
  })
}

/** Returns the files of a data folder, other than those of the index, with their bytes. */
export function filesOf(root: string, below = ''): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>()
  for (const entry of readdirSync(join(root, below), { withFileTypes: true })) {
    const path = join(below, entry.name)
    if (path === 'index') continue
    if (entry.isDirectory()) for (const [name, bytes] of filesOf(root, path)) found.set(name, bytes)
    else found.set(path, readFileSync(join(root, path)))
  }
  return found
}

/** Returns which files of a data folder, other than those of the index, hold a text. */
export function filesWith(root: string, text: string): readonly string[] {
  return [...filesOf(root)].flatMap(([path, bytes]) => (bytes.includes(text) ? [path] : []))
}

/** Waits until something holds. @param interval milliseconds between two looks, where looking takes long */
export async function until(holds: () => void | Promise<void>, interval: number = patience.interval): Promise<void> {
  await vi.waitFor(holds, { ...patience, interval })
}

/** Returns what is wrong in a data folder. */
export async function faultsOf(root: string): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { path, reason } of verifyFolder(root, { signal: never })) found.push(`${path}: ${reason}`)
  return found
}
