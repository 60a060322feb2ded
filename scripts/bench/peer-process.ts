import { writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { Live, Node } from '../../src/node/index.ts'
import { drafts } from './events.ts'

// The other process of a benchmark: opens a data folder and serves it; told over IPC to append, to put a blob or to end.
const [root = ''] = process.argv.slice(2)
const node = await Node.open(root, { flags: { listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, peers: [] } })
const live = await Live.open(node)
process.send?.({ address: live.host.addresses()[0] })
process.on('message', (message: { readonly append?: number; readonly blobBytes?: number; readonly end?: boolean }) => {
  void answer(message)
})

async function answer({
  append,
  blobBytes,
  end
}: {
  readonly append?: number
  readonly blobBytes?: number
  readonly end?: boolean
}): Promise<void> {
  if (append !== undefined) {
    await node.writer.append(drafts(append))
    node.writer.sign()
    process.send?.({ appended: append })
  }
  if (blobBytes !== undefined) {
    const path = `${root}/tmp/bench-blob`
    const piece = randomBytes(1024 * 1024)
    writeFileSync(path, piece)
    for (let at = piece.length; at < blobBytes; at += piece.length) {
      piece.writeUInt32BE(at >>> 0, 0)
      writeFileSync(path, piece, { flag: 'a' })
    }
    const stored = await node.blobs.putFile(path)
    process.send?.({ digest: stored.digest, size: stored.sizeBytes, cid: stored.cid })
  }
  if (end === true) {
    await live[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
    process.exit(0)
  }
}
