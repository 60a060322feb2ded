import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { codeOf, equal, parseEvent, RejoinError } from '../../src/core/index.ts'
import { openKeys, Store, verifyFolder } from '../../src/store/index.ts'
import { draft, newNode, temporaryFolder } from './sample-folder.ts'

const { signal } = new AbortController()

async function faultsOf(root: string): Promise<readonly unknown[]> {
  return await Array.fromAsync(verifyFolder(root, { signal }))
}

afterEach(() => void vi.restoreAllMocks())

describe('Writer', () => {
  it('puts parallel appends into few groups, each with its own indexes in order', async () => {
    using folder = temporaryFolder()
    const { log, keys } = await newNode(folder.path)
    const store = await Store.open(folder.path, { ownLog: log })
    await using _closing = store
    const writer = store.openWriter(log, keys.signer)
    const sync = vi.spyOn(writer.folder, 'sync')
    const results = await Promise.all(Array.from({ length: 500 }, async (_, i) => await writer.append([draft(i), draft(i + 1)])))
    expect(sync.mock.calls.length).toBeLessThan(10)
    expect(results.flat().map(({ index }) => index)).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1))
    const clocks = results.flat().map(({ event }) => event.hlc)
    expect(clocks).toEqual(clocks.toSorted())
    expect(new Set(results.flat().map(({ event }) => event.id)).size).toBe(1000)
    for (const { index, event } of results.flat().slice(0, 50))
      expect(parseEvent(writer.folder.entry(index).line as Uint8Array)).toEqual(event)
    const signed = writer.sign()
    expect(signed.size).toBe(1001)
    expect(equal(signed.root, writer.folder.tree.root())).toBe(true)
  })

  it('signs by itself soon after the last append, and never before the lines are durable (FOLDER-8)', async () => {
    using folder = temporaryFolder()
    const { log, keys } = await newNode(folder.path)
    const store = await Store.open(folder.path, { ownLog: log })
    await using _closing = store
    const grown = new Promise<number>((resolve) => store.onGrown(({ size }) => resolve(size)))
    const writer = store.openWriter(log, keys.signer)
    let synced = true
    const { sync } = Object.getPrototypeOf(writer.folder) as { readonly sync: () => Promise<void> }
    vi.spyOn(writer.folder, 'sync').mockImplementation(async () => {
      synced = false
      expect(writer.sign().size).toBe(1)
      await sync.call(writer.folder)
      synced = true
    })
    await writer.append([draft(1)])
    expect(synced).toBe(true)
    expect(await grown).toBe(2)
  })

  it('refuses a whole group whose draft no reader would take, and goes on', async () => {
    using folder = temporaryFolder()
    const { log, keys } = await newNode(folder.path)
    const store = await Store.open(folder.path, { ownLog: log })
    await using _closing = store
    const writer = store.openWriter(log, keys.signer)
    await expect(writer.append([draft(1), draft(2, 70_000)])).rejects.toMatchObject({ code: 'E_TOO_LARGE' })
    await expect(writer.append([{ type: 'Bad Type', data: {} }])).rejects.toMatchObject({ code: 'E_EVENT' })
    await expect(writer.append([{ type: 'a.b', data: { n: Number.NaN } }])).rejects.toMatchObject({ code: 'E_NOT_CANONICAL' })
    expect((await writer.append([draft(1)]))[0]?.index).toBe(1)
  })

  it('takes all of a block or nothing of it where a tile can not be written', async () => {
    using folder = temporaryFolder()
    const { log, keys } = await newNode(folder.path)
    const store = await Store.open(folder.path, { ownLog: log })
    await using _closing = store
    const writer = store.openWriter(log, keys.signer)
    const tile = vi.spyOn(writer.folder.tiles, 'write').mockImplementation(() => {
      throw new RejoinError('E_NO_SPACE', 'no space left')
    })
    const drafts = Array.from({ length: 1500 }, (_, i) => draft(i))
    await expect(writer.append(drafts)).rejects.toMatchObject({ code: 'E_NO_SPACE' })
    expect([writer.folder.size, writer.folder.tree.size]).toEqual([1, 1])
    tile.mockRestore()
    expect((await writer.append(drafts)).at(-1)?.index).toBe(1500)
    writer.sign()
    expect(await faultsOf(folder.path)).toEqual([])
  })

  it('loses nothing that it acknowledged on a full disk, leaves no temporary file, and goes on after (FOLDER-8)', async () => {
    using folder = temporaryFolder()
    const disk = join(folder.path, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'none', disk])
    try {
      const root = join(disk, 'node')
      const { log, keys } = await newNode(root)
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(1_500_000))
      const ids = new Map<number, string>()
      {
        const store = await Store.open(root, { ownLog: log })
        await using _closing = store
        const writer = store.openWriter(log, keys.signer)
        let code: string | undefined
        for (let i = 0; code === undefined && i < 2000; i++) {
          try {
            for (const { index, event } of await writer.append([draft(i, 3000), draft(i, 3001)])) ids.set(index, event.id)
          } catch (error) {
            code = codeOf(error)
          }
        }
        expect(code).toBe('E_NO_SPACE')
        expect(writer.folder.size).toBe(Math.max(...ids.keys()) + 1)
        // the timer that signs must not bring the process down while there is no room
        const commit = vi.spyOn(writer.folder, 'commit').mockImplementation(() => {
          throw new RejoinError('E_NO_SPACE', 'no space left')
        })
        await vi.waitFor(() => expect(commit).toHaveBeenCalled(), { timeout: 5000 }).catch(() => undefined)
        commit.mockRestore()
        unlinkSync(join(disk, 'ballast'))
        for (const { index, event } of await writer.append([draft(1), draft(2)])) ids.set(index, event.id)
        expect(writer.sign().size).toBe(writer.folder.size)
        for (const [index, id] of ids) expect(parseEvent(writer.folder.entry(index).line as Uint8Array).id).toBe(id)
      }
      expect(readdirSync(root, { recursive: true }).filter((name) => String(name).endsWith('.part'))).toEqual([])
      expect(await faultsOf(root)).toEqual([])
      expect(openKeys(root).nextKey).toBe(keys.nextKey)
    } finally {
      execFileSync('umount', ['-l', disk])
    }
  })
})
