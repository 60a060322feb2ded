import { canonicalize, type Digest, digestOf, isDigest, isObject, type Json, type JsonObject, parseStrict, RejoinError, utf8 } from '../core/index.ts'

/** An OCI content descriptor, checked. @see OCI image-spec 1.1, descriptor.md */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** What a manifest or index says of others. */
export interface Manifest {
  readonly mediaType: string
  readonly artifactType?: string
  readonly config?: Descriptor
  readonly layers: readonly Descriptor[]
  readonly manifests: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}

/** Media type of an OCI image manifest, which artifacts use too. */
export const manifestMediaType = 'application/vnd.oci.image.manifest.v1+json'
const indexMediaType = 'application/vnd.oci.image.index.v1+json'
const manifestTypes: ReadonlySet<string> = new Set([manifestMediaType, 'application/vnd.docker.distribution.manifest.v2+json'])
const indexTypes: ReadonlySet<string> = new Set([indexMediaType, 'application/vnd.docker.distribution.manifest.list.v2+json'])
const limits = { maxBytes: 16 * 1024 * 1024, maxDepth: 32 } as const
const maxDescriptors = 10_000
const typeShape = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(?:\s*;.{0,200})?$/
const refNameKey = 'org.opencontainers.image.ref.name'

/** The config of an artifact that needs none: the two bytes `{}`. */
export const emptyConfig: Descriptor & { readonly bytes: Uint8Array } = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: digestOf(utf8('{}')),
  size: 2,
  bytes: utf8('{}')
}

function bad(message: string): RejoinError {
  return new RejoinError('E_DOCUMENT', message)
}

function textsOf(value: Json | undefined): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined
  if (!isObject(value) || Object.values(value).some((one) => typeof one !== 'string')) throw bad('annotations of a manifest are not texts')
  return value as Readonly<Record<string, string>>
}

function descriptorOf(value: Json, what: string): Descriptor {
  if (!isObject(value)) throw bad(`${what} of a manifest is not a descriptor`)
  const { mediaType, digest, size, artifactType, annotations } = value
  if (typeof mediaType !== 'string' || !typeShape.test(mediaType)) throw bad(`${what} of a manifest has no media type`)
  if (typeof digest !== 'string' || !isDigest(digest)) throw bad(`${what} of a manifest has no digest that is known here`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw bad(`${what} of a manifest has no size`)
  const texts = textsOf(annotations)
  return { mediaType, digest, size, ...(typeof artifactType === 'string' && { artifactType }), ...(texts && { annotations: texts }) }
}

function descriptorsOf(value: Json | undefined, what: string): readonly Descriptor[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value) || value.length > maxDescriptors) throw bad(`${what} of a manifest is not a list of up to ${maxDescriptors}`)
  return value.map((one: Json) => descriptorOf(one, what))
}

/**
 * Returns what an OCI or Docker schema 2 manifest, index or list says.
 * @throws E_DOCUMENT where it is none or malformed · E_JSON and the other codes of parseStrict
 */
export function readManifest(bytes: Uint8Array): Manifest {
  const value = parseStrict(bytes, limits)
  if (!isObject(value) || value['schemaVersion'] !== 2) throw bad('not a manifest: schemaVersion is not 2')
  const { mediaType, artifactType, config, layers, manifests, subject, annotations } = value
  const isIndex = typeof mediaType === 'string' ? indexTypes.has(mediaType) : manifests !== undefined
  const type = typeof mediaType === 'string' ? mediaType : isIndex ? indexMediaType : manifestMediaType
  if (!manifestTypes.has(type) && !indexTypes.has(type)) throw bad(`not a manifest: its media type is ${type.slice(0, 80)}`)
  if (isIndex ? layers !== undefined || config !== undefined : manifests !== undefined) throw bad('a manifest is an index and an image at once')
  const texts = textsOf(annotations)
  return {
    mediaType: type,
    ...(typeof artifactType === 'string' && { artifactType }),
    ...(config !== undefined && config !== null && { config: descriptorOf(config, 'config') }),
    layers: descriptorsOf(layers, 'layers'),
    manifests: descriptorsOf(manifests, 'manifests'),
    ...(subject !== undefined && subject !== null && { subject: descriptorOf(subject, 'subject') }),
    ...(texts && { annotations: texts })
  }
}

/** What an artifact manifest is made of. */
export interface ArtifactParts {
  readonly artifactType: string
  readonly layer: Descriptor
  readonly subject?: { readonly mediaType: string; readonly digest: Digest; readonly size: number }
  readonly annotations?: Readonly<Record<string, string>>
}

/** Returns the OCI 1.1 manifest of an artifact with one document as canonical JSON: equal parts give equal bytes. */
export function artifactManifest({ artifactType, layer, subject, annotations }: ArtifactParts): { readonly bytes: Uint8Array; readonly digest: Digest; readonly mediaType: string } {
  const { bytes: _, ...config } = emptyConfig
  const plain = subject && { mediaType: subject.mediaType, digest: subject.digest, size: subject.size }
  const manifest = { schemaVersion: 2, mediaType: manifestMediaType, artifactType, config, layers: [layer], ...(plain && { subject: plain }), ...(annotations && { annotations }) }
  const bytes = utf8(canonicalize(manifest as unknown as JsonObject))
  return { bytes, digest: digestOf(bytes), mediaType: manifestMediaType }
}

/** A root of an OCI image layout. */
export interface LayoutRoot extends Descriptor {
  /** org.opencontainers.image.ref.name, where there is one */
  readonly refName?: string
}

/** Returns the roots that index.json of an OCI image layout lists. @throws E_DOCUMENT, and what parseStrict throws */
export function ociLayoutRoots(indexJson: Uint8Array): readonly LayoutRoot[] {
  return readManifest(indexJson).manifests.map((one) => {
    const refName = one.annotations?.[refNameKey]
    return refName === undefined ? one : { ...one, refName }
  })
}
