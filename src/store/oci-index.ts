import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, isDigest, isObject, type Json, type JsonObject, parseStrict, RejoinError, utf8 } from '../core/index.ts'
import { ioError, replaceFileSync } from './file.ts'

/**
 * What index.json says of a root: an OCI descriptor, e.g.
 * `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:…","size":526}`. Members that are not known here are kept.
 */
export interface Descriptor extends JsonObject {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

/** A change of index.json: a tag set or taken away, a root listed without a tag, or all mention of a digest taken away. */
export type RootChange =
  | { readonly kind: 'tag'; readonly tag: string; readonly descriptor: Descriptor }
  | { readonly kind: 'untag'; readonly tag: string }
  | { readonly kind: 'add'; readonly descriptor: Descriptor }
  | { readonly kind: 'drop'; readonly digest: Digest }
  /** roots without a tag stand in an index of their own from now on, which is listed in their place */
  | { readonly kind: 'nest'; readonly into: Descriptor; readonly digests: readonly Digest[] }

const tagKey = 'org.opencontainers.image.ref.name'
/** index.json is never longer than this. */
export const maxIndexBytes: number = 512 * 1024 * 1024
const limits = { maxBytes: maxIndexBytes, maxDepth: 16 } as const

/** Returns the tag under which index.json lists a root, or undefined. */
export function tagOfRoot({ annotations }: Descriptor): string | undefined {
  const tag = isObject(annotations) ? annotations[tagKey] : undefined
  return typeof tag === 'string' ? tag : undefined
}

function isDescriptor(value: Json): value is Descriptor {
  if (!isObject(value)) return false
  const { mediaType, digest, size } = value
  return typeof mediaType === 'string' && typeof digest === 'string' && isDigest(digest) && Number.isSafeInteger(size)
}

function tagged(descriptor: Descriptor, tag: string): Descriptor {
  const annotations = isObject(descriptor['annotations']) ? descriptor['annotations'] : {}
  return { ...descriptor, annotations: { ...annotations, [tagKey]: tag } }
}

/** How index.json is written. */
export interface IndexOptions {
  readonly readOnly?: boolean | undefined
  /** true: a long list is written some time after a root was added, and at close(); what is tagged or taken away is written at once */
  readonly lazy?: boolean | undefined
}

/** a list of up to so many roots is never written late: it takes milliseconds */
const shortCount = 4096
/** writing a long list may take this share of the time */
const writeShare = 0.05
const leastDelayMs = 1000
const mostDelayMs = 60_000

/** The file index.json of an OCI image layout, with the file oci-layout that says what it is. Every state of it is a valid one. */
export class OciIndex {
  private readonly path: string
  /** what the file holds besides `manifests` */
  private readonly rest: JsonObject
  private readonly isLazy: boolean
  private readonly byTag = new Map<string, Descriptor>()
  private readonly untagged = new Map<Digest, Descriptor>()
  private list: readonly Descriptor[] | undefined
  private timer: NodeJS.Timeout | undefined
  private writeMs = 0

  private constructor(path: string, rest: JsonObject, list: readonly Descriptor[], isLazy: boolean) {
    this.path = path
    this.rest = rest
    this.isLazy = isLazy
    for (const descriptor of list) {
      const tag = tagOfRoot(descriptor)
      if (tag === undefined) this.untagged.set(descriptor.digest, descriptor)
      else this.byTag.set(tag, descriptor)
    }
  }

  /**
   * Opens the layout below a folder, and makes it one where it is none yet.
   * @throws E_VERSION where the layout is of another version · E_DAMAGED where one of the two files is not what it should be
   */
  static open(root: string, { readOnly = false, lazy = false }: IndexOptions = {}): OciIndex {
    const layout = readJson(join(root, 'oci-layout'))
    if (layout === undefined && !readOnly)
      replaceFileSync(join(root, 'oci-layout'), utf8('{"imageLayoutVersion":"1.0.0"}'), { durable: true })
    const version = isObject(layout) ? layout['imageLayoutVersion'] : undefined
    if (layout !== undefined && (typeof version !== 'string' || !version.startsWith('1.'))) {
      throw new RejoinError('E_VERSION', `${join(root, 'oci-layout')} is not of version 1`)
    }
    const path = join(root, 'index.json')
    const index = readJson(path)
    if (index === undefined) {
      const fresh = new OciIndex(path, { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json' }, [], lazy)
      if (!readOnly) fresh.write()
      return fresh
    }
    const manifests = isObject(index) ? index['manifests'] : undefined
    if (!isObject(index) || !Array.isArray(manifests)) throw new RejoinError('E_DAMAGED', `${path} is not an OCI index`)
    const { manifests: _, ...rest } = index
    return new OciIndex(path, rest, (manifests as readonly Json[]).filter(isDescriptor), lazy)
  }

  /** Returns the roots that are listed, those with a tag first. */
  roots(): readonly Descriptor[] {
    this.list ??= [...this.byTag.values(), ...this.untagged.values()]
    return this.list
  }

  /** Returns the root with a tag, or undefined. */
  tagged(tag: string): Descriptor | undefined {
    return this.byTag.get(tag)
  }

  /** Returns the roots that have a tag. */
  tags(): readonly Descriptor[] {
    return [...this.byTag.values()]
  }

  /** Returns the root that is listed without a tag, or undefined. */
  untaggedRoot(digest: Digest): Descriptor | undefined {
    return this.untagged.get(digest)
  }

  /** Makes changes, with at most one write of the file. The blobs of what is listed must be there before. */
  change(changes: readonly RootChange[]): void {
    let mayWait = true
    let isChanged = false
    for (const change of changes) {
      if (!this.apply(change)) continue
      isChanged = true
      mayWait &&= change.kind === 'add'
    }
    if (!isChanged) return
    this.list = undefined
    if (this.isLazy && mayWait && this.byTag.size + this.untagged.size > shortCount) this.writeLater()
    else this.write()
  }

  /** @returns whether anything is another than before */
  private apply(change: RootChange): boolean {
    switch (change.kind) {
      case 'tag': {
        const next = tagged(change.descriptor, change.tag)
        if (isSame(this.byTag.get(change.tag), next)) return false
        this.byTag.set(change.tag, next)
        return true
      }
      case 'untag':
        return this.byTag.delete(change.tag)
      case 'add':
        if (isSame(this.untagged.get(change.descriptor.digest), change.descriptor)) return false
        this.untagged.set(change.descriptor.digest, change.descriptor)
        return true
      case 'nest':
        for (const digest of change.digests) this.untagged.delete(digest)
        this.untagged.set(change.into.digest, change.into)
        return true
      case 'drop': {
        const tags = [...this.byTag].flatMap(([tag, { digest }]) => (digest === change.digest ? [tag] : []))
        for (const tag of tags) this.byTag.delete(tag)
        return this.untagged.delete(change.digest) || tags.length > 0
      }
    }
  }

  private writeLater(): void {
    const delayMs = Math.min(mostDelayMs, Math.max(leastDelayMs, this.writeMs / writeShare))
    this.timer ??= setTimeout(() => this.writeSoon(), delayMs).unref()
  }

  /** Where there is no space, it is tried again; the list is in memory. */
  private writeSoon(): void {
    this.timer = undefined
    try {
      this.write()
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
      this.writeLater()
    }
  }

  private write(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    const startMs = performance.now()
    replaceFileSync(this.path, utf8(JSON.stringify({ ...this.rest, manifests: this.roots() })), { durable: true })
    this.writeMs = performance.now() - startMs
  }

  /** Whether the file lacks something that is listed. */
  get isBehind(): boolean {
    return this.timer !== undefined
  }

  /** Writes what waits. @throws E_NO_SPACE E_IO */
  close(): void {
    if (this.timer !== undefined) this.write()
  }
}

function isSame(before: Descriptor | undefined, after: Descriptor): boolean {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(after)
}

function readJson(path: string): Json | undefined {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw ioError(cause, 'read', path)
  }
  try {
    return parseStrict(bytes, limits)
  } catch (cause) {
    throw new RejoinError('E_DAMAGED', `${path} is not JSON`, { cause })
  }
}
