import { randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  checkpointPath,
  chunkBytes,
  digestOf,
  entriesPath,
  forkPath,
  leafHash,
  type LogId,
  parseCheckpoint,
  RejoinError,
  signCheckpoint,
  signCoseCheckpoint,
  tilePath,
  Tree,
  utf8
} from '../../src/core/index.ts'
import { Folder, FolderReplica, relist } from '../../src/replica/index.ts'
import { type Fault, sealed, verifyFolder } from '../../src/store/index.ts'
import { takeBlobs, Taker, type TakeResult, withoutHeld } from '../../src/sync/index.ts'
import { sampleLog, type SampleLog } from '../core/sample.ts'
import { patient, writeLog } from '../replica/contract.ts'

let lab = ''
beforeEach(() => {
  lab = mkdtempSync(join(tmpdir(), 'rejoin-take-'))
})
afterEach(() => rmSync(lab, { recursive: true }))

const other = sampleLog(3, 'other')

async function stick(name: string, ...logs: readonly SampleLog[]): Promise<string> {
  const root = join(lab, name)
  await using made = FolderReplica.open(root, 'lab')
  made.begin()
  for (const log of logs) await writeLog(root, log)
  return root
}

async function take(from: string, to: string, network = 'lab'): Promise<TakeResult> {
  await using source = Folder.open(from)
  await using target = FolderReplica.open(to, network)
  return await new Taker(target, patient()).takeAll(source)
}

function sizeIn(root: string, log: LogId): number {
  return parseCheckpoint(readFileSync(join(root, checkpointPath(log)))).size
}

async function faults(root: string): Promise<readonly Fault[]> {
  return await Array.fromAsync(verifyFolder(root, patient()))
}

/** The first entries of a log, with a head of their own. */
function partOf(whole: SampleLog, size: number): SampleLog {
  const lines = whole.lines.slice(0, size)
  const tree = new Tree()
  for (const line of lines) tree.append(leafHash(line))
  const checkpoint = signCheckpoint({ log: whole.log, size, root: tree.root() }, whole.signer)
  return { ...whole, lines, tree, checkpoint, cose: signCoseCheckpoint(checkpoint, whole.signer) }
}

/** A log that goes on in another way from an entry on. */
function forked(whole: SampleLog, from: number, size: number): SampleLog {
  const lines = whole.lines.map((line, index) =>
    index < from ? line : utf8(Buffer.from(line).toString().replace('"index":', '"indey":'))
  )
  return partOf({ ...whole, lines }, size)
}

describe('taking a replica of files', () => {
  it('takes what is new and nothing twice (STICK-7)', async () => {
    const log = sampleLog(700)
    const [a, b] = [await stick('a', log, other), join(lab, 'b')]
    expect(await take(a, b)).toMatchObject({ events: 703, logs: 2, faults: [], conflicts: [] })
    expect(await take(a, b)).toMatchObject({ events: 0, logs: 0, faults: [], conflicts: [] })
    expect(await faults(b)).toEqual([])
  })

  it('takes all but a damaged line, names it, and gets its text from the next one (STICK-8)', async () => {
    const log = sampleLog(700)
    const [a, b] = [await stick('a', log, other), join(lab, 'b')]
    const path = join(a, entriesPath(log.log, 0))
    const bytes = readFileSync(path)
    const at = log.lines.slice(0, 300).reduce((sum, line) => sum + line.length + 1, 40)
    bytes[at] = (bytes[at] as number) ^ 1
    writeFileSync(path, bytes)
    const taken = await take(a, b)
    expect(taken).toMatchObject({ events: 702, withheld: 1, logs: 2 })
    expect(taken.faults.map(({ reason }) => reason)).toEqual([expect.stringContaining('entries 300 to 300')])
    expect(await faults(b)).toEqual([])
    expect(await take(await stick('c', log), b)).toMatchObject({ events: 1, faults: [] })
    expect(readFileSync(join(b, entriesPath(log.log, 0)))).toEqual(readFileSync(join(lab, 'c', entriesPath(log.log, 0))))
  })

  it('makes the hashes from the lines where tiles are damaged or gone (STICK-8)', async () => {
    const log = sampleLog(700)
    const a = await stick('a', log)
    const tile = join(a, tilePath(log.log, 0, 1))
    const bytes = readFileSync(tile)
    bytes[5] = (bytes[5] as number) ^ 1
    writeFileSync(tile, bytes)
    expect(await take(a, join(lab, 'b'))).toMatchObject({ events: 700, faults: [] })
    rmSync(join(a, dirname(dirname(tilePath(log.log, 0, 1)))), { recursive: true })
    expect(await take(a, join(lab, 'c'))).toMatchObject({ events: 700, faults: [] })
  })

  it('takes what an older checkpoint beside newer lines still proves (STICK-9)', async () => {
    const log = sampleLog(700)
    const [older, newer] = [await stick('old', partOf(log, 300)), await stick('new', log)]
    cpSync(join(newer, `logs/${log.log}/entries`), join(older, `logs/${log.log}/entries`), { recursive: true })
    expect(await take(older, join(lab, 'b'))).toMatchObject({ events: 300, faults: [] })
    expect(sizeIn(join(lab, 'b'), log.log)).toBe(300)
    // and the next stick goes on from there
    expect(await take(newer, join(lab, 'b'))).toMatchObject({ events: 400, faults: [] })
  })

  it('takes what a newer checkpoint and its tiles prove of older lines, and names the gap (STICK-9)', async () => {
    const log = sampleLog(1300)
    const [older, newer] = [await stick('old', partOf(log, 1024)), await stick('new', log, other)]
    unlinkSync(join(newer, entriesPath(log.log, 1024)))
    const taken = await take(newer, join(lab, 'b'))
    expect(taken).toMatchObject({ events: 1027, withheld: 276 })
    expect(taken.faults.at(-1)?.reason).toContain('1280 to 1299')
    // without the tiles nothing proves the lines under that head: the log is named, the others are taken
    cpSync(join(newer, checkpointPath(log.log)), join(older, checkpointPath(log.log)))
    await writeLog(older, other)
    expect(await take(older, join(lab, 'c'))).toMatchObject({
      events: 3,
      faults: [expect.objectContaining({ code: 'E_INCOMPLETE' })]
    })
  })

  it('passes over a head that was rolled back (STICK-10)', async () => {
    const log = sampleLog(700)
    const [older, newer] = [await stick('old', partOf(log, 300)), await stick('new', log)]
    expect(await take(older, newer)).toMatchObject({ events: 0, faults: [], conflicts: [] })
    expect(sizeIn(newer, log.log)).toBe(700)
  })

  it.each([
    ['of the same size', 700, 700],
    ['that is longer', 600, 700],
    ['that is shorter', 700, 600],
    ['that parts within the tile in which ours ends', 523, 540]
  ])('keeps the proof of another history %s, and takes the other logs (STICK-11)', async (_, ours, theirs) => {
    const log = sampleLog(700)
    const b = await stick('b', partOf(log, ours))
    const taken = await take(await stick('a', forked(log, 520, theirs), other), b)
    expect(taken.conflicts).toEqual([log.log])
    expect(taken.events).toBe(3)
    expect(existsSync(join(b, forkPath(log.log)))).toBe(true)
    expect(sizeIn(b, log.log)).toBe(ours)
    expect(await faults(b)).toEqual([])
    // who comes by later is told, and gets no more of it
    expect(await take(b, join(lab, 'c'))).toMatchObject({ events: expect.any(Number) as number, conflicts: [] })
    expect(existsSync(join(lab, 'c', forkPath(log.log)))).toBe(true)
  })

  it('reads no links, pipes, and files beyond every size, and takes what is beside them (STICK-6)', async () => {
    const logs = ['one', 'two', 'three', 'four'].map((name) => sampleLog(5, name))
    const [a, b] = [await stick('a', ...logs, other), join(lab, 'b')]
    const [link, pipe, huge, folder] = logs.map(({ log }) => join(a, entriesPath(log, 0))) as [string, string, string, string]
    writeFileSync(join(lab, 'secret'), readFileSync(link))
    unlinkSync(link)
    symlinkSync(join(lab, 'secret'), link)
    unlinkSync(pipe)
    execFileSync('mkfifo', [pipe])
    truncateSync(huge, 2 ** 30)
    unlinkSync(folder)
    mkdirSync(folder)
    mkdirSync(join(a, 'logs', '..not-a-log'))
    const taken = await take(a, b)
    expect(taken.events).toBe(3)
    expect(taken.faults).toHaveLength(4)
    expect(readdirSync(join(b, 'logs'))).toEqual([other.log])
    const blob = join(a, 'blobs/sha256', digestOf(utf8('x')).slice(7))
    symlinkSync('/etc/passwd', blob)
    await using source = Folder.open(a)
    await using target = FolderReplica.open(b, 'lab')
    const blobs = await takeBlobs(source, target.blobs, [{ digest: digestOf(utf8('x')) }], patient())
    expect(blobs).toMatchObject({ done: [], bad: [expect.objectContaining({ code: 'E_BAD_OBJECT' })] })
  })

  it('refuses another network before anything is written', async () => {
    const a = await stick('a', other)
    await expect(take(a, join(lab, 'b'), 'elsewhere')).rejects.toMatchObject({ code: 'E_NETWORK' })
    expect(existsSync(join(lab, 'b'))).toBe(false)
  })

  it('goes on behind lines that an interrupted run left, and cuts off those that are not of the log (STICK-3)', async () => {
    const log = sampleLog(700)
    const b = await stick('b', partOf(log, 300))
    const path = join(b, entriesPath(log.log, 0))
    const lines = (from: number, to: number): string =>
      log.lines
        .slice(from, to)
        .map((line) => `${Buffer.from(line).toString()}\n`)
        .join('')
    writeFileSync(path, `${readFileSync(path, 'utf8')}${lines(300, 600)}${lines(600, 601).slice(0, 50)}`)
    expect(await take(await stick('a', log), b)).toMatchObject({ events: 100, faults: [] })
    expect(await faults(b)).toEqual([])
    const c = await stick('c', partOf(log, 300))
    writeFileSync(join(c, entriesPath(log.log, 0)), `${readFileSync(join(c, entriesPath(log.log, 0)), 'utf8')}${lines(400, 450)}`)
    expect(await take(join(lab, 'a'), c)).toMatchObject({ events: 400, faults: [], conflicts: [] })
    expect(await faults(c)).toEqual([])
  })
})

describe('a delta', () => {
  it('leaves out what is held, verifies all the same, and serves those who hold less (STICK-12)', async () => {
    const log = sampleLog(2000)
    const a = await stick('a', log)
    await using source = Folder.open(a)
    const delta = join(lab, 'delta')
    {
      await using target = FolderReplica.open(delta, 'lab')
      const held = new Map([[log.log, { from: 1900, known: [1900, 1700] }]])
      expect(await new Taker(target, patient()).takeAll(withoutHeld(source, held))).toMatchObject({ events: 101, withheld: 1899 })
    }
    expect(await faults(delta)).toEqual([])
    const bytes = readdirSync(join(delta, `logs/${log.log}/entries`)).map(
      (name) => readFileSync(join(delta, `logs/${log.log}/entries`, name)).length
    )
    const lineBytes = log.lines.slice(1900).reduce((sum, line) => sum + line.length + 1, 0)
    // two tiles of single hashes, and few runs
    expect(bytes.reduce((sum, one) => sum + one, 0)).toBeLessThan(lineBytes + 2 * 256 * 80 + 2000)
    for (const size of [1900, 1950, 1700]) {
      const b = await stick(`b${size}`, partOf(log, size))
      expect(await take(delta, b)).toMatchObject({
        events: 2000 - Math.max(1900, size),
        withheld: Math.max(0, 1900 - size),
        faults: []
      })
      expect(await faults(b)).toEqual([])
    }
    const fresh = join(lab, 'fresh')
    expect(await take(delta, fresh)).toMatchObject({ events: 101, withheld: 1899, faults: [] })
    // texts that came as hashes are filled in when somebody brings them
    expect(await take(a, fresh)).toMatchObject({ events: 1899, faults: [] })
    expect(await faults(fresh)).toEqual([])
    // who ends within a run is told, and goes on with other logs
    const within = await stick('within', partOf(log, 1000))
    expect(await take(delta, within)).toMatchObject({ events: 0, faults: [expect.objectContaining({ code: 'E_INCOMPLETE' })] })
  })
})

describe('blobs of a medium', () => {
  it('go to parts where a file would be too large, or a folder too full, and come back out of them (STICK-5)', async () => {
    const root = join(lab, 'fat')
    mkdirSync(join(root, 'blobs/sha256'), { recursive: true })
    const limits = { fileBytes: 2 * chunkBytes + 5, names: 2 }
    writeFileSync(
      join(root, 'replica.json'),
      sealed({ format: 'rejoin', version: 1, network: 'lab', store: '0'.repeat(32), limits })
    )
    const large = randomBytes(5 * chunkBytes + 11)
    const all = [large, ...['a', 'b', 'c'].map(utf8)]
    const a = await stick('a')
    for (const bytes of all) writeFileSync(join(a, 'blobs/sha256', digestOf(bytes).slice(7)), bytes)
    const needs = all.map((bytes) => ({ digest: digestOf(bytes) }))
    {
      await using source = Folder.open(a)
      await using target = FolderReplica.open(root, 'lab')
      target.begin()
      expect((await takeBlobs(source, target.blobs, needs, patient())).done).toHaveLength(4)
      for (const bytes of all) expect(await target.blobs.isWhole(digestOf(bytes), bytes.length)).toBe(true)
      relist(target, [])
    }
    expect(readdirSync(join(root, 'blobs/sha256'))).toHaveLength(2)
    const hex = digestOf(large).slice(7)
    expect(readdirSync(join(root, 'parts/sha256', hex.slice(0, 2), hex))).toEqual(['00000', '00001', '00002'])
    expect(await faults(root)).toEqual([])
    execFileSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: root })
    await using back = Folder.open(root)
    await using target = FolderReplica.open(join(lab, 'back'), 'lab')
    target.begin()
    expect((await takeBlobs(back, target.blobs, needs, patient())).done).toHaveLength(4)
    for (const bytes of all) expect(target.blobs.size(digestOf(bytes))).toBe(bytes.length)
  })

  it('STICK-1: a target that is full ends it, and no blob of the source counts as damaged', async () => {
    const root = await stick('full')
    const blobs = Array.from({ length: 1500 }, (_, i) => utf8(`blob ${i}`))
    for (const bytes of blobs) writeFileSync(join(root, 'blobs/sha256', digestOf(bytes).slice(7)), bytes)
    await using source = Folder.open(root)
    const groups: number[] = []
    const told: string[] = []
    const full: Parameters<typeof takeBlobs>[1] = {
      size: () => undefined,
      put: async () => await Promise.reject(new Error('no large one')),
      partial: async () => await Promise.reject(new Error('no large one')),
      finish: async () => await Promise.reject(new Error('no large one')),
      putMany: async (group) => {
        groups.push(group.length)
        if (groups.length > 1) throw new RejoinError('E_NO_SPACE', 'the disk is full')
        return await Promise.resolve([])
      }
    }
    const taking = takeBlobs(
      source,
      full,
      blobs.map((bytes) => ({ digest: digestOf(bytes) })),
      { ...patient(), onFault: ({ path }) => void told.push(path) }
    )
    await expect(taking).rejects.toMatchObject({ code: 'E_NO_SPACE' })
    expect(told).toEqual([])
    expect(groups).toEqual([256, 256])
  })
})
