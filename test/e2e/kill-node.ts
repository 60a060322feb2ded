import { once } from 'node:events'
import { unlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { argv, exit, stderr, stdout } from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import { digestOf, hex, RejoinError, utf8 } from '../../src/core/index.ts'
import { Node } from '../../src/node/node.ts'
import { driveSession } from '../../src/sync/index.ts'
import { streamOfSocket } from '../sync/tcp-stream.ts'

/**
 * A node that appends, with a blob to each event, and syncs with another one until it is killed. It prints each event that is
 * acknowledged and each head of a log that it signed or stored.
 */
const [, , root, role, socketPath] = argv as unknown as readonly [
  string,
  string,
  string | undefined,
  'listen' | 'connect',
  string
]
const { signal } = new AbortController()
// a life that only fills the cache of compiled modules, which those that are killed can't write
if (root === undefined) exit()
/** what the appending waits for */
let step = 'start'
const node = await Node.open(root, { onNotice: (text) => stdout.write(`notice ${text}\n`) })
process.on('SIGUSR2', () => {
  const { writer, share } = node
  const waits = {
    resources: process.getActiveResourcesInfo(),
    writer,
    share,
    rejudging: Reflect.get(node, 'rejudging') as unknown
  }
  stderr.write(`${inspect(waits, { depth: 2, maxArrayLength: 5, maxStringLength: 200 })}\nappending: ${step}\n`)
})
node.store.onGrown((head) => stdout.write(`head ${head.log} ${head.size} ${hex(head.root)}\n`))
for (const head of node.store.listHeads()) stdout.write(`head ${head.log} ${head.size} ${hex(head.root)}\n`)
stdout.write('ready\n')

async function appendForEver(): Promise<never> {
  for (let i = 0; ; i++) {
    const blobs = Array.from({ length: 1 + (i % 4) }, (_, k) => {
      const bytes = utf8(`blob ${node.log} ${node.writer.folder.size} ${i} ${k} ${'x'.repeat((i * 37) % 500)}`)
      return { bytes, digest: digestOf(bytes) }
    })
    step = 'blobs'
    await node.blobs.putMany(blobs)
    const descriptors = blobs.map(({ bytes, digest }) => ({ mediaType: 'text/plain', digest, size: bytes.length }))
    node.blobs.index.change(descriptors.map((descriptor) => ({ kind: 'add', descriptor })))
    step = 'append'
    const written = await node.writer.append(
      descriptors.map((descriptor) => ({ type: 'sample.published', subject: descriptor.digest, data: { ...descriptor } }))
    )
    stdout.write(written.map(({ index, event }) => `event ${node.log} ${index} ${event.id} ${event.subject ?? ''}\n`).join(''))
    step = 'pause'
    await setTimeout(1)
  }
}

async function sync(socket: Parameters<typeof streamOfSocket>[0]): Promise<void> {
  try {
    await driveSession(node.replica, streamOfSocket(socket), { signal, share: node.share })
    stdout.write('synced\n')
  } catch (error) {
    if (!(error instanceof RejoinError && error.code === 'E_GONE')) throw error
  }
}

async function connectForEver(): Promise<never> {
  for (;;) {
    const socket = connect({ path: socketPath, allowHalfOpen: true })
    const up = await once(socket, 'connect').then(
      () => true,
      () => false
    )
    if (up) await sync(socket)
    await setTimeout(5)
  }
}

if (role === 'listen') {
  try {
    unlinkSync(socketPath)
  } catch {
    // there was none
  }
  createServer({ allowHalfOpen: true }, (socket) => void sync(socket)).listen(socketPath)
}
await Promise.all([appendForEver(), ...(role === 'connect' ? [connectForEver()] : [])])
