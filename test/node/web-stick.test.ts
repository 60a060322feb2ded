import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { blobPath, type Digest, digestOf, partsPath } from '../../src/core/index.ts'
import { Node, runVerb } from '../../src/node/index.ts'
import { importFromWeb, type WebImportResult } from '../../src/node/web-import.ts'
import { verifyFolder } from '../../src/store/index.ts'
import { addIdentity } from '../../src/trust/index.ts'
import { patient } from '../net/hosts.ts'
import { serveFolder, servePython } from '../replica/static-servers.ts'
import { made, opened } from './nodes.ts'
import { publishBytes, reader } from './web-nodes.ts'

const mebibyte = 1024 * 1024
const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

async function run(node: Node, verb: string, args: object): Promise<Readonly<Record<string, unknown>>> {
  return (await Array.fromAsync(runVerb(node, undefined, verb, args, patient().signal))).at(-1) as never
}

async function take(node: Node, { url }: { readonly url: string }): Promise<WebImportResult> {
  return await importFromWeb(node, url, { ...patient(), say: () => {} })
}

/** Puts a blob into parts, as a medium has it that can't take it as one file. */
function split(usb: string, digest: Digest, partBytes: number): void {
  const bytes = readFileSync(join(usb, blobPath(digest)))
  for (let part = 0; part * partBytes < bytes.length; part++) {
    const path = join(usb, partsPath(digest, part))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes.subarray(part * partBytes, (part + 1) * partBytes))
  }
  rmSync(join(usb, blobPath(digest)))
}

describe('a stick that a web server serves', () => {
  it('WEB-11 WEB-12 STICK-5: gives blobs that lie in parts, and what others said of themselves there', async () => {
    const usb = mkdtempSync(join(tmpdir(), 'rejoin-web-stick-'))
    folders.push(usb)
    const alice = await opened(await made('alice'))
    const large = [randomBytes(3 * mebibyte + 5), randomBytes(4 * mebibyte), randomBytes(2 * mebibyte + 1)]
    const [manifest = ''] = await publishBytes(alice, [...large, Buffer.from('small')])
    await run(alice, 'export', { replica: usb })
    const bob = await reader(alice.did)
    expect(await run(bob, 'import', { replica: usb })).toMatchObject({ complete: true, receipt: 'written' })
    // in several parts, the last one full; in one of two parts of 3 MiB; one in one part; and a root of index.json
    const digests = large.map((bytes) => digestOf(bytes)) as [Digest, Digest, Digest]
    split(usb, digests[0], mebibyte)
    split(usb, digests[1], 2 * mebibyte)
    split(usb, digests[2], 3 * mebibyte)
    split(usb, manifest as Digest, mebibyte)
    split(usb, digestOf(Buffer.from('small')), mebibyte)
    const sums = readFileSync(join(usb, 'SHA256SUMS'), 'utf8')
    writeFileSync(join(usb, 'SHA256SUMS'), sums.replaceAll(/.*blobs\/.*\n/g, ''))
    expect(await Array.fromAsync(verifyFolder(usb, patient()))).toEqual([])
    execFileSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: usb })

    await using server = await servePython(usb)
    const carol = await reader(alice.did)
    expect(await take(carol, server)).toMatchObject({ missing: 0, bad: [] })
    for (const bytes of large) expect(readFileSync(join(carol.root, blobPath(digestOf(bytes)))).equals(bytes)).toBe(true)
    // who published it sees what has arrived where
    addIdentity(alice.root, 'bob', bob.did)
    alice.reloadTrust()
    expect((await run(alice, 'status', {}))['sites']).toEqual([])
    await take(alice, server)
    expect((await run(alice, 'status', {}))['sites']).toMatchObject([{ nodeId: bob.nodeId, confirmed: 5, onItsWay: 0 }])
  })

  it('WEB-12: that lists them in no way that is understood, or lacks them, is taken all the same', async () => {
    const usb = mkdtempSync(join(tmpdir(), 'rejoin-web-stick-'))
    folders.push(usb)
    const alice = await opened(await made('alice'))
    await publishBytes(alice, [Buffer.from('small')])
    await run(alice, 'export', { replica: usb })
    const other = `${'a'.repeat(64)}  frontiers/${'b'.repeat(52)}\n${'a'.repeat(64)}  receipts/../../etc\n`
    for (const sums of ['x'.repeat(5000), other, `${'a'.repeat(64)}  frontiers/\n`]) {
      writeFileSync(join(usb, 'SHA256SUMS'), sums)
      const asked: string[] = []
      await using server = await serveFolder(usb, (path) => {
        asked.push(path)
        return false
      })
      const carol = await reader(alice.did)
      expect(await take(carol, server)).toMatchObject({ missing: 0, bad: [] })
      expect(asked.filter((path) => path.startsWith('receipts/'))).toEqual([])
    }
  })

  it('WEB-11: is not believed in what it says of parts', async () => {
    const usb = mkdtempSync(join(tmpdir(), 'rejoin-web-stick-'))
    folders.push(usb)
    const alice = await opened(await made('alice'))
    const bytes = randomBytes(3 * mebibyte + 5)
    await publishBytes(alice, [bytes])
    await run(alice, 'export', { replica: usb })
    const digest = digestOf(bytes)
    split(usb, digest, mebibyte)
    for (const part of [1, 3]) {
      const path = join(usb, partsPath(digest, part))
      const right = readFileSync(path)
      for (const wrong of [right.map((byte) => byte ^ 1), right.subarray(1), Buffer.alloc(0)]) {
        writeFileSync(path, wrong)
        await using server = await serveFolder(usb)
        const carol = await reader(alice.did)
        expect(await take(carol, server)).toMatchObject({ missing: 1 })
        expect(carol.blobs.has(digest)).toBe(false)
      }
      writeFileSync(path, right)
    }
  })
})
