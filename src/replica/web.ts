import {
  closedPath,
  digestOf,
  type EntryBlock,
  forkPath,
  type HeadLine,
  hashOfLogId,
  headsPath,
  type Interest,
  type LogId,
  maxForkProofBytes,
  maxHeadsBytes,
  parseHeads,
  type Pull,
  RejoinError,
  sha256,
  type TextPull,
  textOf,
  utf8,
  type WireHead
} from '../core/index.ts'
import { folderVersion } from '../store/index.ts'
import type { Proof, Replica, Taken } from './replica.ts'
import type { Validator, WebClient } from './web-client.ts'
import type { WebPlace } from './web-entries.ts'
import { WebFaults } from './web-faults.ts'
import { WebLog } from './web-log.ts'

/** What a reader remembers of a folder on the web. */
export interface WebMemory {
  /** of its file `heads`, where everything of it was taken, with the digest of that */
  readonly validator: Validator & { readonly digest?: string | undefined }
  readonly places: ReadonlyMap<LogId, WebPlace>
}

const maxReplicaBytes = 64 * 1024
const maxUrgent = 100

function never(what: string): never {
  throw new Error(`bug: a folder on the web can't ${what}`)
}

/**
 * A folder that a web server serves, as a replica that can only be read. Its side of the session runs here, and asks the server for what the
 * session is asked for.
 * @see protocols/http.md
 */
export class WebReplica implements Replica {
  readonly network: string
  readonly node: Uint8Array
  readonly faults: WebFaults = new WebFaults()
  /** what `heads` was when it was read */
  readonly validator: WebMemory['validator']
  private readonly client: WebClient
  private readonly storeId: string
  private readonly byLog: ReadonlyMap<LogId, HeadLine>
  private readonly logs = new Map<LogId, WebLog>()
  private readonly memory: WebMemory
  private records: readonly Uint8Array[] = []

  private constructor(
    client: WebClient,
    network: string,
    file: { readonly store: string; readonly heads: readonly HeadLine[]; readonly validator: WebMemory['validator'] },
    memory: WebMemory
  ) {
    this.client = client
    this.network = network
    this.node = sha256(utf8(`rejoin web ${client.base}`))
    this.storeId = file.store
    this.byLog = new Map(file.heads.map((head) => [head.log, head]))
    this.validator = file.validator
    this.memory = memory
  }

  /**
   * Opens a folder on the web.
   * @returns undefined where its heads are those that are remembered: then there is nothing new
   * @throws E_NO_DATA where there is no list of logs · E_VERSION E_DAMAGED E_TOO_LARGE · E_UNREACHABLE E_GONE E_TIMEOUT E_PERMISSION E_REFUSED
   */
  static async open(client: WebClient, memory: WebMemory): Promise<WebReplica | undefined> {
    const answer = await client.ask(headsPath, { unless: memory.validator })
    if (answer.status === 304) return undefined
    if (answer.status === 404)
      throw new RejoinError('E_NO_DATA', `there is no ${client.base}${headsPath}, which lists the logs there`, {
        hint: 'is this the folder that has replica.json? rejoin export writes the list, and so does a node that is up'
      })
    const bytes = await client.gather(headsPath, answer, maxHeadsBytes)
    // a server without validators sends it again and again
    const digest = digestOf(bytes)
    if (digest === memory.validator.digest) return undefined
    const validator = { ...answer.validator, digest }
    const replica = new WebReplica(client, await networkOf(client), { ...parseHeads(bytes), validator }, memory)
    await replica.readUrgent()
    return replica
  }

  private async readUrgent(): Promise<void> {
    const paths = [...this.byLog.values()].flatMap(({ log, closed, fork }) => [
      ...(closed ? [closedPath(log)] : []),
      ...(fork ? [forkPath(log)] : [])
    ])
    const records: Uint8Array[] = []
    for (const path of paths.slice(0, maxUrgent)) {
      try {
        const bytes = await this.client.read(path, maxForkProofBytes)
        if (bytes !== undefined) records.push(bytes)
        else throw new RejoinError('E_NOT_FOUND', `${this.client.base}${path} is not there`)
      } catch (error) {
        const thrown = this.faults.note(error, path)
        if (thrown === error) throw error
      }
    }
    this.records = records
  }

  /** Returns up to where the lines of each log were read, to be remembered. */
  places(): ReadonlyMap<LogId, WebPlace> {
    const places = new Map(this.memory.places)
    for (const [log, { place }] of this.logs) if (place !== undefined) places.set(log, place)
    return places
  }

  journal(): { readonly storeId: string; readonly seq: number } {
    return { storeId: this.storeId, seq: 0 }
  }

  heads(): readonly WireHead[] {
    return [...this.byLog.values()].map(({ log, size, root, author, texts }) => ({
      log: hashOfLogId(log),
      size,
      root,
      author,
      texts
    }))
  }

  changedSince(): undefined {
    return undefined
  }

  private logOf(log: LogId): WebLog {
    const known = this.logs.get(log)
    if (known !== undefined) return known
    const head = this.byLog.get(log)
    if (head === undefined) throw new RejoinError('E_NOT_FOUND', `log ${log} is not in ${this.client.base}${headsPath}`)
    const made = new WebLog(this.client, head, this.faults, this.memory.places.get(log))
    this.logs.set(log, made)
    return made
  }

  async proof(log: LogId, from: number): Promise<Proof> {
    return await this.logOf(log).proof(from)
  }

  async read(log: LogId, from: number, to: number, maxBytes: number): Promise<EntryBlock> {
    return await this.logOf(log).read(from, to, maxBytes)
  }

  survey(): readonly Pull[] {
    return []
  }

  interest(): readonly Interest[] {
    return []
  }

  seek(): readonly TextPull[] {
    return []
  }

  async takeTexts(): Promise<Taken> {
    return await Promise.resolve(never('take texts'))
  }

  prepare(): void {
    never('prepare')
  }

  async accept(): Promise<Taken> {
    return await Promise.resolve(never('take entries'))
  }

  async commit(): Promise<void> {
    await Promise.resolve(never('take a head'))
  }

  async conflict(): Promise<void> {
    await Promise.resolve(never('have a conflict'))
  }

  urgent(): readonly Uint8Array[] {
    return this.records
  }

  /** The session sends what this side knows; a folder on the web keeps nothing of it. */
  async takeUrgent(): Promise<void> {
    await Promise.resolve()
  }

  contradicted(): readonly LogId[] {
    return []
  }

  cursor(): undefined {
    return undefined
  }

  setCursor(): void {
    // nothing is remembered there
  }
}

async function networkOf(client: WebClient): Promise<string> {
  const bytes = await client.read('replica.json', maxReplicaBytes)
  if (bytes === undefined) throw new RejoinError('E_NO_DATA', `there is no ${client.base}replica.json`)
  let value: { readonly version?: unknown; readonly network?: unknown }
  try {
    value = JSON.parse(textOf(bytes)) as typeof value
  } catch (cause) {
    throw new RejoinError('E_DAMAGED', `${client.base}replica.json is not JSON`, { cause })
  }
  const { version, network } = value ?? {}
  if (version !== folderVersion)
    throw new RejoinError(
      'E_VERSION',
      `${client.base} has format version ${String(version).slice(0, 20)}; this program knows ${folderVersion}`
    )
  if (typeof network !== 'string') throw new RejoinError('E_DAMAGED', `${client.base}replica.json names no network`)
  return network
}
