import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { exportTo } from '../../src/node/exporting.ts'
import { Node } from '../../src/node/index.ts'
import { importFromWeb } from '../../src/node/web-import.ts'
import { patient } from '../net/hosts.ts'
import { serveFolder } from '../replica/static-servers.ts'
import { faults, made } from './nodes.ts'
import { publishBytes, reader, say } from './web-nodes.ts'

it('FOLDER-17 WEB-4: a reader over the web finds a folder whole at every instant of the exports that write it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rejoin-served-'))
  const silent = { ...patient(), say: () => {} }
  const writer = await Node.open(await made('writer'))
  const seen: number[] = []
  const beside: string[] = []
  try {
    let isExporting = true
    await say(writer, 200)
    await exportTo(writer, folder, silent)
    await using server = await serveFolder(folder)
    const node = await reader(writer.did)
    const reading = (async () => {
      for (let isLast = false; !isLast; ) {
        isLast = !isExporting
        const { bad, missing } = await importFromWeb(node, server.url, silent)
        expect(bad).toEqual([])
        // of a head that is newer than the list, blobs may still be on their way
        if (isLast) expect(missing).toBe(0)
        seen.push(node.store.head(writer.log)?.size ?? 0)
        if (isExporting) beside.push(...server.requests())
      }
    })()
    for (let round = 0; round < 8; round++) {
      await say(writer, 150 + round)
      await publishBytes(writer, [randomBytes(1000), randomBytes(1_200_000)])
      await exportTo(writer, folder, silent)
    }
    isExporting = false
    await reading
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    expect(new Set(seen).size).toBeGreaterThan(2)
    expect(beside.length).toBeGreaterThan(10)
    expect(seen.at(-1)).toBe(writer.writer.sign().size)
    const { root } = node
    await node[Symbol.asyncDispose]()
    expect(await faults(root)).toEqual([])
  } finally {
    await writer[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  }
})
