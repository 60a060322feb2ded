import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HttpServer, openHttp } from '../../src/http/index.ts'
import type { RejoinEvent } from '../../src/core/index.ts'
import { type Config, Live, Node } from '../../src/node/index.ts'
import { type Fault, verifyFolder } from '../../src/store/index.ts'

const never = new AbortController().signal

/** A node with its registry on loopback. */
export class Site implements AsyncDisposable {
  readonly root: string
  node!: Node
  live: Live | undefined
  http!: HttpServer
  readonly notices: string[] = []

  private constructor(root: string) {
    this.root = root
  }

  /** Makes a node and brings it up. @param options.net whether with its network, too */
  static async open(name: string, options: { readonly net?: boolean; readonly flags?: Partial<Config> } = {}): Promise<Site> {
    const site = new Site(mkdtempSync(join(tmpdir(), `rejoin-registry-${name}-`)))
    await Node.init(site.root, name, 'test')
    await site.up(options)
    return site
  }

  /** Brings the node up. */
  async up({ net = false, flags = {} }: { readonly net?: boolean; readonly flags?: Partial<Config> } = {}): Promise<void> {
    this.node = await Node.open(this.root, {
      flags: { listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false, peers: [], ...flags },
      onNotice: (notice) => this.notices.push(notice)
    })
    this.live = net ? await Live.open(this.node) : undefined
    this.http = await openHttp(this.node, '127.0.0.1:0', { live: this.live })
  }

  /** Takes the node down. */
  async down(): Promise<void> {
    await this.http[Symbol.asyncDispose]()
    await this.live?.[Symbol.asyncDispose]()
    await this.node[Symbol.asyncDispose]()
  }

  /** The address of the registry, without a path. */
  get url(): string {
    return this.http.url
  }

  /** The address as container tools write it. */
  get host(): string {
    return this.http.url.replace(/^https?:\/\//, '')
  }

  /** Returns the events of this node's own log but the first, which opens it. */
  events(): readonly RejoinEvent[] {
    const { node } = this
    const found: RejoinEvent[] = []
    for (let index = 1; index < node.writer.folder.size; index++) {
      const line = node.store.lineOf(node.log, index)
      if (line !== undefined) found.push(JSON.parse(Buffer.from(line).toString()) as RejoinEvent)
    }
    return found
  }

  /** Returns what is wrong in the data folder. */
  async faults(): Promise<readonly Fault[]> {
    return await Array.fromAsync(verifyFolder(this.root, { signal: never }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down()
    rmSync(this.root, { recursive: true, force: true })
  }
}
