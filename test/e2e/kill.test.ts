import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, execPath } from 'node:process'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { didOf, type LogId, parseEvent } from '../../src/core/index.ts'
import { Node } from '../../src/node/node.ts'
import { openKeys, verifyFolder } from '../../src/store/index.ts'
import { driveSession, pipe } from '../../src/sync/index.ts'
import { addIdentity } from '../../src/trust/index.ts'
import { besideMain } from '../command-line.ts'

const lab = mkdtempSync(join(tmpdir(), 'rejoin-kill-'))
const seed = Number(env['SEED'] ?? Math.floor(Math.random() * 1e9))
const killCount = Number(env['KILLS'] ?? 200)
const children = new Set<ChildProcess>()
const lifeLimitMs = 120_000
const script = besideMain('kill-node')

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(lab, { recursive: true, force: true })
})

/** Returns random numbers below a bound, from a seed. */
function randomFrom(start: number): (below: number) => number {
  let state = start >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % below
  }
}

/** What the processes said, over all their lives. */
class Witness {
  /** log/index → ID and subject of each acknowledged event */
  readonly acknowledged = new Map<string, { readonly id: string; readonly subject: string }>()
  /** log/size → root of each head that any of them signed or stored */
  private readonly roots = new Map<string, string>()
  readonly notices: string[] = []
  syncs = 0

  note(line: string, newest: Map<LogId, number>): void {
    const [word, log = '', number = '', text = '', subject = ''] = line.split(' ')
    if (word === 'event') {
      expect(this.acknowledged.has(`${log}/${number}`), `seed ${seed}: two events at ${log}/${number}`).toBe(false)
      this.acknowledged.set(`${log}/${number}`, { id: text, subject })
    } else if (word === 'head') {
      expect(this.roots.get(`${log}/${number}`) ?? text, `seed ${seed}: two trees of ${log}/${number}`).toBe(text)
      this.roots.set(`${log}/${number}`, text)
      newest.set(log as LogId, Math.max(newest.get(log as LogId) ?? 0, Number(number)))
    } else if (word === 'notice') this.notices.push(line)
    else if (word === 'synced') this.syncs++
  }

  /** Heads that differ in size or log. */
  get headCount(): number {
    return this.roots.size
  }
}

/** Throws where a child lives for two minutes, with what it is doing: none prints its lines so slowly, whatever the machine is busy with. */
async function stalled(child: ChildProcess, how: () => string): Promise<never> {
  await setTimeout(lifeLimitMs, undefined, { ref: false })
  if (child.exitCode !== null || child.signalCode !== null) return await new Promise<never>(() => {})
  const system = ['status', 'wchan', 'syscall'].map((name) => {
    try {
      return `${name}: ${readFileSync(`/proc/${child.pid}/${name}`, 'utf8').slice(0, 300)}`
    } catch {
      return `${name}: unknown`
    }
  })
  // the child writes what it waits for to its standard error; where it does not, its event loop stands still
  child.kill('SIGUSR2')
  await setTimeout(5000)
  child.kill('SIGKILL')
  throw new Error(`a child stands still: ${how()}\n${system.join('\n')}`)
}

/** Starts a node, kills it and looks at its folder, again and again. */
async function killAgainAndAgain(
  root: string,
  role: string,
  kills: number,
  random: (below: number) => number,
  witness: Witness
): Promise<void> {
  const newest = new Map<LogId, number>()
  for (let round = 0; round < kills; round++) {
    const where = `seed ${seed}, ${role}, round ${round}`
    const child = spawn(execPath, [script, root, role, join(lab, 'sync.sock')], {
      stdio: ['ignore', 'pipe', 'pipe']
    })
    children.add(child)
    let error = ''
    child.stderr.on('data', (bytes: Buffer) => (error += bytes.toString()))
    // one in six is killed while it starts and repairs, the others after so many lines of output
    const early = random(6) === 0
    const lineCount = 1 + random(120)
    let seen = 0
    let text = ''
    child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()))
    createInterface({ input: child.stdout }).on('line', () => {
      if (++seen === lineCount && !early) child.kill('SIGKILL')
    })
    if (early) void setTimeout(random(400)).then(() => child.kill('SIGKILL'))
    const closed = once(child, 'close') as Promise<[number | null]>
    const [code] = await Promise.race([closed, stalled(child, () => `${where}: ${seen} lines, ${error}`)])
    children.delete(child)
    expect(code, `${where} ended by itself: ${error}`).toBeNull()
    expect(error, where).toBe('')
    for (const line of text.split('\n').slice(0, -1)) witness.note(line, newest)
    // what was said to be signed or stored is on disk, before anything repairs it
    for (const [log, size] of newest) {
      const [, onDisk] = readFileSync(join(root, 'logs', log, 'checkpoint'), 'utf8').split('\n')
      expect(Number(onDisk), `${where}: checkpoint of ${log}`).toBeGreaterThanOrEqual(size)
    }
  }
}

it(`6. never loses, forks or damages anything in ${killCount} kills of two nodes that append and sync (seed ${seed})`, async () => {
  const roots = [join(lab, 'a'), join(lab, 'b')] as const
  for (const [i, root] of roots.entries()) await Node.init(root, `node-${i}`, 'main')
  addIdentity(roots[0], 'node-1', didOf(openKeys(roots[1]).signer.publicKey))
  addIdentity(roots[1], 'node-0', didOf(openKeys(roots[0]).signer.publicKey))
  await once(spawn(execPath, [script], { stdio: 'inherit' }), 'close')
  const witness = new Witness()
  const half = Math.ceil(killCount / 2)
  await Promise.all([
    killAgainAndAgain(roots[0], 'listen', half, randomFrom(seed), witness),
    killAgainAndAgain(roots[1], 'connect', half, randomFrom(seed ^ 0x5bd1e995), witness)
  ])
  expect(witness.acknowledged.size, `seed ${seed}`).toBeGreaterThan(killCount)
  expect(witness.headCount, `seed ${seed}`).toBeGreaterThan(killCount / 2)
  expect(witness.syncs, `seed ${seed}`).toBeGreaterThan(0)

  const { signal } = new AbortController()
  await using a = await Node.open(roots[0])
  await using b = await Node.open(roots[1])
  for (const node of [a, b])
    for (const head of node.store.listHeads())
      witness.note(`head ${head.log} ${head.size} ${Buffer.from(head.root).toString('hex')}`, new Map())
  const [one, other] = pipe()
  const results = await Promise.all([
    driveSession(a.replica, one, { signal, share: a.share }),
    driveSession(b.replica, other, { signal, share: b.share })
  ])
  expect(results.map(({ complete, conflicts }) => [complete, conflicts])).toEqual([
    [true, 0],
    [true, 0]
  ])
  for (const node of [a, b]) {
    expect(node.replica.conflicts(), `seed ${seed}`).toEqual([])
    expect(node.store.listHeads(), `seed ${seed}`).toHaveLength(2)
    for (const [place, { id, subject }] of witness.acknowledged) {
      const [log, index] = place.split('/') as [LogId, string]
      const { line } = node.store.needFolder(log).entry(Number(index))
      expect(line && parseEvent(line).id, `seed ${seed}: ${place}`).toBe(id)
      if (log === node.log)
        expect(existsSync(join(node.root, 'blobs', subject.replace(':', '/'))), `seed ${seed}: blob of ${place}`).toBe(true)
    }
  }
  for (const root of roots)
    for await (const fault of verifyFolder(root, { signal })) expect.fail(`seed ${seed}: ${root}: ${JSON.stringify(fault)}`)
  console.log(
    `seed ${seed}: ${killCount} kills, ${witness.acknowledged.size} acknowledged events, ${witness.headCount} heads, ${witness.syncs} whole syncs, ${witness.notices.length} repairs`
  )
}, 600_000)
