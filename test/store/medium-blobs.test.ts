import { createHash, randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { blobPath, chunkBytes, codeOf, concat, digestOf, partPath, sha256 } from '../../src/core/index.ts'
import { MediumBlobs, Outside, Sums } from '../../src/store/index.ts'

test('a medium that gives other bytes than were written to it: E_IO, and no name, however many chunks were right', async () => {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-medium-'))
  const files = new Outside(root)
  const blobs = new MediumBlobs(files, Sums.open(files))
  blobs.prepare()
  const bytes = randomBytes(20 * chunkBytes + 5)
  const chunks = Array.from({ length: 21 }, (_, i) => bytes.subarray(i * chunkBytes, (i + 1) * chunkBytes))
  const digest = digestOf(bytes)
  const shape = { sizeBytes: bytes.length, leaves: concat(chunks.map(sha256)) }

  const worn = await blobs.partial(digest, shape)
  for (const [i, chunk] of chunks.entries()) expect(await worn.write(i, chunk)).toBe(true)
  const fd = openSync(join(root, partPath(digest)), 'r+')
  writeSync(fd, Buffer.from([(bytes[bytes.length - 1] as number) ^ 1]), 0, 1, bytes.length - 1)
  closeSync(fd)
  await expect(blobs.finish(worn)).rejects.toSatisfy((error) => codeOf(error) === 'E_IO')
  expect(existsSync(join(root, partPath(digest)))).toBe(false)
  expect(blobs.size(digest)).toBeUndefined()

  const good = await blobs.partial(digest, shape)
  for (const [i, chunk] of chunks.entries()) await good.write(i, chunk)
  await blobs.finish(good)
  expect(
    createHash('sha256')
      .update(files.read(blobPath(digest), bytes.length) as Uint8Array)
      .digest('hex')
  ).toBe(digest.slice(7))
  rmSync(root, { recursive: true })
})
