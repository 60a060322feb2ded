import { writeSync } from 'node:fs'
import { argv } from 'node:process'
import { parseCid, parseDigest } from '../../src/core/index.ts'
import { openBlobs } from '../../src/store/index.ts'
import { fetchBlobs } from '../../src/sync/blob-fetch.ts'
import { connectTcp } from './tcp-stream.ts'

/** Fetches one large blob over TCP, and prints after each chunk how many bytes have come. */
const [root, port, digest, cid] = argv.slice(2) as [string, string, string, string]
const source = { name: 'server', open: async () => await connectTcp(Number(port)) }
const result = await fetchBlobs([{ digest: parseDigest(digest), cid: parseCid(cid) }], [source], openBlobs(root), {
  signal: new AbortController().signal,
  onProgress: ({ receivedBytes }) => writeSync(1, `${receivedBytes}\n`)
})
writeSync(1, `done ${result.done.length}\n`)
