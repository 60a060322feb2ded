import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, execPath } from 'node:process'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { expect } from 'vitest'
import { main } from '../command-line.ts'

/** A JSON record that a command printed. */
export type Printed = Readonly<Record<string, unknown>>

/** What a command that ended came to. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that runs: its output line by line, as it comes. */
export interface Running {
  readonly child: ChildProcess
  readonly lines: readonly string[]
  readonly stderr: () => string
  /** Resolves with the first line, from the beginning on, that passes; rejects when the process ends before. */
  readonly line: (passes: (line: string) => boolean) => Promise<string>
  /** Resolves when the lines so far pass; rejects when the process ends before. */
  readonly until: (passes: (lines: readonly string[]) => boolean) => Promise<void>
  /** Sends a signal and waits for the end. @returns the exit code, or null after a signal that was not handled */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>
}

/** A place for data folders and sockets; every process begun in it is killed, and all of it deleted, at the end. */
export class Lab implements AsyncDisposable {
  readonly root: string = mkdtempSync(join(tmpdir(), 'rejoin-e2e-'))
  private readonly children = new Set<ChildProcess>()

  constructor() {
    mkdirSync(join(this.root, 'run'), { mode: 0o700 })
  }

  path(name: string): string {
    return join(this.root, name)
  }

  private spawn(args: readonly string[], more: NodeJS.ProcessEnv): ChildProcess {
    const child = spawn(execPath, [main, ...args], {
      cwd: this.root,
      env: {
        ...env,
        NO_COLOR: '1',
        NODE_OPTIONS: '',
        XDG_RUNTIME_DIR: join(this.root, 'run'),
        XDG_STATE_HOME: join(this.root, 'state'),
        ...more
      },
      stdio: ['pipe', 'pipe', 'pipe']
    })
    this.children.add(child)
    child.once('close', () => this.children.delete(child))
    return child
  }

  /** Runs a command to its end. */
  async run(
    args: readonly string[],
    {
      input = '',
      more = {},
      onPid = () => {}
    }: {
      readonly input?: string | Uint8Array | AsyncIterable<Uint8Array>
      readonly more?: NodeJS.ProcessEnv
      readonly onPid?: (pid: number) => void
    } = {}
  ): Promise<Ended> {
    const child = this.spawn(args, more)
    onPid(child.pid ?? 0)
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout?.on('data', (bytes: Buffer) => out.push(bytes))
    child.stderr?.on('data', (bytes: Buffer) => err.push(bytes))
    child.stdin?.on('error', () => {})
    if (typeof input === 'string' || input instanceof Uint8Array) child.stdin?.end(input)
    // who reads it may end before its end
    else if (child.stdin !== null) void pipeline(Readable.from(input), child.stdin).catch(() => {})
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, stdout: Buffer.concat(out).toString('latin1'), stderr: Buffer.concat(err).toString() }
  }

  /** Runs a command that must succeed, with --json. @returns what it printed */
  async ask(folder: string, ...args: readonly string[]): Promise<readonly Printed[]> {
    const { code, stdout, stderr } = await this.run([...args, '--data', this.path(folder), '--json'])
    expect(code, `${args.join(' ').slice(0, 200)}: ${stderr}${stdout.slice(-500)}`).toBe(0)
    return recordsOf(Buffer.from(stdout, 'latin1').toString())
  }

  /** Runs a command that must succeed. @returns the only record that it printed */
  async askOne(folder: string, ...args: readonly string[]): Promise<Printed> {
    const records = await this.ask(folder, ...args)
    expect(records).toHaveLength(1)
    return records[0] as Printed
  }

  /** Begins a command that goes on. */
  start(args: readonly string[]): Running {
    const child = this.spawn(args, {})
    child.stdin?.end()
    const lines: string[] = []
    let error = ''
    let closed: { readonly code: number | null } | undefined
    const waiting = new Set<() => void>()
    const wake = (): void => {
      for (const one of waiting) one()
    }
    child.stderr?.on('data', (bytes: Buffer) => (error += bytes.toString()))
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      lines.push(line)
      wake()
    })
    const end = once(child, 'close').then(([code]) => {
      closed = { code: code as number | null }
      wake()
      return closed.code
    })
    const until = async (passes: (lines: readonly string[]) => boolean): Promise<void> =>
      await new Promise<void>((done, failed) => {
        const look = (): void => {
          if (passes(lines)) done()
          else if (closed !== undefined)
            failed(new Error(`${args[0] ?? ''} ended with ${closed.code} after ${lines.length} lines: ${error}`))
          else return
          waiting.delete(look)
        }
        waiting.add(look)
        look()
      })
    return {
      child,
      lines,
      stderr: () => error,
      until,
      line: async (passes) => {
        await until((all) => all.some(passes))
        return lines.find(passes) as string
      },
      stop: async (signal = 'SIGTERM') => {
        child.kill(signal)
        return await end
      }
    }
  }

  /** Makes a node. @returns its identity */
  async init(folder: string): Promise<Printed> {
    return await this.askOne(folder, 'init', '--name', folder)
  }

  /** Brings a node up on a free port of the loopback. @returns it and its address, once it is ready */
  async up(folder: string, ...peers: readonly string[]): Promise<Running & { readonly address: string; readonly id: Printed }> {
    const running = this.start([
      'up',
      '--data',
      this.path(folder),
      '--json',
      '--no-mdns',
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      ...peers.flatMap((peer) => ['--peer', peer])
    ])
    const id = JSON.parse(await running.line(() => true)) as Printed
    expect(id).toMatchObject({ ready: true })
    return { ...running, id, address: (id['addresses'] as readonly string[])[0] as string }
  }

  /** Ends everything that was begun here. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.children].map(async (child) => {
        const closed = once(child, 'close')
        child.kill('SIGKILL')
        await closed
      })
    )
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** Returns the JSON lines of an output. */
export function recordsOf(text: string): readonly Printed[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Printed)
}

/** Asks again and again until an answer passes: for what has no line of output that tells it. */
export async function eventually<T>(ask: () => Promise<T>, passes: (answer: T) => boolean, limitMs = 30_000): Promise<T> {
  const endMs = performance.now() + limitMs
  for (;;) {
    const answer = await ask()
    if (passes(answer)) return answer
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms; last: ${JSON.stringify(answer).slice(0, 2000)}`)
  }
}
