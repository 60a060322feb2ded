import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { argv, stdout } from 'node:process'
import { leavesOf, vectorBytes } from '../../scripts/vectors-blobs.ts'
import { chunkBytes, codeOf, digestOf } from '../../src/core/index.ts'
import { openBlobs } from '../../src/store/index.ts'

/** Keeps a blob in one of three ways where no file may grow beyond some bytes; prints the code, and what is left in tmp/. */
const [root, way] = argv.slice(2) as [string, string]
const store = openBlobs(root)
const bytes = vectorBytes(2 * chunkBytes)

async function keep(): Promise<void> {
  if (way === 'stream') await store.put(bytes)
  if (way === 'small') await store.putMany([{ bytes: vectorBytes(10) }, { bytes: bytes.subarray(0, 9000) }])
  if (way === 'part') {
    const part = await store.partial(digestOf(bytes), { sizeBytes: bytes.length, leaves: leavesOf(bytes, chunkBytes) })
    try {
      await part.write(0, bytes.subarray(0, chunkBytes))
    } catch (error) {
      await part.discard()
      throw error
    }
  }
}

let code: string | undefined
try {
  await keep()
} catch (error) {
  code = codeOf(error) ?? String(error)
}
stdout.write(`${code} ${JSON.stringify(readdirSync(join(root, 'tmp')))}\n`)
