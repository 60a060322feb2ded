import { canonicalize, type Digest, digestOf, type Json, RejoinError, utf8 } from '../core/index.ts'
import { isMediaType } from './media-type.ts'

/** Media type of the manifests that artifactManifest makes. */
export const ociManifestType: string = 'application/vnd.oci.image.manifest.v1+json'

const emptyBytes = utf8('{}')

/**
 * The config of every artifact, `{}`: its bytes, which must be stored beside the manifest, and what names them.
 * @see https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidance-for-an-empty-descriptor
 */
export const emptyConfig: {
  readonly bytes: Uint8Array
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
} = {
  bytes: emptyBytes,
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: digestOf(emptyBytes),
  size: emptyBytes.length
}

/** A blob that a new manifest names. */
export interface BlobName {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

/** What goes into the manifest of an artifact. */
export interface ArtifactInput {
  readonly artifactType: string
  /** the document itself */
  readonly layer: BlobName & { readonly annotations?: Readonly<Record<string, string>> }
  /** the manifest that this one is about */
  readonly subject?: BlobName
  readonly annotations?: Readonly<Record<string, string>>
}

/** A manifest's bytes and what names them. */
export interface ArtifactManifest {
  readonly bytes: Uint8Array
  readonly digest: Digest
  readonly mediaType: string
}

function named({ mediaType, digest, size }: BlobName): {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
} {
  if (!isMediaType(mediaType)) throw new RejoinError('E_DOCUMENT', `not a media type: ${JSON.stringify(mediaType.slice(0, 60))}`)
  return { mediaType, digest, size }
}

/**
 * Returns the OCI image manifest of an artifact with one layer, as canonical JSON: equal inputs give equal bytes, for no time or
 * name is added that was not given.
 *
 * `{"artifactType":"application/vnd.cyclonedx+json","config":{…},"layers":[{…}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}`
 * @throws E_DOCUMENT for a malformed media type · E_NOT_CANONICAL for an annotation that is not well-formed Unicode
 * @see OCI image-spec 1.1 · protocols/artifact.md
 */
export function artifactManifest({ artifactType, layer, subject, annotations }: ArtifactInput): ArtifactManifest {
  if (!isMediaType(artifactType))
    throw new RejoinError('E_DOCUMENT', `not a media type: ${JSON.stringify(artifactType.slice(0, 60))}`)
  const manifest: Json = {
    schemaVersion: 2,
    mediaType: ociManifestType,
    artifactType,
    config: named(emptyConfig),
    layers: [{ ...named(layer), ...(layer.annotations && { annotations: { ...layer.annotations } }) }],
    ...(subject && { subject: named(subject) }),
    ...(annotations && { annotations: { ...annotations } })
  }
  const bytes = utf8(canonicalize(manifest))
  return { bytes, digest: digestOf(bytes), mediaType: ociManifestType }
}
