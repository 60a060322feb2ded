import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { describe, expect, it } from 'vitest'
import { entriesPath, equal, type LogId, logFolder, verifyCoseCheckpoint } from '../../src/core/index.ts'
import { interrupted, type Repair, saveOffer, Store, verifyFolder } from '../../src/store/index.ts'
import { sampleSigner } from '../core/sample.ts'
import { blockOf, draft, foreignLines, newNode, offerOf, takeForeign, temporaryFolder, writeEvents } from './sample-folder.ts'

const { signal } = new AbortController()
const none: ReadonlySet<number> = new Set()
const bob = sampleSigner('bob')

async function reopened(root: string, ownLog?: LogId): Promise<{ readonly store: Store; readonly repairs: Repair[] }> {
  const repairs: Repair[] = []
  return { repairs, store: await Store.open(root, { ownLog, onRepair: (repair) => void repairs.push(repair) }) }
}

async function dumpOf(store: Store): Promise<readonly string[]> {
  return await Array.fromAsync(store.index.dump())
}

describe('Store', () => {
  it('cuts a torn tail and signs whole lines of its own log beyond the checkpoint again (FOLDER-9)', async () => {
    using folder = temporaryFolder()
    const { log, keys } = await newNode(folder.path)
    await writeEvents(folder.path, keys.signer, log, 5)
    const checkpointFile = join(folder.path, logFolder(log), 'checkpoint')
    const older = readFileSync(checkpointFile)
    await writeEvents(folder.path, keys.signer, log, 3)
    const newer = readFileSync(checkpointFile)
    writeFileSync(checkpointFile, older)
    appendFileSync(join(folder.path, entriesPath(log, 0)), '{"data":{"torn":')
    const { store, repairs } = await reopened(folder.path, log)
    await using _closing = store
    expect(existsSync(join(folder.path, logFolder(log), 'checkpoint.cose'))).toBe(true)
    const { folder: own } = store.openWriter(log, keys.signer)
    expect(repairs).toContainEqual({ log, what: 'torn-line', count: 16 })
    expect(own.size).toBe(9)
    expect(own.checkpoint && Buffer.from(own.checkpoint.note).equals(newer)).toBe(true)
  })

  it('does not hand out a checkpoint.cose of another size than the checkpoint, as a crash leaves it (FOLDER-7)', async () => {
    using folder = temporaryFolder()
    const { log, keys } = await newNode(folder.path)
    const checkpointFile = join(folder.path, logFolder(log), 'checkpoint')
    const older = readFileSync(checkpointFile)
    await writeEvents(folder.path, keys.signer, log, 3)
    writeFileSync(checkpointFile, older)
    expect(await Array.fromAsync(verifyFolder(folder.path, { signal }))).toEqual([])
    const { store } = await reopened(folder.path, log)
    await using _closing = store
    expect(store.needFolder(log).coseCheckpoint).toBe(undefined)
    const { folder: own } = store.openWriter(log, keys.signer)
    if (own.checkpoint === undefined || own.coseCheckpoint === undefined) throw new Error('not signed')
    expect(verifyCoseCheckpoint(own.coseCheckpoint, own.checkpoint, keys.signer.publicKey).checkpoint.size).toBe(4)
  })

  it("cuts off another log's lines that nothing proves, and keeps those that a saved offer proves (FOLDER-10)", async () => {
    using folder = temporaryFolder()
    await newNode(folder.path)
    const { log, lines } = foreignLines(bob, 1500)
    const taken = await takeForeign(folder.path, bob, log, lines.slice(0, 300), none, none)
    taken.append(blockOf(lines.slice(300, 1024), 300, none))
    await taken.close()
    saveOffer(folder.path, offerOf(bob, log, lines, 300))
    {
      const { store, repairs } = await reopened(folder.path)
      await using _closing = store
      expect(store.needFolder(log).size).toBe(1024)
      expect(repairs).toEqual([])
      expect(interrupted(folder.path)).toEqual([log])
    }
    rmSync(join(folder.path, 'private/incoming', log))
    const { store, repairs } = await reopened(folder.path)
    await using _closing = store
    expect(store.needFolder(log).size).toBe(300)
    expect(repairs).toEqual([{ log, what: 'unproven-lines', count: 724 }])
    const { checkpoint, tree } = store.needFolder(log)
    expect(checkpoint && equal(tree.root(), checkpoint.root)).toBe(true)
  })

  it('keeps what offers prove that end before the lines do, or begin where an earlier catch-up had got to (FOLDER-10)', async () => {
    const { log, lines } = foreignLines(bob, 1500)
    const cases = [
      // the offer ends at 600, and more lines came after it
      { offer: offerOf(bob, log, lines.slice(0, 600), 300), kept: 600 },
      // a catch-up that was cut off at 512 was gone on with, and cut off again
      { offer: offerOf(bob, log, lines, 512), kept: 1024 }
    ]
    for (const { offer, kept } of cases) {
      using folder = temporaryFolder()
      await newNode(folder.path)
      const taken = await takeForeign(folder.path, bob, log, lines.slice(0, 300), none, none)
      taken.append(blockOf(lines.slice(300, 1024), 300, none))
      await taken.close()
      saveOffer(folder.path, offer)
      const { store } = await reopened(folder.path)
      await using _closing = store
      expect(store.needFolder(log).size).toBe(kept)
    }
  })

  it('falls back to the checkpoint where a saved offer is damaged (FOLDER-10)', async () => {
    using folder = temporaryFolder()
    await newNode(folder.path)
    const { log, lines } = foreignLines(bob, 1500)
    const taken = await takeForeign(folder.path, bob, log, lines.slice(0, 300), none, none)
    taken.append(blockOf(lines.slice(300, 1024), 300, none))
    await taken.close()
    saveOffer(folder.path, offerOf(bob, log, lines, 300))
    const path = join(folder.path, 'private/incoming', log)
    const whole = readFileSync(path)
    for (const at of [0, 3, 7, 8, 11, 40, whole.length - 5]) {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] as number) ^ 0x11
      writeFileSync(path, changed)
      const { store } = await reopened(folder.path)
      await using _closing = store
      expect(store.needFolder(log).size, String(at)).toBe(300)
      store.needFolder(log).append(blockOf(lines.slice(300, 1024), 300, none))
    }
    writeFileSync(path, 'short')
    const { store } = await reopened(folder.path)
    await using _closing = store
    expect(store.needFolder(log).size).toBe(300)
  })

  it('lets one process at a time in: the second gets E_LOCKED (FOLDER-14)', async () => {
    using folder = temporaryFolder()
    await newNode(folder.path)
    const store = await Store.open(folder.path)
    await using _closing = store
    const module = join(import.meta.dirname, '../../src/store/index.ts')
    const script = `import { Store } from ${JSON.stringify(module)}; await Store.open(${JSON.stringify(folder.path)}).catch((e) => { console.log(e.code); process.exit(3) })`
    const { stdout, status } = spawnSync(execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect([stdout.trim(), status]).toEqual(['E_LOCKED', 3])
  })

  it('makes the index again, key by key the same, and leaves withheld entries out (FOLDER-13)', async () => {
    using folder = temporaryFolder()
    const { log, keys } = await newNode(folder.path)
    const { log: other, lines } = foreignLines(bob, 700)
    const taken = await takeForeign(folder.path, bob, other, lines, new Set([1, 2, 400]), new Set([1]))
    await taken.close()
    let number = 0
    for (const batches of [[1, 3, 250], [7, 300], [1], [600, 2]]) {
      const { store } = await reopened(folder.path, log)
      await using _closing = store
      const writer = store.openWriter(log, keys.signer)
      for (const count of batches) await writer.append(Array.from({ length: count }, () => draft(number++ % 40)))
    }
    const { store } = await reopened(folder.path, log)
    let grown: readonly string[]
    {
      await using _closing = store
      grown = await dumpOf(store)
      expect(await store.reindex(() => {})).toBe(700 + number + 1)
      expect(await dumpOf(store)).toEqual(grown)
      expect(await store.index.bySubject('pkg:npm/sample@1')).toEqual([])
      expect(await store.index.bySubject('pkg:npm/sample@300')).toEqual([])
      expect(await store.index.bySubject('pkg:npm/sample@3')).toEqual([{ log: other, index: 3 }])
      expect((await store.index.byType('sample.published')).filter((ref) => ref.log === other).length).toBe(700 - 1 - 2 - 256)
    }
    rmSync(join(folder.path, 'index'), { recursive: true })
    const { store: fresh } = await reopened(folder.path, log)
    await using _closing = fresh
    expect(await dumpOf(fresh)).toEqual(grown)
  })

  it('works the same without anything that is derived (FOLDER-5, FOLDER-13)', async () => {
    using folder = temporaryFolder()
    const { log, keys } = await newNode(folder.path)
    await writeEvents(folder.path, keys.signer, log, 1400)
    for (const path of [
      'index',
      `${logFolder(log)}/tile`,
      'private/leaves',
      'private/journal.ndjson',
      'private/cursors.json',
      'tmp'
    ])
      rmSync(join(folder.path, path), { recursive: true, force: true })
    expect(await Array.fromAsync(verifyFolder(folder.path, { signal }))).toEqual([])
    const { store } = await reopened(folder.path, log)
    await using _closing = store
    const writer = store.openWriter(log, keys.signer)
    expect((await writer.append([draft(1)]))[0]?.index).toBe(1401)
    expect(writer.sign().size).toBe(1402)
  })

  it('indexes a log anew where the index knows entries that the files lost (FOLDER-13)', async () => {
    using folder = temporaryFolder()
    const { log, keys } = await newNode(folder.path)
    const files = ['checkpoint', 'checkpoint.cose', 'entries/000000.ndjson'].map((name) =>
      join(folder.path, logFolder(log), name)
    )
    const before = files.map((path) => readFileSync(path))
    await writeEvents(folder.path, keys.signer, log, 20)
    files.forEach((path, i) => writeFileSync(path, before[i] as Uint8Array))
    const { store } = await reopened(folder.path, log)
    await using _closing = store
    expect(store.index.sizeOf(log)).toBe(1)
    expect((await dumpOf(store)).filter((line) => line.startsWith('s!'))).toEqual([])
  })

  it('keeps its change numbers over a restart, and takes a new name where the journal is lost (FOLDER-13)', async () => {
    using folder = temporaryFolder()
    const { log, keys } = await newNode(folder.path)
    await writeEvents(folder.path, keys.signer, log, 2)
    const { store } = await reopened(folder.path, log)
    const before = store.journal
    expect(store.changedSince(before.storeId, 0)?.map((head) => head.log)).toEqual([log])
    expect(store.changedSince(before.storeId, before.seq)).toEqual([])
    expect(store.changedSince('0'.repeat(32), 0)).toBe(undefined)
    await store[Symbol.asyncDispose]()
    const { store: again } = await reopened(folder.path, log)
    expect(again.journal).toEqual(before)
    await again[Symbol.asyncDispose]()
    renameSync(join(folder.path, 'private/journal.ndjson'), join(folder.path, 'tmp/journal'))
    const { store: lost } = await reopened(folder.path, log)
    await using _closing = lost
    expect(lost.journal.storeId).not.toBe(before.storeId)
    expect(lost.changedSince(lost.journal.storeId, 0)?.length).toBe(1)
  })
})
