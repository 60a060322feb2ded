import { canonicalize, type Digest, digestOf, type JsonObject, RejoinError, utf8 } from '../core/index.ts'
import type { Bundle, BundleImage } from './cnab-bundle.ts'
import type { OciDescriptor } from './descriptor.ts'
import { type ArtifactManifest, type BlobName, ociManifestType } from './manifest.ts'
import type { Manifest } from './manifest-read.ts'

/** Media type of OCI indexes. */
export const ociIndexType: string = 'application/vnd.oci.image.index.v1+json'
/** What an index of a bundle says it is, in the annotation `org.opencontainers.artifactType`. */
export const bundleIndexType: string = 'application/vnd.cnab.manifest.v1'
/** Media type of a bundle.json. */
export const bundleConfigType: string = 'application/vnd.cnab.config.v1+json'

const typeKey = 'io.cnab.manifest.type'
const componentKey = 'io.cnab.component.name'

function made(document: JsonObject, mediaType: string): ArtifactManifest {
  const bytes = utf8(canonicalize(document))
  return { bytes, digest: digestOf(bytes), mediaType }
}

/**
 * Returns the manifest that carries a bundle.json as its config.
 *
 * `{"config":{"digest":"sha256:…","mediaType":"application/vnd.cnab.config.v1+json","size":578},"layers":[],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}`
 */
export function bundleConfigManifest(digest: Digest, size: number): ArtifactManifest {
  const config = { mediaType: bundleConfigType, digest, size }
  return made({ schemaVersion: 2, mediaType: ociManifestType, config, layers: [] }, ociManifestType)
}

/** Go's JSON of a maintainer: `email` and `url` only where they say something. */
function authorOf({ name, email, url }: JsonObject): JsonObject {
  return {
    name: typeof name === 'string' ? name : '',
    ...(typeof email === 'string' && email !== '' && { email }),
    ...(typeof url === 'string' && url !== '' && { url })
  }
}

/**
 * Returns the index of a bundle as cnab-to-oci lays it out: bundle.json's manifest, the invocation images, the component images by name. The same
 * bundle and images give the same bytes.
 * @param images the manifest or index of each of bundle.images, in their order
 * @see https://github.com/cnabio/cnab-spec/blob/main/201-representing-CNAB-in-OCI.md · protocols/cnab.md#CNAB-3
 */
export function bundleIndex(bundle: Bundle, config: BlobName, images: readonly BlobName[]): ArtifactManifest {
  const named = ({ mediaType, digest, size }: BlobName, annotations: Readonly<Record<string, string>>): JsonObject => ({
    mediaType,
    digest,
    size,
    annotations: { ...annotations }
  })
  return made(
    {
      schemaVersion: 2,
      mediaType: ociIndexType,
      artifactType: bundleIndexType,
      manifests: [
        named(config, { [typeKey]: 'config' }),
        ...bundle.images.map(({ kind, component }, i) =>
          named(images[i] as BlobName, { [typeKey]: kind, ...(component !== undefined && { [componentKey]: component }) })
        )
      ],
      annotations: {
        'io.cnab.runtime_version': bundle.schemaVersion,
        'org.opencontainers.artifactType': bundleIndexType,
        'org.opencontainers.image.title': bundle.name,
        'org.opencontainers.image.version': bundle.version,
        'org.opencontainers.image.description': bundle.description,
        ...(bundle.maintainers && { 'org.opencontainers.image.authors': JSON.stringify(bundle.maintainers.map(authorOf)) }),
        ...(bundle.keywords && { 'io.cnab.keywords': JSON.stringify(bundle.keywords) })
      }
    },
    ociIndexType
  )
}

/** Returns the manifest that carries the bundle.json of a bundle's index, undefined where an index or manifest is of no bundle. */
export function configOfBundle({ manifests }: Manifest): OciDescriptor | undefined {
  return manifests.find(({ annotations }) => annotations?.[typeKey] === 'config')
}

/** An image of a bundle, and what an index has for it. */
export interface PlacedImage extends BundleImage {
  readonly descriptor: OciDescriptor
}

/**
 * Returns the images of a bundle with what its index has for them, in the order of bundle.images.
 * @throws E_DOCUMENT where the index lacks one, has one that the bundle doesn't name, or one with another digest than the bundle says
 */
export function imagesOfBundle({ manifests }: Manifest, { images }: Bundle): readonly PlacedImage[] {
  const invocations = manifests.filter(({ annotations }) => annotations?.[typeKey] === 'invocation')
  const components = new Map<string, OciDescriptor>()
  for (const one of manifests) {
    const component = one.annotations?.[componentKey]
    if (one.annotations?.[typeKey] === 'component' && component !== undefined) components.set(component, one)
  }
  const count = invocations.length + components.size
  if (count !== images.length)
    throw new RejoinError('E_DOCUMENT', `the index has ${count} images, and bundle.json ${images.length}`)
  let invocation = 0
  const known = new Map<string, Digest>()
  return images.map((image) => {
    const descriptor = image.component === undefined ? invocations[invocation++] : components.get(image.component)
    const name = JSON.stringify(image.image.slice(0, 60))
    if (descriptor === undefined) throw new RejoinError('E_DOCUMENT', `the index has no image for ${name} of bundle.json`)
    if (image.digest !== undefined && image.digest !== descriptor.digest)
      throw new RejoinError('E_DOCUMENT', `${name} is ${image.digest} in bundle.json and another one in the index`)
    // a relocation map has one value for each reference
    if ((known.get(image.image) ?? descriptor.digest) !== descriptor.digest)
      throw new RejoinError('E_DOCUMENT', `the index has two images for ${name} of bundle.json`)
    known.set(image.image, descriptor.digest)
    return { ...image, descriptor }
  })
}

/**
 * Returns a relocation map: for each reference in a bundle.json the one that the image has in a registry's repository.
 *
 * `{"example/microservice:1.2.3":"127.0.0.1:8080/apps/hello@sha256:…"}`
 * @param repository `host:port/name`
 * @see https://github.com/cnabio/cnab-spec/blob/main/103-bundle-runtime.md#image-relocation
 */
export function relocationMap(images: readonly PlacedImage[], repository: string): Readonly<Record<string, string>> {
  return Object.fromEntries(images.map(({ image, descriptor }) => [image, `${repository}@${descriptor.digest}`]))
}
