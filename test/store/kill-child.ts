import { argv, exit, stdout } from 'node:process'
import { openKeys, readOwnLog, Store } from '../../src/store/index.ts'
import { draft } from './sample-folder.ts'

/** Appends until it is killed; prints each event's index and ID once it is acknowledged, and each checkpoint that is signed. */
const root = argv[2]
// a life that only fills the cache of compiled modules
if (root === undefined) exit()
const log = readOwnLog(root)
if (log === undefined) throw new Error('no own log')
const store = await Store.open(root, { ownLog: log })
store.onGrown((head) => stdout.write(`signed ${head.size} ${Buffer.from(head.root).toString('hex')}\n`))
const writer = store.openWriter(log, openKeys(root).signer)
stdout.write('ready\n')
await Promise.all(
  Array.from({ length: 8 }, async (_, lane) => {
    for (let i = 0; ; i++) {
      const written = await writer.append(Array.from({ length: ((lane * i) % 5) + 1 }, (_unused, k) => draft(i + k, lane * 100)))
      stdout.write(written.map(({ index, event }) => `event ${index} ${event.id}\n`).join(''))
    }
  })
)
