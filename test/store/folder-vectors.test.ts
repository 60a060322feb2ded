import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { type Checked, type Fault, verifyFolder } from '../../src/store/index.ts'
import { temporaryFolder } from './sample-folder.ts'

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, '../../protocols/vectors/folder.json'), 'utf8')) as {
  readonly log: string
  readonly files: Readonly<Record<string, string>>
  readonly base64: Readonly<Record<string, string>>
}

function lay(root: string): void {
  const bytes = { ...textBytes(vectors.files), ...binary(vectors.base64) }
  for (const [path, content] of Object.entries(bytes)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  mkdirSync(join(root, 'blobs/sha256'), { recursive: true })
}

const textBytes = (files: Readonly<Record<string, string>>): Record<string, Buffer> =>
  Object.fromEntries(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]))
const binary = (files: Readonly<Record<string, string>>): Record<string, Buffer> =>
  Object.fromEntries(Object.entries(files).map(([path, text]) => [path, Buffer.from(text, 'base64')]))

async function check(root: string): Promise<{ readonly faults: readonly Fault[]; readonly counts: Checked }> {
  const faults: Fault[] = []
  const run = verifyFolder(root, { signal: new AbortController().signal })
  for (let next = await run.next(); ; next = await run.next()) {
    if (next.done === true) return { faults, counts: next.value }
    faults.push(next.value)
  }
}

it('FOLDER-1 FOLDER-2 the folder of the vectors verifies without key and index, and a changed byte of it is named', async () => {
  using folder = temporaryFolder()
  lay(folder.path)
  const good = await check(folder.path)
  expect(good.faults).toEqual([])
  expect(good.counts).toMatchObject({ logs: 1 })
  const path = join('logs', vectors.log, 'entries/000000.ndjson')
  const bytes = readFileSync(join(folder.path, path))
  const at = bytes.indexOf('"id":"', 5000) + 6
  bytes[at] = bytes[at] === 0x61 ? 0x62 : 0x61
  writeFileSync(join(folder.path, path), bytes)
  const begins = bytes.lastIndexOf(10, at) + 1
  expect((await check(folder.path)).faults).toContainEqual(expect.objectContaining({ path, offset: begins }))
})
