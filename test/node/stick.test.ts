import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  chunkBytes,
  digestOf,
  digestParts,
  frontierPath,
  nodePathOf,
  partPath,
  utf8,
  verifyFrontier
} from '../../src/core/index.ts'
import { codeWords, mergeFolders, Node, publish, runVerb } from '../../src/node/index.ts'
import { lockMedium, verifyFolder } from '../../src/store/index.ts'
import { addIdentity } from '../../src/trust/index.ts'
import { patient } from '../net/hosts.ts'

let lab = ''
const open: Node[] = []
beforeEach(() => {
  lab = mkdtempSync(join(tmpdir(), 'rejoin-stick-'))
})
afterEach(async () => {
  for (const node of open.splice(0)) await node[Symbol.asyncDispose]()
  rmSync(lab, { recursive: true })
})

interface Made {
  readonly node: Node
  readonly root: string
  readonly notices: string[]
}

async function made(name: string, trusts: readonly Made[] = []): Promise<Made> {
  const root = join(lab, name)
  await Node.init(root, name, 'lab')
  for (const { node } of trusts) addIdentity(root, node.store.opened(node.log).name, node.did)
  const notices: string[] = []
  const node = await Node.open(root, { onNotice: (notice) => notices.push(notice) })
  open.push(node)
  return { node, root, notices }
}

async function run(
  { node }: Made,
  verb: string,
  args: object
): Promise<{
  readonly result: Readonly<Record<string, unknown>>
  readonly records: readonly Readonly<Record<string, unknown>>[]
}> {
  const records = (await Array.fromAsync(runVerb(node, undefined, verb, args, patient().signal))) as unknown as Readonly<
    Record<string, unknown>
  >[]
  return { result: records.at(-1) as Readonly<Record<string, unknown>>, records }
}

async function put(one: Made, name: string, bytes: Uint8Array, more: object = {}): Promise<void> {
  const path = join(lab, name)
  writeFileSync(path, bytes)
  const options = { type: 'application/x-sample', repository: 'apps/sample', tag: name, ...more }
  for await (const record of publish(one.node, [path], options)) if ('error' in record) throw new Error(JSON.stringify(record))
}

function stick(name = 'usb'): string {
  const path = join(lab, name)
  mkdirSync(path)
  return path
}

const inodes = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${join(entry.parentPath, entry.name)} ${statSync(join(entry.parentPath, entry.name)).mtimeMs}`)
    .toSorted()

describe('a stick', () => {
  it('carries what a node passes on to another one, and what arrived back (STICK-1, STICK-4, RECEIPT-1, FRONTIER-6)', async () => {
    const alice = await made('alice')
    const bob = await made('bob', [alice])
    await put(alice, 'small', utf8('small'))
    await put(alice, 'large', randomBytes(3 * chunkBytes + 1))
    const usb = stick()
    const out = await run(alice, 'export', { replica: usb })
    expect(out.result).toMatchObject({ kind: 'result', complete: true, events: 3, missing: 0, bad: 0, refused: 0, held: 0 })
    expect(out.records.filter(({ kind }) => kind === 'artifact').map(({ name }) => name)).toEqual([
      'apps/sample:small',
      'apps/sample:large'
    ])
    const done = out.records.filter(({ kind }) => kind === 'progress').map((record) => record['done'] as number)
    expect(done).toEqual(done.toSorted((a, b) => a - b))
    expect(await Array.fromAsync(verifyFolder(usb, patient()))).toEqual([])
    execFileSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: usb })
    const listed = readFileSync(join(usb, 'SHA256SUMS'), 'utf8')
    for (const name of readdirSync(join(usb, 'blobs/sha256'))) expect(listed).toContain(`  blobs/sha256/${name}\n`)
    for (const name of ['private', 'keys', 'trust.yaml', 'verdicts']) expect(existsSync(join(usb, name))).toBe(false)

    const before = inodes(usb)
    expect((await run(alice, 'export', { replica: usb })).result).toMatchObject({ complete: true, unchanged: true, bytes: 0 })
    expect(inodes(usb)).toEqual(before)

    expect((await run(bob, 'import', { replica: usb })).result).toMatchObject({
      complete: true,
      events: 3,
      missing: 0,
      receipt: 'written'
    })
    expect(await Array.fromAsync(verifyFolder(bob.root, patient()))).toEqual([])
    expect((await run(bob, 'import', { replica: usb })).result).toMatchObject({ complete: true, events: 0, blobs: 0 })
    expect(await Array.fromAsync(verifyFolder(usb, patient()))).toEqual([])
    execFileSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: usb })

    // before the stick comes back, all of it is on its way to a site that is known
    expect((await run(alice, 'status', {})).result['sites']).toEqual([])
    await run(alice, 'import', { replica: usb })
    expect((await run(alice, 'status', {})).result['sites']).toMatchObject([
      { nodeId: bob.node.nodeId, confirmed: 3, onItsWay: 0, since: null }
    ])
    await put(alice, 'next', utf8('next'))
    await run(alice, 'export', { replica: usb })
    expect((await run(alice, 'status', {})).result['sites']).toMatchObject([
      { confirmed: 3, onItsWay: 1, behind: 0, since: expect.any(String) as string }
    ])
  })

  it('gets only what its receiver is known to lack (STICK-12)', async () => {
    const alice = await made('alice')
    const bob = await made('bob', [alice])
    const carol = await made('carol', [alice])
    addIdentity(alice.root, 'bob', bob.node.did)
    alice.node.reloadTrust()
    for (let i = 0; i < 5; i++) await put(alice, `old${i}`, randomBytes(50_000))
    const usb = stick()
    await run(alice, 'export', { replica: usb })
    await run(bob, 'import', { replica: usb })
    await run(alice, 'import', { replica: usb })
    const fresh = randomBytes(40_000)
    await put(alice, 'fresh', fresh)
    const second = stick('second')
    expect((await run(alice, 'export', { replica: second, to: ['bob'] })).result).toMatchObject({
      complete: true,
      events: 2,
      blobs: 3
    })
    expect(existsSync(join(second, 'blobs/sha256', digestOf(fresh).slice(7)))).toBe(true)
    expect(await Array.fromAsync(verifyFolder(second, patient()))).toEqual([])
    expect((await run(bob, 'import', { replica: second })).result).toMatchObject({ complete: true, events: 1, blobs: 2 })
    // who skipped the first stick gets the rest as hashes, and the texts with a full one
    expect((await run(carol, 'import', { replica: second })).result).toMatchObject({ events: 2, bad: 0 })
    expect((await run(carol, 'import', { replica: usb })).result).toMatchObject({ complete: true, events: 5, bad: 0, missing: 0 })
    expect(await Array.fromAsync(verifyFolder(carol.root, patient()))).toEqual([])
    // an export for everybody completes the delta
    expect((await run(alice, 'export', { replica: second })).result).toMatchObject({ complete: true, bad: 0 })
    expect((await run(alice, 'export', { replica: second })).result).toMatchObject({ unchanged: true })
    expect(await Array.fromAsync(verifyFolder(second, patient()))).toEqual([])
    expect(readFileSync(join(second, `logs/${alice.node.log}/entries/000000.ndjson`), 'utf8')).not.toContain('withheld')
    await expect(run(alice, 'export', { replica: second, to: ['nobody'] })).rejects.toMatchObject({ code: 'E_USAGE' })
  })

  it('goes on with a blob that was cut off, chunk by chunk (STICK-16)', async () => {
    const alice = await made('alice')
    const bytes = randomBytes(6 * chunkBytes)
    await put(alice, 'large', bytes)
    const usb = stick()
    await run(alice, 'export', { replica: usb })
    const digest = digestOf(bytes)
    const [whole, part] = [join(usb, 'blobs/sha256', digestParts(digest).hex), join(usb, partPath(digest))]
    // as after a yank: four chunks came through, one of them damaged
    const half = Buffer.from(bytes.subarray(0, 4 * chunkBytes))
    half[chunkBytes + 3] = (half[chunkBytes + 3] as number) ^ 1
    writeFileSync(part, half)
    rmSync(whole)
    const { result } = await run(alice, 'export', { replica: usb })
    expect(result).toMatchObject({ complete: true, blobs: 1, written: 3 * chunkBytes })
    expect(existsSync(part)).toBe(false)
    expect(Buffer.compare(readFileSync(whole), bytes)).toBe(0)
  })

  it('is refused before the first write where all of it can not fit (STICK-2)', async () => {
    const alice = await made('alice')
    await put(alice, 'large', randomBytes(8 * chunkBytes))
    const usb = stick()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'none', usb])
    try {
      await expect(run(alice, 'export', { replica: usb })).rejects.toMatchObject({ code: 'E_NO_SPACE' })
      expect(readdirSync(usb)).toEqual([])
    } finally {
      execFileSync('umount', [usb])
    }
  })

  it('that holds other files gets a folder of its own, and they stay (STICK-13)', async () => {
    const alice = await made('alice')
    const usb = stick()
    writeFileSync(join(usb, 'holiday.jpg'), 'a picture')
    expect((await run(alice, 'export', { replica: usb })).result).toMatchObject({
      complete: true,
      root: join(usb, 'rejoin'),
      foreign: ['holiday.jpg']
    })
    expect(readdirSync(usb).toSorted()).toEqual(['holiday.jpg', 'rejoin'])
    expect(readFileSync(join(usb, 'holiday.jpg'), 'utf8')).toBe('a picture')
    expect((await run(alice, 'import', { replica: usb })).result).toMatchObject({ complete: true })
  })

  it('changes neither keys nor rules of who reads it, and nothing is written to the folder of a node (STICK-14)', async () => {
    const alice = await made('alice')
    const mallory = await made('mallory')
    const bob = await made('bob', [alice])
    const usb = stick()
    await put(mallory, 'theirs', utf8('theirs'))
    await run(mallory, 'export', { replica: usb })
    await run(alice, 'export', { replica: usb })
    writeFileSync(join(usb, 'trust.yaml'), `identities: {mallory: {keys: ["${mallory.node.did}"]}}\n`)
    const rules = readFileSync(join(bob.root, 'trust.yaml'), 'utf8')
    const { result } = await run(bob, 'import', { replica: usb })
    expect(result).toMatchObject({ complete: true, events: 1, unknown: 1 })
    expect(readFileSync(join(bob.root, 'trust.yaml'), 'utf8')).toBe(rules)
    expect(bob.node.store.folder(mallory.node.log)).toBeUndefined()
    await expect(run(bob, 'export', { replica: alice.root })).rejects.toMatchObject({ code: 'E_EXISTS' })
    expect((await run(bob, 'import', { replica: alice.root })).result).toMatchObject({ complete: true, receipt: 'none' })
    expect(existsSync(join(alice.root, 'frontiers'))).toBe(false)
  })

  it('that can not be written is read all the same, and a code can be told (STICK-15)', async () => {
    const alice = await made('alice')
    const bob = await made('bob', [alice])
    await put(alice, 'small', utf8('small'))
    const usb = stick()
    await run(alice, 'export', { replica: usb })
    execFileSync('mount', ['--bind', usb, usb])
    execFileSync('mount', ['-o', 'remount,ro,bind', usb])
    try {
      const { result } = await run(bob, 'import', { replica: usb })
      expect(result).toMatchObject({ complete: true, events: 2, receipt: 'local' })
      expect(result['code']).toBe(codeWords(bob.node))
      expect(String(result['code']).split(' ')).toHaveLength(6)
      await expect(run(alice, 'import', { replica: usb })).resolves.toBeDefined()
    } finally {
      execFileSync('umount', [usb])
    }
    // the receipt goes out with the next medium that can be written
    const second = stick('second')
    await run(bob, 'export', { replica: second })
    expect(readdirSync(join(second, 'receipts'))).toEqual([nodePathOf(bob.node.keys.signer.publicKey)])
  })

  it('gets hardly more than what is new, and names stay where other programs look for them (STICK-19, STICK-20)', async () => {
    const alice = await made('alice')
    const many = async (mark: string, count: number): Promise<void> => {
      const paths = Array.from({ length: count }, (_, i) => join(lab, `${mark}-${i}`))
      for (const path of paths) writeFileSync(path, randomBytes(20_000))
      for await (const record of publish(alice.node, paths, { type: 'application/x-sample' }))
        if ('error' in record) throw new Error(JSON.stringify(record))
    }
    await put(alice, 'one', utf8('one'))
    await many('first', 300)
    const usb = stick()
    await run(alice, 'export', { replica: usb })
    const sizes = (): ReadonlyMap<string, readonly number[]> =>
      new Map(
        readdirSync(usb, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .map((path) => [path, [statSync(path).size, statSync(path).mtimeMs]])
      )
    const before = sizes()
    await many('more', 10)
    expect((await run(alice, 'export', { replica: usb })).result).toMatchObject({ complete: true, blobs: 20 })
    let added = 0
    for (const [path, [size = 0, changed]] of sizes()) {
      const [old = 0, changedBefore] = before.get(path) ?? []
      if (changed !== changedBefore) added += path.endsWith('.ndjson') ? size - old : size
    }
    expect(added).toBeLessThan(1.1 * 10 * 20_000)
    const roots = (root: string): readonly Readonly<Record<string, unknown>>[] =>
      (
        JSON.parse(readFileSync(join(root, 'index.json'), 'utf8')) as {
          readonly manifests: readonly Readonly<Record<string, unknown>>[]
        }
      ).manifests
    // the one with a name, the new ones, and an index of the others
    expect(roots(usb)).toHaveLength(12)
    const nested = roots(usb).find(({ artifactType }) => artifactType === 'application/vnd.rejoin.roots.v1+json')
    const listed = JSON.parse(readFileSync(join(usb, 'blobs', String(nested?.['digest']).replace(':', '/')), 'utf8')) as object
    expect(listed).toMatchObject({ schemaVersion: 2, manifests: { length: 300 } })
    execFileSync('skopeo', ['inspect', '--raw', `oci:${usb}:apps/sample:one`])
    expect(await Array.fromAsync(verifyFolder(usb, patient()))).toEqual([])
    execFileSync('sh', ['-c', 'sha256sum --quiet -c SHA256SUMS*'], { cwd: usb })
    // a carrier takes the list along; what it lists is not listed again
    const second = stick('second')
    await mergeFolders(usb, second, patient())
    await mergeFolders(usb, second, patient())
    expect(
      roots(second)
        .map(({ digest }) => digest)
        .toSorted()
    ).toEqual(
      roots(usb)
        .map(({ digest }) => digest)
        .toSorted()
    )
    expect(await Array.fromAsync(verifyFolder(second, patient()))).toEqual([])
  })

  it('has one writer at a time, and what two of them are to bring comes all the same (STICK-17)', async () => {
    const alice = await made('alice')
    const bob = await made('bob', [alice])
    await put(alice, 'a', randomBytes(3 * chunkBytes))
    await put(bob, 'b', utf8('b'))
    const usb = stick()
    const both = await Promise.allSettled([run(alice, 'export', { replica: usb }), run(bob, 'export', { replica: usb })])
    expect(
      both.map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as { readonly code: string }).code)).toSorted()
    ).toEqual(['E_LOCKED', 'done'])
    for (const node of [bob, alice])
      expect((await run(node, 'export', { replica: usb })).result).toMatchObject({ complete: true, bad: 0 })
    expect(await Array.fromAsync(verifyFolder(usb, patient()))).toEqual([])
    execFileSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: usb })
    expect(readdirSync(join(usb, 'tmp'))).toEqual([])
    // who reads meanwhile is not kept from it: the receipt stays here
    await put(alice, 'c', utf8('c'))
    await run(alice, 'export', { replica: usb })
    await using _lock = await lockMedium(usb, patient())
    expect((await run(bob, 'import', { replica: usb })).result).toMatchObject({ complete: true, events: 3, receipt: 'local' })
    await expect(mergeFolders(usb, stick('two'), patient())).rejects.toMatchObject({ code: 'E_LOCKED' })
  })

  it('is merged with another one by who has no node, frontiers and receipts too (STICK-7)', async () => {
    const alice = await made('alice')
    const bob = await made('bob')
    await put(alice, 'a', randomBytes(2 * chunkBytes))
    await put(bob, 'b', utf8('b'))
    const [one, two] = [stick('one'), stick('two')]
    await run(alice, 'export', { replica: one })
    await run(bob, 'export', { replica: two })
    expect(await mergeFolders(one, two, patient())).toMatchObject({ complete: true, events: 4, bad: 0 })
    expect(await mergeFolders(two, one, patient())).toMatchObject({ complete: true, events: 0, blobs: 0, bytes: 0 })
    for (const root of [one, two]) {
      expect(await Array.fromAsync(verifyFolder(root, patient()))).toEqual([])
      execFileSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: root })
      for (const { node } of [alice, bob]) {
        const bytes = readFileSync(join(root, frontierPath(node.keys.signer.publicKey)))
        expect(verifyFrontier(bytes).heads.map(({ log }) => log)).toEqual([node.log])
      }
      expect(JSON.parse(readFileSync(join(root, 'index.json'), 'utf8'))).toMatchObject({ manifests: { length: 2 } })
    }
    truncateSync(join(one, frontierPath(alice.node.keys.signer.publicKey)), 50)
    expect(await mergeFolders(one, stick('three'), patient())).toMatchObject({ complete: false, bad: 1, events: 4 })
  })
})
