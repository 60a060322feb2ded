import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Node } from '../../src/node/index.ts'
import { afterEveryTest } from '../endings.ts'

const folders: string[] = []
const open: Node[] = []
afterEveryTest(async () => {
  for (const node of open.splice(0)) await node[Symbol.asyncDispose]()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** Makes a node with a trust file and opens it; both go after the test. */
export async function nodeWith(trust: string): Promise<Node> {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-trusting-'))
  folders.push(root)
  await Node.init(root, 'me', 'test')
  writeFileSync(join(root, 'trust.yaml'), trust)
  return await opened(root)
}

/** Opens the node of a data folder, once it judged what is there; it is closed after the test. */
export async function opened(root: string): Promise<Node> {
  const node = await Node.open(root)
  open.push(node)
  await node.settled()
  return node
}
