import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Debian's docker-registry on a free port of the loopback. */
export class DockerRegistry implements AsyncDisposable {
  readonly url: string
  private readonly root: string
  private readonly child: ChildProcess

  private constructor(root: string, url: string, child: ChildProcess) {
    this.root = root
    this.url = url
    this.child = child
  }

  /** Starts it, and waits until it answers. */
  static async open(): Promise<DockerRegistry> {
    const root = mkdtempSync(join(tmpdir(), 'rejoin-docker-registry-'))
    const port = await freePort()
    const config = join(root, 'config.yml')
    writeFileSync(
      config,
      `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${join(root, 'data')}}, delete: {enabled: true}}
http: {addr: 127.0.0.1:${port}}
`
    )
    const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
    const url = `http://127.0.0.1:${port}`
    for (;;) {
      if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`)
      const answer = await fetch(`${url}/v2/`).catch(() => undefined)
      if (answer?.status === 200) return new DockerRegistry(root, url, child)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
    rmSync(this.root, { recursive: true, force: true })
  }
}
