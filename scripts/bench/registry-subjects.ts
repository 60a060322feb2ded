import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A registry that runs in a process of its own. */
export interface Subject {
  readonly name: string
  readonly port: number
  readonly pid: number
  readonly end: () => Promise<void>
}

const main = join(import.meta.dirname, '../../dist/cli/main.js')

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`a registry ended with ${child.exitCode}`)
    const answer = await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined)
    if (answer?.status === 200) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function subject(name: string, port: number, root: string, child: ChildProcess): Subject {
  return {
    name,
    port,
    pid: child.pid ?? 0,
    async end() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      rmSync(root, { recursive: true, force: true })
    }
  }
}

/** Starts a node of ours with its registry. */
export async function startNode(): Promise<Subject> {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-bench-registry-'))
  execFileSync(process.execPath, [main, 'init', '--data', root, '--name', 'bench', '--quiet'])
  const port = await freePort()
  const args = ['up', '--data', root, '--http', `127.0.0.1:${port}`, '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0']
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  await answering(port, child)
  return subject('rejoin', port, root, child)
}

/** Starts Debian's docker-registry. */
export async function startDocker(): Promise<Subject> {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-bench-docker-'))
  const port = await freePort()
  const config = join(root, 'config.yml')
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${join(root, 'data')}}, delete: {enabled: true}}\nhttp: {addr: 127.0.0.1:${port}}\n`
  )
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  await answering(port, child)
  return subject('docker-registry', port, root, child)
}

/** Returns the most memory that a process had resident, in MB. */
export function peakMegabytes(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}
