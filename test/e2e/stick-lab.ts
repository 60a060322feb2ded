import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { env, execPath } from 'node:process'
import { expect } from 'vitest'
import { type Ended, Lab, type Printed, recordsOf } from './process.ts'
import { main } from '../command-line.ts'

/** The seed of this run: every test that chooses at random says it. */
export const seed: number = Number(env['SEED'] ?? Math.floor(Math.random() * 1e9))

/** Returns a number from 0 on, below a bound, from the seed and a word. */
export function chosen(word: string, below: number): number {
  return createHash('sha256').update(`${seed} ${word}`).digest().readUInt32BE(0) % below
}

/** Two nodes, of which the second trusts the first, and places for media between them. */
export class StickLab extends Lab {
  log = ''

  /** Makes the nodes `a` and `b`; b trusts a. */
  static async open(): Promise<StickLab> {
    const lab = new StickLab()
    const { did, logId } = await lab.init('a')
    lab.log = String(logId)
    await lab.init('b')
    await lab.ask('b', 'trust', 'add', 'a', String(did))
    return lab
  }

  /** Publishes small documents at a node, in one call. */
  async publishNotes(folder: string, count: number, mark: string): Promise<readonly Printed[]> {
    const names = Array.from({ length: count }, (_, i) => this.path(`${mark}-${i}.txt`))
    for (const [i, name] of names.entries()) writeFileSync(name, `${mark} ${i} ${seed}`)
    return await this.ask(folder, 'publish', '--type', 'text/plain', ...names)
  }

  /** Publishes a file of random bytes; returns the digest of its one layer. */
  async publishLarge(folder: string, sizeBytes: number, mark = 'large'): Promise<string> {
    const bytes = randomBytes(sizeBytes)
    writeFileSync(this.path(mark), bytes)
    await this.ask(
      folder,
      'publish',
      '--type',
      'application/octet-stream',
      '--repo',
      `test/${mark}`,
      '--tag',
      'one',
      this.path(mark)
    )
    return createHash('sha256').update(bytes).digest('hex')
  }

  /** Runs `rejoin COMMAND --data FOLDER --json`, through another program where one is named. @returns the records and how it ended */
  async moved(
    folder: string,
    args: readonly string[],
    through: readonly string[] = []
  ): Promise<Ended & { readonly records: readonly Printed[]; readonly result: Printed }> {
    const words = [...args, '--data', this.path(folder), '--json']
    const ended = through.length === 0 ? await this.run(words) : await this.runThrough(through, words)
    const records = recordsOf(ended.stdout)
    return { ...ended, records, result: records.findLast(({ kind }) => kind === 'result') ?? {} }
  }

  /** Runs our command line below another program: strace, faketime, a shell with limits. */
  async runThrough(through: readonly string[], words: readonly string[]): Promise<Ended> {
    const [program = '', ...before] = through
    const child = spawn(program, [...before, execPath, main, ...words], {
      cwd: this.root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...env,
        NO_COLOR: '1',
        NODE_OPTIONS: '',
        XDG_RUNTIME_DIR: join(this.root, 'run'),
        XDG_STATE_HOME: join(this.root, 'state'),
        NODE_DISABLE_COMPILE_CACHE: '1'
      }
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (bytes: Buffer) => out.push(bytes))
    child.stderr.on('data', (bytes: Buffer) => err.push(bytes))
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }
  }

  /** Returns what `rejoin log` lists at a node: log, index and subject of each event, and hashes of those that are withheld. */
  async events(folder: string): Promise<readonly string[]> {
    return (await this.ask(folder, 'log'))
      .map(
        ({ log, index, event, withheld }) =>
          `${String(log)}/${String(index)} ${String((event as Printed | undefined)?.['subject'] ?? withheld)}`
      )
      .toSorted()
  }

  /** Checks that b has all that a published, verifies, and gives the bytes of a large blob. */
  async mustBeWhole(digests: readonly string[] = []): Promise<void> {
    expect(await this.events('b')).toEqual(expect.arrayContaining([...(await this.events('a'))]))
    await this.ask('b', 'verify')
    for (const digest of digests) expect(sha256Of(this.path(`b/blobs/sha256/${digest}`))).toBe(digest)
  }
}

/** Returns the SHA-256 of a file in hexadecimal. */
export function sha256Of(path: string): string {
  const hash = createHash('sha256')
  const fd = openSync(path, 'r')
  const buffer = Buffer.alloc(1 << 20)
  for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer)) hash.update(buffer.subarray(0, count))
  closeSync(fd)
  return hash.digest('hex')
}

/** Returns the blobs of a replica whose bytes are not those of their names. */
export function wrongBlobs(root: string): readonly string[] {
  const folder = join(root, 'blobs/sha256')
  return existsSync(folder) ? readdirSync(folder).filter((name) => sha256Of(join(folder, name)) !== name) : []
}

/** Returns the bytes of all files below a folder of a replica. */
export function bytesBelow(root: string): number {
  if (!existsSync(root)) return 0
  let sum = 0
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0
  return sum
}

/** Returns every file below a folder with what it holds, to see that nothing was changed. */
export function snapshot(root: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) found.set(path.slice(root.length + 1), createHash('sha256').update(readFileSync(path)).digest('hex'))
  }
  return found
}
