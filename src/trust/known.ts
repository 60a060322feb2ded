import { readManifest } from '../artifact/index.ts'
import {
  aboutSubject,
  type AttributedVex,
  type Compiled,
  type Content,
  type Digest,
  didOf,
  identityAt,
  isDigest,
  msOfHlc,
  type LogId,
  type Place,
  parseEvent,
  parseNote,
  parseTlogPolicy,
  quorumOf,
  RejoinError,
  type RejoinEvent,
  textOf,
  type TlogPolicy,
  type Usage,
  type Verdict,
  type Vulnerability
} from '../core/index.ts'
import type { BlobStore, EventRef, Store } from '../store/index.ts'
import type { Bindings } from './bindings.ts'
import { contentOf, type Layer, type SigningKey, signingKeys } from './content.ts'
import { type EvidenceSource, unwitnessed, type Witnessed } from './evidence.ts'
import type { Judged } from './gate.ts'
import { Ledger } from './ledger.ts'
import { type Inventory, openInventory } from './inventory.ts'
import { textsHere } from './texts-here.ts'
import { Voices } from './voices.ts'

const maxManifestBytes = 4 * 1024 * 1024
/** documents beyond this are no documents that a rule could look into, in bytes */
const maxLayerBytes = 64 * 1024 * 1024
/** artifacts whose content is kept in memory */
const maxKnown = 256
const maxReferrers = 1000

interface Artifact {
  readonly content: Content
  readonly vex: readonly AttributedVex[]
}

/** Returns whether any verdict of a trust file may depend on what stands in documents. */
export function needsContent({ file, rules }: Compiled): boolean {
  return (
    file.versions.length > 0 ||
    Object.keys(file.gates).length > 0 ||
    rules.some(({ conjuncts }) => conjuncts.some((conjunct) => conjunct.needsContent))
  )
}

/** What this node knows of events beside their lines: the content of artifacts that are here, its inventory, and its witnesses. */
export class Known implements EvidenceSource {
  private readonly store: Store
  private readonly blobs: BlobStore
  private compiled: Compiled
  private keys: readonly SigningKey[] = []
  private inventory: Inventory | undefined
  private policy: TlogPolicy | undefined
  private isNeeded = false
  readonly voices: Voices = new Voices()
  private readonly ledger = new Ledger()
  private readonly artifacts = new Map<Digest, Artifact>()
  private readonly witnessed = new WeakMap<Uint8Array, Witnessed>()
  private readonly bindings: Bindings | undefined

  constructor(store: Store, blobs: BlobStore, compiled: Compiled, nowMs: number, bindings?: Bindings) {
    this.store = store
    this.bindings = bindings
    this.blobs = blobs
    this.compiled = compiled
    this.reload(compiled, nowMs)
  }

  /** Takes another trust file into account. @throws E_TRUST_FILE for an inventory or policy that can't be used */
  reload(compiled: Compiled, nowMs: number): void {
    const { inventory, tlogPolicy } = compiled.file
    const opened = inventory && openInventory(this.store.root, inventory.source)
    const policy = tlogPolicy === undefined ? undefined : parseTlogPolicy(tlogPolicy)
    this.compiled = compiled
    this.inventory = opened
    this.policy = policy
    this.keys = signingKeys(compiled.file, nowMs)
    this.isNeeded = needsContent(compiled)
    this.artifacts.clear()
    this.voices.configure(compiled)
    this.ledger.configure(compiled)
  }

  /**
   * Reads what verdicts may depend on that is spread over the texts here; after the start, and after other rules came.
   * @param nameOf returns the name of the identity that wrote an entry; by the trust file where it is left out
   */
  async ready(nameOf: (place: Place) => string = (place) => this.nameAt(place)): Promise<void> {
    const { voices, ledger } = this
    if (!voices.isNeeded && !ledger.isNeeded) return
    for await (const { place, line } of textsHere(this.store)) {
      // it was parsed strictly before it came to lie here
      const event = JSON.parse(textOf(line)) as RejoinEvent
      voices.add(event, place)
      if (ledger.isNeeded) ledger.add(nameOf(place), place.log, place.index, event, line.length)
    }
  }

  private nameAt({ log, index, author }: Place): string {
    const named = nameIn(this.compiled, author)
    return named === '' ? (this.bindings?.at(log, index, author)?.name ?? '') : named
  }

  /** Whether any rule in force may ask for what stands in documents. */
  get isLooking(): boolean {
    return this.isNeeded
  }

  contentOf({ data }: RejoinEvent): Content | undefined {
    return this.artifacts.get(data['digest'] as Digest)?.content
  }

  overlapOf(content: Content): readonly string[] | undefined {
    return this.inventory?.overlapOf(content) ?? []
  }

  vexOn({ data }: RejoinEvent): readonly AttributedVex[] {
    return this.artifacts.get(data['digest'] as Digest)?.vex ?? []
  }

  usageOf(identity: string, { log, index }: Omit<Place, 'author'>, event: RejoinEvent): Usage {
    return this.ledger.before(identity, log, index, event)
  }

  judged(identity: string, { log, index }: Omit<Place, 'author'>, event: RejoinEvent, verdict: Verdict, lineBytes: number): void {
    if (verdict === 'refuse') this.ledger.drop(log, index)
    else this.ledger.add(identity, log, index, event, lineBytes)
  }

  voicesOn(event: RejoinEvent): readonly Place[] {
    return this.voices.on(event)
  }

  /** Takes note of what was judged. @returns entries that may have to be judged again, since somebody said the same */
  heard(log: LogId, author: string, judged: readonly Judged[]): readonly EventRef[] {
    if (!this.voices.isNeeded) return []
    return judged.flatMap(({ line, event, decision }) =>
      event === undefined || decision.verdict === 'refuse' ? [] : this.voices.add(event, { log, index: line.index, author })
    )
  }

  witnessesOf(log: LogId, index: number): Witnessed {
    if (this.policy === undefined) return unwitnessed
    const checkpoint = this.store.folder(log)?.checkpoint
    if (checkpoint === undefined || index >= checkpoint.size) return unwitnessed
    let found = this.witnessed.get(checkpoint.note)
    if (found === undefined) {
      const { names, quorumMs, met } = quorumOf(this.policy, parseNote(checkpoint.note))
      found = { names, newestMs: quorumMs, quorum: met }
      this.witnessed.set(checkpoint.note, found)
    }
    return found
  }

  /**
   * Reads what stands in an event's documents, where rules may ask for it and all of it is here.
   * @returns whether it is known now; false, too, for documents that readers would not agree on
   */
  async load(event: RejoinEvent): Promise<boolean> {
    const { digest } = event.data
    if (!this.isNeeded || typeof digest !== 'string' || !isDigest(digest)) return true
    if (this.artifacts.has(digest)) return true
    const content = await this.read(digest)
    if (content === undefined) return false
    const vex = this.compiled.file.gates.vulnerability === undefined ? [] : await this.vexAbout(digest, event, content)
    this.artifacts.set(digest, { content, vex })
    for (const oldest of this.artifacts.keys()) {
      if (this.artifacts.size <= maxKnown) break
      this.artifacts.delete(oldest)
    }
    return true
  }

  /** Takes note of an artifact's documents that are not stored yet. Documents that readers would not agree on stay unknown. */
  learn(digest: Digest, manifest: Uint8Array, layers: readonly Layer[]): void {
    if (!this.isNeeded) return
    try {
      this.artifacts.set(digest, { content: contentOf(readManifest(manifest), layers, this.keys), vex: [] })
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
    }
  }

  /** Forgets what is known of an artifact: something new was said about it. */
  forget(digest: Digest): void {
    this.artifacts.delete(digest)
  }

  private async read(digest: Digest): Promise<Content | undefined> {
    if (!this.blobs.has(digest)) return undefined
    try {
      const manifest = readManifest(await this.blobs.readBytes(digest, maxManifestBytes))
      const layers: Layer[] = []
      for (const { digest: layer, mediaType, size } of manifest.layers) {
        if (size > maxLayerBytes) continue
        if (!this.blobs.has(layer)) return undefined
        layers.push({ mediaType, bytes: await this.blobs.readBytes(layer, maxLayerBytes) })
      }
      return contentOf(manifest, layers, this.keys)
    } catch (error) {
      if (error instanceof RejoinError) return undefined
      throw error
    }
  }

  /** Roles of who wrote an event: by its key, else by the newest token of a log of that key. */
  private async rolesOf({ source, hlc }: RejoinEvent): Promise<readonly string[]> {
    const { file } = this.compiled
    const owner = [...file.identities.values()].find(({ keys }) => keys.some((name) => file.keys.get(name)?.did === source))
    if (owner !== undefined || this.bindings?.isOpen !== true) return owner?.roles ?? []
    for (const log of await this.store.index.byAuthor(source)) {
      const bound = this.bindings.at(log, Number.MAX_SAFE_INTEGER, source, msOfHlc(hlc))
      const identity = bound?.isOver === false ? file.identities.get(bound.name) : undefined
      if (identity !== undefined) return identity.roles
    }
    return []
  }

  /** Statements about an artifact by those who refer to it, the oldest first, and its own, where its writer may make such. */
  private async vexAbout(digest: Digest, event: RejoinEvent, own: Content): Promise<readonly AttributedVex[]> {
    const said: { readonly hlc: string; readonly roles: readonly string[]; readonly statements: readonly Vulnerability[] }[] = []
    const { file } = this.compiled
    const nowMs = Number.MAX_SAFE_INTEGER
    for (const { log, index } of (await this.store.index.referrers(digest)).slice(0, maxReferrers)) {
      const line = this.store.lineOf(log, index)
      if (line === undefined) continue
      const about = parseEvent(line)
      const { digest: document } = about.data
      if (typeof document !== 'string' || !isDigest(document)) continue
      const content = await this.read(document)
      if (content === undefined) continue
      const author = didOf(this.store.opened(log).publicKey)
      const bound = this.bindings?.at(log, index, author, msOfHlc(about.hlc))
      const { roles } = identityAt(file, { log, index, author, ...(bound && { bound }) }, Math.min(nowMs, Date.parse(about.time)))
      said.push({ hlc: about.hlc, roles, statements: content.vulnerabilities })
    }
    said.push({ hlc: event.hlc, roles: await this.rolesOf(event), statements: own.vulnerabilities })
    return said
      .toSorted((a, b) => (a.hlc < b.hlc ? -1 : 1))
      .flatMap(({ roles, statements }) =>
        statements.flatMap((statement) => {
          const read = aboutSubject(statement, [digest])
          return read === undefined ? [] : [{ statement: read, roles }]
        })
      )
  }
}

function nameIn({ file }: Compiled, did: string): string {
  return [...file.identities.values()].find(({ keys }) => keys.some((name) => file.keys.get(name)?.did === did))?.name ?? ''
}
