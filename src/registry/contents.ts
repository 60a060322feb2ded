import { isManifestType, readManifest } from '../artifact/index.ts'
import {
  chunkBytes,
  type Cid,
  type Digest,
  isDigest,
  isObject,
  type Json,
  parseCid,
  RejoinError,
  type RejoinEvent
} from '../core/index.ts'
import { eventsNamed, listRepository, nameOf, type Node } from '../node/index.ts'
import { Links } from './links.ts'

const maxManifestBytes = 4 * 1024 * 1024
const maxRepositories = 256
const maxDepth = 8

/** What the manifests of a repository say of a blob. */
export interface Content {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  readonly isManifest: boolean
  /** the signed root of its DAG, where its event has one */
  readonly cid: Cid | undefined
  /** clock of the newest event whose artifact holds it */
  readonly hlc: string
  /** whether it may be passed on: an event that names it is relayed */
  readonly isShared: boolean
}

interface Root {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  readonly event: RejoinEvent
  readonly isShared: boolean
}

interface Repository {
  readonly contents: Map<Digest, Content>
  /** by subject, the manifests that refer to it */
  readonly referrers: Map<Digest, Set<Digest>>
  /** manifests that were not here when they were looked into */
  readonly open: Map<Digest, Root>
  queue: Root[]
  reading: Promise<void> | undefined
}

/** Which blobs are in which repository: those that its manifests name, made when first asked for and kept up to date, and those just uploaded. */
export class Contents implements Disposable {
  private readonly node: Node
  private readonly repositories = new Map<string, Promise<Repository>>()
  private readonly links: Links
  private rules: unknown
  private readonly stop: () => void

  constructor(node: Node) {
    this.node = node
    this.links = new Links(node.blobs, Date.now())
    this.rules = node.gate.rules
    this.stop = node.onAccepted((accepted) => {
      for (const { log, index, event, verdict } of accepted) {
        if (event === undefined) this.repositories.clear()
        else void this.learn({ log, index }, event, verdict === 'relay')
      }
    })
  }

  private async learn(ref: Parameters<typeof nameOf>[1], event: RejoinEvent, isShared: boolean): Promise<void> {
    const named = nameOf(this.node, ref, event)
    const known = named && this.repositories.get(named.name)
    if (named === undefined || known === undefined) return
    const root = rootOf(event, isShared)
    if (root === undefined) this.repositories.delete(named.name)
    else (await known.catch(() => undefined))?.queue.push(root)
  }

  /** Takes note that a blob was uploaded to, or mounted into, a repository. */
  link(name: string, digest: Digest): void {
    this.links.add(name, digest, Date.now())
  }

  /** Takes note that an uploaded blob was taken away; returns whether it was there. */
  unlink(name: string, digest: Digest): boolean {
    return this.links.remove(name, digest, Date.now())
  }

  /** Returns whether a blob was uploaded to a repository and is still here. */
  isLinked(name: string, digest: Digest): boolean {
    return this.links.has(name, digest)
  }

  /** Returns whether a blob was uploaded to any repository. */
  isLinkedAnywhere(digest: Digest): boolean {
    return this.links.hasAnywhere(digest)
  }

  /** Returns what a repository's manifests say of a blob, undefined where none names it. */
  async find(name: string, digest: Digest): Promise<Content | undefined> {
    const repository = await this.load(name)
    await this.read(repository)
    const found = repository.contents.get(digest)
    if (found === undefined) return undefined
    return (await this.removedAt(name, digest)) > found.hlc ? undefined : found
  }

  /** Returns the manifests of a repository that refer to a digest, as far as they are here. */
  async referrers(name: string, subject: Digest): Promise<readonly Content[]> {
    const repository = await this.load(name)
    await this.read(repository)
    const here = [...(repository.referrers.get(subject) ?? [])].filter((digest) => this.node.blobs.has(digest))
    return here.flatMap((digest) => repository.contents.get(digest) ?? [])
  }

  /** Returns the subjects of all manifests of a repository that are here. */
  async subjects(name: string): Promise<readonly Digest[]> {
    const repository = await this.load(name)
    await this.read(repository)
    return [...repository.referrers.keys()]
  }

  /** Returns the blobs that a manifest names by itself; none where it is not here. */
  async partsOf(digest: Digest): Promise<readonly Digest[]> {
    if (!this.node.blobs.has(digest)) return []
    const { config, layers } = readManifest(await this.node.blobs.readBytes(digest, maxManifestBytes))
    return [...(config ? [config] : []), ...layers].map((one) => one.digest)
  }

  private async removedAt(name: string, digest: Digest): Promise<string> {
    const said = eventsNamed(this.node, name, await this.node.store.index.bySubject(digest))
    return said.reduce((last, { event }) => (event.type === 'blob.removed' && event.hlc > last ? event.hlc : last), '')
  }

  private async load(name: string): Promise<Repository> {
    if (this.rules !== this.node.gate.rules) {
      this.rules = this.node.gate.rules
      this.repositories.clear()
    }
    let loading = this.repositories.get(name)
    if (loading === undefined) {
      loading = this.begin(name)
      this.repositories.set(name, loading)
      loading.catch(() => this.repositories.delete(name))
      for (const oldest of this.repositories.keys()) {
        if (this.repositories.size <= maxRepositories) break
        this.repositories.delete(oldest)
      }
    }
    return await loading
  }

  private async begin(name: string): Promise<Repository> {
    const artifacts = (await listRepository(this.node, name)) ?? []
    const queue = artifacts.flatMap(({ event }) => rootOf(event.event, this.isRelayed(event)) ?? [])
    return { contents: new Map(), referrers: new Map(), open: new Map(), queue, reading: undefined }
  }

  private isRelayed({
    log,
    index
  }: {
    readonly log: Parameters<Node['store']['needFolder']>[0]
    readonly index: number
  }): boolean {
    return this.node.store.needFolder(log).entry(index).line !== undefined
  }

  private async read(repository: Repository): Promise<void> {
    while (repository.reading !== undefined) await repository.reading
    const arrived = [...repository.open.values()].filter(({ digest }) => this.node.blobs.has(digest))
    if (repository.queue.length + arrived.length === 0) return
    const roots = [...repository.queue.splice(0), ...arrived]
    const work = async (): Promise<void> => {
      for (const root of roots) await this.addRoot(repository, root)
    }
    repository.reading = work().finally(() => {
      repository.reading = undefined
    })
    await repository.reading
  }

  private async addRoot(repository: Repository, root: Root): Promise<void> {
    const cids = cidsOf(root.event)
    await this.add(repository, root, { ...root, isManifest: true, cid: undefined, hlc: root.event.hlc }, cids, 0)
  }

  private async add(
    repository: Repository,
    root: Root,
    content: Content,
    cids: ReadonlyMap<string, Cid>,
    depth: number
  ): Promise<void> {
    const { contents, open } = repository
    const known = contents.get(content.digest)
    if (known !== undefined && known.hlc >= content.hlc && known.isShared >= content.isShared && !open.has(content.digest)) return
    if (known === undefined || known.hlc < content.hlc)
      contents.set(content.digest, { ...content, isShared: content.isShared || known?.isShared === true })
    if (!content.isManifest || depth > maxDepth) return
    if (!this.node.blobs.has(content.digest)) {
      if (depth === 0) open.set(content.digest, root)
      else open.set(content.digest, { ...root, digest: content.digest, mediaType: content.mediaType, size: content.size })
      return
    }
    open.delete(content.digest)
    let manifest: ReturnType<typeof readManifest>
    try {
      manifest = readManifest(await this.node.blobs.readBytes(content.digest, maxManifestBytes))
    } catch (error) {
      if (error instanceof RejoinError) return
      throw error
    }
    if (manifest.subject !== undefined) {
      const refer = repository.referrers.get(manifest.subject.digest) ?? new Set()
      repository.referrers.set(manifest.subject.digest, refer.add(content.digest))
    }
    for (const { digest, mediaType, size } of [
      ...(manifest.config ? [manifest.config] : []),
      ...manifest.layers,
      ...manifest.manifests
    ]) {
      const isManifest = manifest.manifests.length > 0 && isManifestType(mediaType)
      const below = { digest, mediaType, size, isManifest, cid: cids.get(digest), hlc: content.hlc, isShared: content.isShared }
      await this.add(repository, root, below, cids, depth + 1)
    }
  }

  [Symbol.dispose](): void {
    this.stop()
    this.links[Symbol.dispose]()
  }
}

function rootOf(event: RejoinEvent, isShared: boolean): Root | undefined {
  const { digest, mediaType, size } = event.data
  if (typeof digest !== 'string' || !isDigest(digest) || typeof mediaType !== 'string' || typeof size !== 'number')
    return undefined
  return { digest, mediaType, size, event, isShared }
}

/** Returns the signed root CIDs of the large blobs that an event names. */
function cidsOf({ data }: RejoinEvent): ReadonlyMap<string, Cid> {
  const found = new Map<string, Cid>()
  for (const blob of Array.isArray(data['blobs']) ? (data['blobs'] as readonly Json[]) : []) {
    if (!isObject(blob)) continue
    const { digest, cid, size } = blob
    if (typeof digest !== 'string' || typeof cid !== 'string' || typeof size !== 'number' || size <= chunkBytes) continue
    try {
      found.set(digest, parseCid(cid))
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
    }
  }
  return found
}
