import { relocationMap } from '../artifact/index.ts'
import { type Digest, isRepository, RejoinError } from '../core/index.ts'
import type { OpenedBundle } from './bundle.ts'
import type { Node } from './node.ts'
import { byPrecedence, eventsNamed } from './repository.ts'

/** HOST, HOST:PORT or [IPV6]:PORT, and a path where a registry has its repositories below one */
const registryShape = /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?(?:\/[a-z0-9._/-]{0,200}[a-z0-9])?$/

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
  { images, isThin }: OpenedBundle,
  { registry, word }: { readonly registry: string | undefined; readonly word: string }
): Promise<Readonly<Record<string, string>>> {
  if (registry !== undefined && !registryShape.test(registry))
    throw new RejoinError('E_USAGE', `not a registry: ${JSON.stringify(registry.slice(0, 80))}`, { hint: 'HOST or HOST:PORT' })
  const host = registry ?? ownRegistry(node)
  if (host === undefined)
    throw new RejoinError('E_USAGE', 'it is not known where this node has its registry', {
      hint: 'add --registry HOST:PORT, as the runtime reaches it; up --http, or http: in config.yaml, says it too'
    })
  const maps: Readonly<Record<string, string>>[] = []
  for (const placed of images) {
    const name = await repositoryOf(node, isThin ? placed.descriptor.digest : digest, word)
    if (name === undefined)
      throw isThin
        ? new RejoinError('E_NOT_FOUND', `the image ${JSON.stringify(placed.image.slice(0, 60))} is in no repository here`, {
            hint: 'push it to this node, or publish the thick bundle'
          })
        : new RejoinError('E_NOT_FOUND', `the bundle ${digest} is in no repository`, {
            hint: 'publish it again with --repo NAME'
          })
    maps.push(relocationMap([placed], `${host}/${name}`))
  }
  return Object.fromEntries(maps.flatMap((map) => Object.entries(map)).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** Returns what this node calls the repository of an artifact: the one that a word names, where it is in that; undefined where it is in none. */
async function repositoryOf(node: Node, digest: Digest, word: string): Promise<string | undefined> {
  const all = eventsNamed(node, undefined, await node.store.index.bySubject(digest))
    .filter(({ name }) => isRepository(name))
    .toSorted(byPrecedence)
  return (all.find(({ name }) => word === name || word.startsWith(`${name}:`) || word.startsWith(`${name}@`)) ?? all[0])?.name
}
