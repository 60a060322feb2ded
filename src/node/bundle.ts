import {
  type Bundle,
  configOfBundle,
  imagesOfBundle,
  type Manifest,
  maxManifestBytes,
  type PlacedImage,
  readBundle,
  readManifest,
  relocationMap
} from '../artifact/index.ts'
import { type Digest, isRepository, RejoinError } from '../core/index.ts'
import type { Node } from './node.ts'
import { byPrecedence, eventsNamed } from './repository.ts'

const maxBundleBytes = 64 * 1024 * 1024
/** HOST, HOST:PORT or [IPV6]:PORT, and a path where a registry has its repositories below one */
const registryShape = /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?(?:\/[a-z0-9._/-]{0,200}[a-z0-9])?$/

/** A bundle as its index has it. */
export interface OpenedBundle {
  readonly bundle: Bundle
  /** its bundle.json */
  readonly bytes: Uint8Array
  readonly config: { readonly digest: Digest; readonly size: number }
  readonly images: readonly PlacedImage[]
}

/**
 * Returns the bundle of an index that is here.
 * @param bring brings blobs that are missing here, as far as somebody has them
 * @throws E_DOCUMENT where it is none of a bundle, or its parts contradict each other · E_INCOMPLETE where its bundle.json is not here
 */
export async function openBundle(node: Node, digest: Digest, bring: (digest: Digest) => Promise<void>): Promise<OpenedBundle> {
  const read = async (wanted: Digest, maxBytes: number): Promise<Uint8Array> => {
    if (!node.blobs.has(wanted)) await bring(wanted)
    if (!node.blobs.has(wanted))
      throw new RejoinError('E_INCOMPLETE', `${wanted} of the bundle ${digest} is not here`, {
        hint: 'connect to a peer that has it: rejoin sync PEER'
      })
    return await node.blobs.readBytes(wanted, maxBytes)
  }
  const bundle = await bundleOf(readManifest(await read(digest, maxManifestBytes)), read)
  if (bundle === undefined)
    throw new RejoinError('E_DOCUMENT', `${digest} is no index of a CNAB bundle`, {
      hint: 'rejoin publish BUNDLE.tgz makes one of a thick bundle'
    })
  return bundle
}

/**
 * Returns the bundle of an index, undefined where it is of none.
 * @throws E_DOCUMENT where its parts contradict each other, and what reading throws
 */
export async function bundleOf(
  index: Manifest,
  read: (digest: Digest, maxBytes: number) => Promise<Uint8Array>
): Promise<OpenedBundle | undefined> {
  const named = configOfBundle(index)
  const config = named && readManifest(await read(named.digest, maxManifestBytes)).config
  if (config === undefined) return undefined
  const bytes = await read(config.digest, maxBundleBytes)
  const bundle = readBundle(bytes)
  return { bundle, bytes, config, images: imagesOfBundle(index, bundle) }
}

/** Returns where this node's registry is reached, undefined where it has none or listens on all addresses. */
function ownRegistry({ http, config }: Node): string | undefined {
  const host = (http ?? config.http).replace(/^https?:\/\//, '')
  return /^(?:|0\.0\.0\.0:.*|\[::\]:.*|.*:0|:?\d+)$/.test(host) ? undefined : host
}

/** Returns a relocation map of images that were just published, undefined where it is not known what they are called at this node's registry. */
export function relocationOf(
  node: Node,
  repository: string | undefined,
  images: readonly { readonly image: string; readonly digest: Digest }[]
): Readonly<Record<string, string>> | undefined {
  const host = ownRegistry(node)
  if (host === undefined || repository === undefined) return undefined
  return Object.fromEntries(images.map(({ image, digest }) => [image, `${host}/${repository}@${digest}`]))
}

/**
 * Returns the relocation map of a bundle: each reference of its bundle.json, and what that image is called at a registry.
 * @param options.registry where runtimes reach it; this node's own where it is left out
 * @param options.word what the bundle was asked for by, which may say in which of its repositories
 * @throws E_USAGE where there is no registry or it is malformed · E_NOT_FOUND where the bundle is in no repository
 */
export async function relocationOfBundle(
  node: Node,
  digest: Digest,
  { images }: OpenedBundle,
  { registry, word }: { readonly registry: string | undefined; readonly word: string }
): Promise<Readonly<Record<string, string>>> {
  if (registry !== undefined && !registryShape.test(registry))
    throw new RejoinError('E_USAGE', `not a registry: ${JSON.stringify(registry.slice(0, 80))}`, { hint: 'HOST or HOST:PORT' })
  const host = registry ?? ownRegistry(node)
  if (host === undefined)
    throw new RejoinError('E_USAGE', 'it is not known where this node has its registry', {
      hint: 'add --registry HOST:PORT, as the runtime reaches it; up --http, or http: in config.yaml, says it too'
    })
  const all = eventsNamed(node, undefined, await node.store.index.bySubject(digest)).toSorted(byPrecedence)
  const named = all.find(({ name }) => word === name || word.startsWith(`${name}:`) || word.startsWith(`${name}@`)) ?? all[0]
  if (named === undefined || !isRepository(named.name))
    throw new RejoinError('E_NOT_FOUND', `the bundle ${digest} is in no repository, so its images have no names`, {
      hint: 'publish it again with --repo NAME'
    })
  return relocationMap(images, `${host}/${named.name}`)
}
