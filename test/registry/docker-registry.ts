import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'

interface How {
  /** its data are another one's */
  readonly isGuest?: boolean
  /** then it lists in order, where folders have the order of their file system */
  readonly isInMemory?: boolean
  /** the auth section of its configuration */
  readonly auth?: string
}

/** Debian's docker-registry on a free port of the loopback. */
export class DockerRegistry implements AsyncDisposable {
  readonly url: string
  private readonly root: string
  private readonly how: How
  private child: ChildProcess | undefined

  private constructor(root: string, url: string, how: How) {
    this.root = root
    this.url = url
    this.how = how
  }

  /** Starts one with nothing in it, and waits until it answers. */
  static async open(how: Omit<How, 'isGuest'> = {}): Promise<DockerRegistry> {
    const root = mkdtempSync(join(tmpdir(), 'rejoin-docker-registry-'))
    return await DockerRegistry.on(root, how)
  }

  private static async on(root: string, how: How): Promise<DockerRegistry> {
    const registry = new DockerRegistry(root, `http://127.0.0.1:${await freePort()}`, how)
    await registry.start()
    return registry
  }

  /** Starts another one on another port, on the same data: what it is given is there when this one is back. */
  async beside(): Promise<DockerRegistry> {
    return await DockerRegistry.on(this.root, { isGuest: true })
  }

  /** Starts it on its port, and waits until it answers. */
  async start(): Promise<void> {
    const { root, url } = this
    const { isInMemory = false, auth } = this.how
    const driver = isInMemory ? 'inmemory: {}' : `filesystem: {rootdirectory: ${join(root, 'data')}}`
    const config = join(root, `config-${new URL(url).port}.yml`)
    writeFileSync(
      config,
      `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {${driver}, delete: {enabled: true}}
http: {addr: ${new URL(url).host}}
${auth === undefined ? '' : `auth: ${auth}\n`}`
    )
    const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
    this.child = child
    for (;;) {
      if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`)
      const answer = await fetch(`${url}/v2/`).catch(() => undefined)
      if (answer?.status === (auth === undefined ? 200 : 401)) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Kills it; its data stay. */
  async stop(): Promise<void> {
    const { child } = this
    if (child === undefined) return
    this.child = undefined
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    if (this.how.isGuest !== true) rmSync(this.root, { recursive: true, force: true })
  }
}
