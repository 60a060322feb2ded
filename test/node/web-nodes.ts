import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Node, publish, type PublishOptions } from '../../src/node/index.ts'
import { addIdentity } from '../../src/trust/index.ts'
import { made, opened } from './nodes.ts'

/** Publishes bytes as documents. @returns their digests */
export async function publishBytes(
  node: Node,
  documents: readonly Uint8Array[],
  options: PublishOptions = {}
): Promise<readonly string[]> {
  const digests: string[] = []
  for (const bytes of documents) {
    const path = join(node.root, 'tmp', 'document')
    writeFileSync(path, bytes)
    for await (const result of publish(node, [path], { type: 'application/octet-stream', ...options })) {
      if (result.kind === 'error') throw new Error(result.error)
      digests.push(result.digest)
    }
  }
  return digests
}

/** Writes small events. */
export async function say(node: Node, count: number, mark = 'note'): Promise<void> {
  await node.writer.append(Array.from({ length: count }, (_, n) => ({ type: 'note.said', data: { text: `${mark} ${n}` } })))
  node.writer.sign()
}

/** Makes a node that trusts another one, and opens it. */
export async function reader(did: string): Promise<Node> {
  const root = await made('reader')
  addIdentity(root, 'source', did)
  return await opened(root)
}
