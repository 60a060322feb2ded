import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, isDigest, isObject, type Json, type JsonObject, parseStrict, RejoinError, utf8 } from '../core/index.ts'
import { replaceFileSync } from './file.ts'

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

/** The file index.json of an OCI image layout, with the file oci-layout that says what it is. Every state of it is a valid one. */
export class OciIndex {
  private readonly path: string
  /** what the file holds besides `manifests` */
  private readonly rest: JsonObject
  private list: readonly Descriptor[]

  private constructor(path: string, rest: JsonObject, list: readonly Descriptor[]) {
    this.path = path
    this.rest = rest
    this.list = list
  }

  /**
   * Opens the layout below a folder, and makes it one where it is none yet.
   * @throws E_VERSION where the layout is of another version · E_DAMAGED where one of the two files is not what it should be
   */
  static open(root: string, { readOnly = false }: { readonly readOnly?: boolean } = {}): OciIndex {
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
      const fresh = new OciIndex(path, { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json' }, [])
      if (!readOnly) fresh.write()
      return fresh
    }
    const manifests = isObject(index) ? index['manifests'] : undefined
    if (!isObject(index) || !Array.isArray(manifests)) throw new RejoinError('E_DAMAGED', `${path} is not an OCI index`)
    const { manifests: _, ...rest } = index
    return new OciIndex(path, rest, (manifests as readonly Json[]).filter(isDescriptor))
  }

  /** Returns the roots that are listed. */
  roots(): readonly Descriptor[] {
    return this.list
  }

  /** Returns the root with a tag, or undefined. */
  tagged(tag: string): Descriptor | undefined {
    return this.list.find((descriptor) => tagOfRoot(descriptor) === tag)
  }

  /** Makes changes, all of them with one write of the file. The blobs of what is listed must be there before. */
  change(changes: readonly RootChange[]): void {
    const byTag = new Map<string, Descriptor>()
    const untagged = new Map<Digest, Descriptor>()
    for (const descriptor of this.list) {
      const tag = tagOfRoot(descriptor)
      if (tag === undefined) untagged.set(descriptor.digest, descriptor)
      else byTag.set(tag, descriptor)
    }
    for (const change of changes) {
      switch (change.kind) {
        case 'tag':
          byTag.set(change.tag, tagged(change.descriptor, change.tag))
          break
        case 'untag':
          byTag.delete(change.tag)
          break
        case 'add':
          untagged.set(change.descriptor.digest, change.descriptor)
          break
        case 'drop':
          untagged.delete(change.digest)
          for (const [tag, { digest }] of byTag) if (digest === change.digest) byTag.delete(tag)
      }
    }
    const list = [...byTag.values(), ...untagged.values()]
    if (list.length === this.list.length && list.every((descriptor, i) => descriptor === this.list[i])) return
    this.list = list
    this.write()
  }

  private write(): void {
    replaceFileSync(this.path, utf8(JSON.stringify({ ...this.rest, manifests: this.list })), { durable: true })
  }
}

function readJson(path: string): Json | undefined {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new RejoinError('E_IO', `cannot read ${path}`, { cause })
  }
  try {
    return parseStrict(bytes, limits)
  } catch (cause) {
    throw new RejoinError('E_DAMAGED', `${path} is not JSON`, { cause })
  }
}
