import { cpSync, readdirSync, readFileSync, writeFileSync, appendFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { env } from 'node:process'
import { beforeAll, afterAll, describe, expect, it } from 'vitest'
import { type Checked, type Fault, openKeys, readOwnLog, Store, verifyFolder } from '../../src/store/index.ts'
import { draft, fullFolder, temporaryFolder } from './sample-folder.ts'

const { signal } = new AbortController()

async function verify(root: string): Promise<{ readonly faults: readonly Fault[]; readonly checked: Checked }> {
  const faults: Fault[] = []
  const run = verifyFolder(root, { signal })
  for (;;) {
    const { done, value } = await run.next()
    if (done === true) return { faults, checked: value }
    faults.push(value)
  }
}

/** Returns the same numbers between 0 and 1 for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const derived = /^(?:index\/|tmp\/|private\/journal\.ndjson$|private\/cursors\.json$)/
/** what people and the address book say freely: no byte of it can be derived from anything else */
const free = /^(?:trust\.yaml|config\.yaml|peers)$/

function filesOf(root: string): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !derived.test(path) && !free.test(path))
    .toSorted()
}

/** Returns whether a position is in the text of a tag, which nothing else repeats. */
function isTagText(path: string, bytes: Uint8Array, at: number): boolean {
  if (path !== 'index.json') return false
  const text = Buffer.from(bytes).toString('latin1')
  const start = text.indexOf('"annotations"')
  return at >= start && at < text.indexOf('}', start)
}

describe('verifyFolder', () => {
  const folder = temporaryFolder()
  beforeAll(async () => {
    await fullFolder(folder.path)
  })
  afterAll(() => folder[Symbol.dispose]())

  it('finds nothing in a folder that is whole, and counts what is there (FOLDER-1)', async () => {
    const { faults, checked } = await verify(folder.path)
    expect(faults).toEqual([])
    expect(checked).toMatchObject({ logs: 3, events: 1151 + 700 - 256 - 5 + 299, withheld: 256 + 5 + 1, blobs: 3 })
  })

  it('names the file and the line or byte of any flipped byte (FOLDER-2, FOLDER-12)', async () => {
    const seed = Number(env['SEED'] ?? Math.floor(Math.random() * 1e9))
    const random = randomOf(seed)
    const files = filesOf(folder.path)
    expect(files.length).toBeGreaterThan(25)
    const rounds = Math.max(300, files.length)
    const missed: string[] = []
    for (let round = 0; round < rounds; round++) {
      const path = files[round % files.length] as string
      const whole = readFileSync(join(folder.path, path))
      let at = Math.floor(random() * whole.length)
      while (isTagText(path, whole, at)) at = Math.floor(random() * whole.length)
      const flip = 1 << Math.floor(random() * 8)
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] as number) ^ flip
      writeFileSync(join(folder.path, path), changed)
      const { faults } = await verify(folder.path)
      writeFileSync(join(folder.path, path), whole)
      if (!faults.some((fault) => pointsAt(fault, path, whole, at)))
        missed.push(`seed ${seed}: ${path} byte ${at} ^ ${flip}: ${JSON.stringify(faults.slice(0, 3))}`)
    }
    expect(missed).toEqual([])
    expect((await verify(folder.path)).faults).toEqual([])
  })

  it('has only names that every file system takes, and no text that is kept back below logs/ (FOLDER-3, FOLDER-6)', () => {
    const names = filesOf(folder.path).flatMap((path) => path.split('/'))
    expect(names.filter((name) => !/^[a-z0-9._-]+$/.test(name))).toEqual([])
    const shared = filesOf(folder.path)
      .filter((path) => /^(?:logs|blobs)\//.test(path))
      .map((path) => readFileSync(join(folder.path, path), 'utf8'))
      .join('')
    const kept = filesOf(folder.path).filter((path) => /^private\/(?:held|logs|blobs)\//.test(path))
    expect(kept.length).toBeGreaterThan(1)
    for (const path of kept) {
      for (const line of readFileSync(join(folder.path, path), 'utf8')
        .split('\n')
        .filter((text) => text !== '')) {
        const id = /"id":"([0-9a-f]{32})"/.exec(line)?.[1]
        expect(shared.includes(id ?? line)).toBe(false)
      }
    }
  })

  const trust = 'apiVersion: rejoin/v1\nkind: TrustPolicy\nkeys: {}\n'
  it.each<readonly [string, string, string | Uint8Array, number]>([
    ['a text without its end', 'trust.yaml', `${trust}name: "é\n`, trust.length + 10],
    ['a list in the place of a mapping', 'trust.yaml', '- rules\n', 0],
    ['a file that was cut off', 'trust.yaml', '', 0],
    ['the zeros of a power cut', 'trust.yaml', `${trust}${'\0'.repeat(50)}`, trust.length],
    [
      'bytes that are no text',
      'trust.yaml',
      Buffer.concat([Buffer.from(`${trust}name: é`), Buffer.from([0xe9, 0x0a])]),
      trust.length + 8
    ],
    ['a key twice', 'trust.yaml', `${trust}kind: Other\n`, trust.length],
    ['two documents', 'trust.yaml', `${trust}---\n${trust}`, trust.length],
    ['an alias of nothing', 'trust.yaml', `${trust}name: *gone\n`, trust.length + 6],
    ['a list that is not closed', 'config.yaml', '# é\nname: "n"\nlisten: [a\n', 26],
    ['a scalar in the place of a mapping', 'config.yaml', 'name\n', 0],
    ['more than is read', 'config.yaml', `name: x\n${'# long\n'.repeat(40_000)}`, 262_144],
    ['a line that is no JSON', 'peers', '{"peerId":"a"}\n{"peerId:}\n', 15]
  ])('names %s in %s by path and byte', async (_, path, text, offset) => {
    using copy = temporaryFolder()
    Store.create(copy.path, 'lab')
    writeFileSync(join(copy.path, path), text)
    const code = { 'trust.yaml': 'E_TRUST_FILE', 'config.yaml': 'E_CONFIG', peers: 'E_JSON' }[path]
    expect((await verify(copy.path)).faults).toMatchObject([{ path, offset, code }])
  })

  it('finds nothing wrong with settings that say nothing, name something twice by an alias, or are not there', async () => {
    using copy = temporaryFolder()
    Store.create(copy.path, 'lab')
    expect((await verify(copy.path)).faults).toEqual([])
    writeFileSync(join(copy.path, 'config.yaml'), '# nothing\n')
    writeFileSync(join(copy.path, 'trust.yaml'), `\uFEFF${trust}# \uFFFD é 😀\tx\r\na: &a [1]\nb: *a\n`)
    expect((await verify(copy.path)).faults).toEqual([])
  })

  it('works beside a node that writes, and passes over a torn last line (FOLDER-9)', async () => {
    using copy = temporaryFolder()
    cpSync(folder.path, copy.path, { recursive: true })
    const log = readOwnLog(copy.path)
    if (log === undefined) throw new Error('no own log')
    const store = await Store.open(copy.path, { ownLog: log })
    await using _closing = store
    const writer = store.openWriter(log, openKeys(copy.path).signer)
    let writing = true
    const appends = (async () => {
      for (let i = 0; writing; i++) await writer.append([draft(i), draft(i, 2000)])
    })()
    for (let i = 0; i < 5; i++) expect((await verify(copy.path)).faults).toEqual([])
    writing = false
    await appends
    writer.sign()
    const files = readdirSync(join(copy.path, 'logs', log, 'entries')).toSorted()
    appendFileSync(join(copy.path, 'logs', log, 'entries', files.at(-1) as string), '{"data":{"torn')
    expect((await verify(copy.path)).faults).toEqual([])
  })

  it('stops when it is told to', async () => {
    const stop = AbortSignal.abort(new Error('stopped'))
    await expect(verifyFolder(folder.path, { signal: stop }).next()).rejects.toThrow('stopped')
  })
})

function pointsAt(fault: Fault, path: string, whole: Uint8Array, at: number): boolean {
  if (fault.path !== path) return false
  if (!path.endsWith('.ndjson')) return fault.offset <= at
  const lineStart = at === 0 ? 0 : whole.lastIndexOf(10, at - 1) + 1
  return fault.offset === lineStart || fault.offset === at
}
