import { isObject, type Json, type JsonObject, parseStrict } from '../core/index.ts'
import { malformed, type OciDescriptor, parseAnnotations, parseDescriptor, parseMediaType } from './descriptor.ts'
import { isMediaType } from './media-type.ts'
import { maxDocumentBytes, maxDocumentDepth } from './recognised.ts'

/** The largest manifest or index that is read, 4 MiB: what registries take. */
export const maxManifestBytes: number = 4 * 1024 * 1024

/** A manifest or index, read. */
export interface Manifest {
  readonly mediaType: string
  readonly artifactType?: string
  /** absent in an index */
  readonly config?: OciDescriptor
  /** none in an index */
  readonly layers: readonly OciDescriptor[]
  /** none but in an index */
  readonly manifests: readonly OciDescriptor[]
  readonly subject?: OciDescriptor
  readonly annotations: Readonly<Record<string, string>>
}

const kindOfType: Readonly<Record<string, 'manifest' | 'index'>> = {
  'application/vnd.oci.image.manifest.v1+json': 'manifest',
  'application/vnd.oci.image.index.v1+json': 'index',
  'application/vnd.docker.distribution.manifest.v2+json': 'manifest',
  'application/vnd.docker.distribution.manifest.list.v2+json': 'index'
}

/** Returns whether blobs of a media type are manifests or indexes that readManifest reads. */
export function isManifestType(mediaType: string): boolean {
  return Object.hasOwn(kindOfType, mediaType)
}

/** OCI leaves the media type out where it likes; then the members decide. */
function typeOf(document: JsonObject): string {
  const said = parseMediaType(document['mediaType'], 'mediaType', '/mediaType')
  if (said !== undefined && !isManifestType(said)) throw malformed(`an unknown media type, ${said.slice(0, 60)},`, '/mediaType')
  const type = said ?? `application/vnd.oci.image.${document['manifests'] === undefined ? 'manifest' : 'index'}.v1+json`
  const [own, other] = kindOfType[type] === 'index' ? ['manifests', 'layers'] : ['layers', 'manifests']
  // one document that two readers take for two different things: CVE-2021-41190
  if (document[other] !== undefined || (own === 'manifests' && document['config'] !== undefined))
    throw malformed('members of both a manifest and an index', '')
  // Go writes an empty list so, and cnab-to-oci the manifest of a bundle.json
  if (document[own] !== null && !Array.isArray(document[own])) throw malformed(`no list of ${own}`, `/${own}`)
  return type
}

function parseDescriptors(value: Json | undefined, at: string): readonly OciDescriptor[] {
  return Array.isArray(value) ? value.map((item: Json, i) => parseDescriptor(item, `${at}/${i}`)) : []
}

function parseManifest(bytes: Uint8Array, maxBytes: number): Manifest {
  const document = parseStrict(bytes, { maxBytes, maxDepth: maxDocumentDepth })
  if (!isObject(document)) throw malformed('no JSON object', '')
  if (document['schemaVersion'] !== 2) throw malformed('a schemaVersion other than 2', '/schemaVersion')
  const mediaType = typeOf(document)
  const artifactType = parseMediaType(document['artifactType'], 'artifactType', '/artifactType')
  const isIndex = kindOfType[mediaType] === 'index'
  return {
    mediaType,
    ...(artifactType !== undefined && { artifactType }),
    ...(!isIndex && { config: parseDescriptor(document['config'], '/config') }),
    layers: parseDescriptors(document['layers'], '/layers'),
    manifests: parseDescriptors(document['manifests'], '/manifests'),
    ...(document['subject'] !== undefined && { subject: parseDescriptor(document['subject'], '/subject') }),
    annotations: parseAnnotations(document['annotations'], '/annotations') ?? {}
  }
}

/**
 * Returns an OCI image manifest or index, or a Docker schema 2 manifest or list, all of whose descriptors are valid.
 * @throws E_TOO_LARGE over maxManifestBytes · what parseStrict throws · E_DOCUMENT for anything else, Docker schema 1 among it
 */
export function readManifest(bytes: Uint8Array): Manifest {
  return parseManifest(bytes, maxManifestBytes)
}

const plainConfigs: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
  'application/vnd.oci.empty.v1+json'
])

/**
 * Returns what an artifact is: what its manifest says itself, else the type of a config that is not an image's, else the annotation that index writers used before OCI 1.1;
 * undefined for an image.
 */
export function artifactTypeOf({ artifactType, config, annotations }: Manifest): string | undefined {
  if (artifactType !== undefined) return artifactType
  if (config !== undefined) return plainConfigs.has(config.mediaType) ? undefined : config.mediaType
  const said = annotations['org.opencontainers.artifactType']
  return said !== undefined && isMediaType(said) ? said : undefined
}

/** A root of an image layout. */
export interface LayoutRoot extends OciDescriptor {
  /** its org.opencontainers.image.ref.name, as it stands there: any text */
  readonly refName?: string
}

/**
 * Returns what the index.json of an OCI image layout lists, in its order.
 * @throws E_TOO_LARGE over maxDocumentBytes · what parseStrict throws · E_DOCUMENT where it is no index
 */
export function ociLayoutRoots(indexJson: Uint8Array): readonly LayoutRoot[] {
  const index = parseManifest(indexJson, maxDocumentBytes)
  if (kindOfType[index.mediaType] !== 'index') throw malformed('no list of manifests', '/manifests')
  return index.manifests.map((root) => {
    const refName = root.annotations?.['org.opencontainers.image.ref.name']
    return refName === undefined ? root : { ...root, refName }
  })
}
