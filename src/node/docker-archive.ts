import { arch, platform as systemName } from 'node:os'
import { maxManifestBytes, type Manifest, type OciDescriptor, readManifest } from '../artifact/index.ts'
import { canonicalize, type Digest, isObject, parseStrict, platformName, RejoinError } from '../core/index.ts'
import type { Node } from './node.ts'
import { blobFile, type OutputFile, textFile } from './output-file.ts'

const maxConfigBytes = 4 * 1024 * 1024
const maxConfigDepth = 64
const endings: readonly (readonly [RegExp, string])[] = [
  [/[.+]gzip$/, '.tar.gz'],
  [/[.+]zstd$/, '.tar.zst']
]

/** What a docker archive is made for. */
export interface DockerArchiveOptions {
  /** `linux/arm64`; this machine's where it is left out */
  readonly platform: string | undefined
  /** `REPO:TAG` that it has in there, where it has one */
  readonly name: string | undefined
  readonly bring: (digest: Digest) => Promise<void>
  /** brings all blobs of an image. @throws E_INCOMPLETE */
  readonly bringAll: (digest: Digest) => Promise<void>
}

/**
 * Returns the files of an archive as `docker load` and `skopeo docker-archive:` read it: `manifest.json`, the image's config and its layers, compressed as
 * they are.
 *
 * `[{"Config":"<hex>.json","Layers":["<hex>.tar.gz"],"RepoTags":["apps/web:1.0"]}]`
 * @throws E_DOCUMENT where it is no container image, or none for the platform
 * @see https://github.com/moby/moby/blob/master/image/spec/v1.2.md#combined-image-json--filesystem-changeset-format
 */
export async function dockerArchive(node: Node, root: Digest, options: DockerArchiveOptions): Promise<readonly OutputFile[]> {
  const image = await imageFor(node, root, options)
  await options.bringAll(image)
  const { config, layers } = await read(node, image)
  const diffIds = config && (await diffIdsOf(node, config))
  if (config === undefined || diffIds === undefined)
    throw new RejoinError('E_DOCUMENT', `${root} is no container image`, {
      hint: 'rejoin get … --format oci-layout writes any artifact'
    })
  if (diffIds.length !== layers.length)
    throw new RejoinError('E_DOCUMENT', `the config of ${root} lists ${diffIds.length} layers, and its manifest ${layers.length}`)
  const hexOf = (digest: Digest): string => digest.slice(digest.indexOf(':') + 1)
  const layerPath = ({ digest, mediaType }: OciDescriptor): string =>
    `${hexOf(digest)}${endings.find(([shape]) => shape.test(mediaType))?.[1] ?? '.tar'}`
  const configPath = `${hexOf(config.digest)}.json`
  const unique = new Map(layers.map((layer) => [layerPath(layer), layer]))
  const list = [{ Config: configPath, RepoTags: options.name === undefined ? [] : [options.name], Layers: layers.map(layerPath) }]
  return [
    textFile('manifest.json', canonicalize(list)),
    blobFile(node, config.digest, configPath),
    ...[...unique].map(([path, { digest }]) => blobFile(node, digest, path))
  ]
}

/** the ones of Go, which images are named by */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }

async function read(node: Node, digest: Digest): Promise<Manifest> {
  return readManifest(await node.blobs.readBytes(digest, maxManifestBytes))
}

/** Follows indexes to the manifest for a platform. What is for no platform, an attestation say, is no image. */
async function imageFor(node: Node, root: Digest, options: DockerArchiveOptions): Promise<Digest> {
  await options.bring(root)
  const manifest = await read(node, root)
  const wanted = options.platform
  if (manifest.config !== undefined) return root
  if (manifest.manifests.some(({ annotations }) => annotations?.['io.cnab.manifest.type'] !== undefined))
    throw new RejoinError('E_DOCUMENT', `${root} is a CNAB bundle, and a docker archive has one image`, {
      hint: 'give the digest of one of its images: rejoin get … --manifest lists them'
    })
  const images = manifest.manifests.flatMap((one) => {
    const name = platformName(one.platform)
    return name === 'unknown/unknown' ? [] : [{ digest: one.digest, name }]
  })
  const os = systemName() === 'win32' ? 'windows' : 'linux'
  const platform = wanted ?? `${os}/${architectures[arch()] ?? arch()}`
  const fits =
    images.find(({ name }) => name === platform) ?? images.find(({ name }) => name?.startsWith(`${platform}/`) === true)
  const chosen = fits ?? (images.length === 1 && wanted === undefined ? images[0] : undefined)
  if (chosen === undefined)
    throw new RejoinError('E_DOCUMENT', `the image has nothing for the platform ${platform}`, {
      hint: `--platform ${images.map(({ name }) => name ?? '?').join(', ')}`
    })
  return await imageFor(node, chosen.digest, options)
}

async function diffIdsOf(node: Node, { digest, size }: OciDescriptor): Promise<readonly unknown[] | undefined> {
  if (size > maxConfigBytes) return undefined
  try {
    const config = parseStrict(await node.blobs.readBytes(digest, maxConfigBytes), {
      maxBytes: maxConfigBytes,
      maxDepth: maxConfigDepth
    })
    const rootfs = isObject(config) ? config['rootfs'] : undefined
    const diffIds = isObject(rootfs) ? rootfs['diff_ids'] : undefined
    return Array.isArray(diffIds) ? diffIds : undefined
  } catch (error) {
    if (error instanceof RejoinError && error.code !== 'E_BAD_OBJECT') return undefined
    throw error
  }
}
