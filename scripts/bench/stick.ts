import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Node } from '../../src/node/index.ts'
import { type Row, introduce, makeNode } from './rows.ts'
import { annexSeconds, copySeconds, hashSeconds, nncpSeconds, rsyncSeconds, skopeoSeconds } from './stick-peers.ts'
import { yankedHalfWay } from './stick-yank.ts'

const main = join(import.meta.dirname, '../../dist/cli/main.js')
const mebibyte = 1024 * 1024

/** What a command came to: seconds, bytes that it wrote anywhere, and its peak memory. */
interface Command {
  readonly seconds: number
  readonly peakMiB: number
  readonly result: Readonly<Record<string, unknown>>
}

/** Brings what was written before to the disk, so that nobody pays for another's writing. */
export function settle(): void {
  execFileSync('sync')
}

/** Runs our command line in a process of its own. */
async function rejoin(args: readonly string[], good: readonly number[] = [0, 10]): Promise<Command> {
  settle()
  const start = performance.now()
  const child = spawn(process.execPath, [main, ...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let peakKb = 0
  const watch = setInterval(() => (peakKb = Math.max(peakKb, peakOf(child))), 50)
  let out = ''
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  clearInterval(watch)
  if (code === null || !good.includes(code)) throw new Error(`rejoin ${args.join(' ')} ended with ${code}: ${out.slice(-500)}`)
  const last = out.trimEnd().split('\n').at(-1) ?? '{}'
  return {
    seconds: (performance.now() - start) / 1000,
    peakMiB: peakKb / 1024,
    result: JSON.parse(last || '{}') as Command['result']
  }
}

function peakOf({ pid }: ChildProcess): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid ?? 0}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Returns the size of each file below a folder, by path. */
function sizesOf(root: string): ReadonlyMap<string, { readonly size: number; readonly changedMs: number }> {
  const found = new Map<string, { readonly size: number; readonly changedMs: number }>()
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const { size, mtimeMs } = statSync(path)
    found.set(path, { size, changedMs: mtimeMs })
  }
  return found
}

/** Returns how many bytes came onto a medium: new files whole, entries by what was appended, other files that were replaced whole. */
function addedBytes(before: ReturnType<typeof sizesOf>, after: ReturnType<typeof sizesOf>): number {
  let bytes = 0
  for (const [path, { size, changedMs }] of after) {
    const old = before.get(path)
    if (old === undefined) bytes += size
    else if (old.changedMs !== changedMs) bytes += path.endsWith('.ndjson') ? size - old.size : size
  }
  return bytes
}

/** Appends events of about 600 bytes that name no artifact. */
async function fill(root: string, count: number): Promise<void> {
  await using node = await Node.open(root)
  const note = (): { readonly type: string; readonly data: { readonly text: string } } => ({
    type: 'note.said',
    data: { text: randomBytes(160).toString('hex') }
  })
  for (let done = 0; done < count; done += 4096)
    await node.writer.append(Array.from({ length: Math.min(4096, count - done) }, note))
}

/** Writes a file of random bytes that no compression makes smaller. */
function randomFile(path: string, sizeBytes: number): void {
  const fd = openSync(path, 'w')
  for (let done = 0; done < sizeBytes; done += mebibyte) writeSync(fd, randomBytes(Math.min(mebibyte, sizeBytes - done)))
  closeSync(fd)
}

/** Publishes files of random bytes as artifacts. */
async function publishFiles(root: string, place: string, count: number, sizeBytes: number, mark: string): Promise<void> {
  const folder = join(place, `files-${mark}`)
  mkdirSync(folder)
  const names = Array.from({ length: count }, (_, i) => join(folder, `${mark}-${i}.bin`))
  for (const name of names) writeFileSync(name, randomBytes(sizeBytes))
  await rejoin(['publish', '--data', root, '--type', 'application/octet-stream', ...names])
}

/** Events and small artifacts over a medium, beside rsync and git-annex; then the same again, and with 1 % more. */
async function smallRows(events: number, artifacts: number): Promise<readonly Row[]> {
  const place = mkdtempSync(join(tmpdir(), 'rejoin-bench-stick-'))
  const [a, b, stick] = [await makeNode('stick-a'), await makeNode('stick-b'), join(place, 'stick')]
  await introduce(a, b)
  await fill(a, events - artifacts)
  await publishFiles(a, place, artifacts, 100_000, 'first')
  const out = await rejoin(['export', stick, '--data', a])
  const into = await rejoin(['import', stick, '--data', b])
  const both = out.seconds + into.seconds
  const plain = join(place, 'plain')
  for (const folder of ['logs', 'blobs']) cpSync(join(a, folder), join(plain, folder), { recursive: true })
  settle()
  const rsync = rsyncSeconds(plain, place)
  settle()
  const annex = annexSeconds(join(place, 'files-first'), place)
  const again = await rejoin(['export', stick, '--data', a])
  const againIn = await rejoin(['import', stick, '--data', b])
  const before = sizesOf(stick)
  await fill(a, Math.ceil((events - artifacts) / 100))
  await publishFiles(a, place, Math.ceil(artifacts / 100), 100_000, 'more')
  const logBytes = (): number =>
    [...sizesOf(join(a, 'logs'))].reduce((sum, [path, { size }]) => sum + (path.endsWith('.ndjson') ? size : 0), 0)
  const blobsBefore = new Set([...sizesOf(join(plain, 'blobs')).keys()].map((path) => path.replace(plain, a)))
  const newBlobs = [...sizesOf(join(a, 'blobs'))].reduce((sum, [path, { size }]) => sum + (blobsBefore.has(path) ? 0 : size), 0)
  const newLines = logBytes() - [...before].reduce((sum, [path, { size }]) => sum + (path.endsWith('.ndjson') ? size : 0), 0)
  const more = await rejoin(['export', stick, '--data', a])
  const added = addedBytes(before, sizesOf(stick))
  const peak = Math.max(out.peakMiB, into.peakMiB, more.peakMiB)
  for (const root of [a, b, place]) rmSync(root, { recursive: true })
  return [
    { name: `stick: ${events} events, ${artifacts} artifacts: out and in`, value: both, unit: 's', target: 3, better: 'less' },
    { name: 'stick: rsync + sha256sum, same run', value: rsync, unit: 's', target: 0, better: 'more' },
    { name: 'stick: git-annex (the artifacts alone), same run', value: annex, unit: 's', target: 0, better: 'more' },
    {
      name: 'stick: faster than the better of these',
      value: Math.min(rsync, annex) / both,
      unit: '×',
      target: 1.5,
      better: 'more'
    },
    { name: 'stick: nothing new, out', value: again.seconds, unit: 's', target: 0.5, better: 'less' },
    { name: 'stick: nothing new, in', value: againIn.seconds, unit: 's', target: 0.5, better: 'less' },
    { name: 'stick: 1 % new, out', value: more.seconds, unit: 's', target: 0.5, better: 'less' },
    {
      name: 'stick: 1 % new, bytes of the new bytes',
      value: added / (newBlobs + newLines),
      unit: '×',
      target: 1.1,
      better: 'less'
    },
    { name: 'stick: peak memory with small artifacts', value: peak, unit: 'MiB', target: 256, better: 'less' }
  ]
}

/** One large blob over a medium, beside cp and SHA-256, NNCP and skopeo; and after a kill half-way. */
async function largeRows(sizeBytes: number): Promise<readonly Row[]> {
  const place = mkdtempSync(join(tmpdir(), 'rejoin-bench-stick-'))
  const [a, b, stick] = [await makeNode('large-a'), await makeNode('large-b'), join(place, 'stick')]
  await introduce(a, b)
  const file = join(place, 'large.bin')
  randomFile(file, sizeBytes)
  await rejoin(['publish', '--data', a, '--type', 'application/octet-stream', '--repo', 'bench/large', '--tag', 'one', file])
  const copies = { before: [] as number[], after: [] as number[] }
  const outs: Command[] = []
  const ins: Command[] = []
  const hash = hashSeconds(file)
  // The disk of a shared machine is twice as slow one minute as the next: the best of three of each. A virtual machine is given memory when it first writes to it,
  // which can take longer than all else (2 s for 1 GiB): what was freed last is fast, so nothing is deleted before each has had its turn, and cp has one before and one after
  for (let round = 0; round < 3; round++) {
    const into = join(place, `in-${round}`)
    settle()
    copies.before.push(copySeconds(file, join(place, 'before.bin')))
    outs.push(await rejoin(['export', stick, '--data', a]))
    cpSync(b, into, { recursive: true })
    ins.push(await rejoin(['import', stick, '--data', into]))
    settle()
    copies.after.push(copySeconds(file, join(place, 'after.bin')))
    for (const name of ['before.bin', 'after.bin', `in-${round}`]) rmSync(join(place, name), { recursive: true })
    if (round < 2) rmSync(stick, { recursive: true })
  }
  const best = (all: readonly Command[]): Command => all.toSorted((one, other) => one.seconds - other.seconds)[0] as Command
  const [before, after] = [Math.min(...copies.before), Math.min(...copies.after)]
  const [out, into] = [best(outs), best(ins)]
  const again = await rejoin(['export', stick, '--data', a])
  settle()
  const nncp = nncpSeconds(file, place)
  settle()
  const skopeo = skopeoSeconds(stick, 'bench/large:one', place)
  rmSync(stick, { recursive: true })
  const wastedBytes = await yankedHalfWay(a, place, sizeBytes)
  for (const root of [a, b, place]) rmSync(root, { recursive: true })
  const name = `stick: ${Math.round(sizeBytes / mebibyte)} MiB`
  return [
    { name: `${name}: cp before, its limit`, value: before, unit: 's', target: 0, better: 'more' },
    { name: `${name}: cp after, its limit`, value: after, unit: 's', target: 0, better: 'more' },
    { name: `${name}: one SHA-256`, value: hash, unit: 's', target: 0, better: 'more' },
    { name: `${name} out, of cp + one SHA-256`, value: out.seconds / (before + hash), unit: '×', target: 1.35, better: 'less' },
    { name: `${name} in, of cp + one SHA-256`, value: into.seconds / (after + hash), unit: '×', target: 1.2, better: 'less' },
    { name: `${name}, the same again`, value: again.seconds, unit: 's', target: 0.5, better: 'less' },
    { name: `${name}, NNCP out of ours`, value: nncp.out / out.seconds, unit: '×', target: 1, better: 'more' },
    { name: `${name}, NNCP in of ours`, value: nncp.into / into.seconds, unit: '×', target: 1, better: 'more' },
    { name: `${name}, skopeo out of ours`, value: skopeo / out.seconds, unit: '×', target: 0, better: 'more' },
    {
      name: `${name}: written again after a yank half-way, exFAT`,
      value: wastedBytes / mebibyte,
      unit: 'MiB',
      target: 8,
      better: 'less'
    },
    { name: `${name}: peak memory`, value: Math.max(out.peakMiB, into.peakMiB), unit: 'MiB', target: 256, better: 'less' }
  ]
}

/** All rows of sticks. @param scale divides the sizes */
export async function stickRows(scale: number): Promise<readonly Row[]> {
  return [...(await smallRows(10_000 / scale, 1000 / scale)), ...(await largeRows((1024 * mebibyte) / scale))]
}
