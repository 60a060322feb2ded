import { type Frontier, maxFrontierBytes, parseKey, type PublicKey, RejoinError, verifyFrontier } from '../core/index.ts'
import { Folder } from '../replica/index.ts'
import { readFileRangeSync } from '../store/index.ts'
import type { Node } from './node.ts'
import { Sites } from './sites.ts'

/** Who is to get an export, as the command names it. */
export interface ReceiverWords {
  readonly to?: readonly string[]
  readonly since?: string
  readonly assume?: string
}

/**
 * Returns the frontiers of those who are to get an export, the newest that is known here or lies on the medium; none where nobody is named, or where one of them is
 * unknown: then everything goes.
 * @throws E_USAGE for a word that names nobody · E_NOT_FOUND for a missing file, and what verifyFrontier throws
 */
export async function receiversOf(
  node: Node,
  dir: string,
  { to = [], since, assume }: ReceiverWords,
  signal: AbortSignal
): Promise<readonly Frontier[]> {
  const receivers: Frontier[] = []
  if (since !== undefined) {
    const bytes = readFileRangeSync(since, 0, maxFrontierBytes + 1)
    if (bytes === undefined) throw new RejoinError('E_NOT_FOUND', `there is no file ${since}`)
    receivers.push(verifyFrontier(bytes))
  }
  const words = assume === undefined ? to : [...to, assume]
  if (words.length === 0) return receivers
  const sites = new Sites(node)
  await takeFrontiers(sites, dir, signal)
  for (const word of words) {
    const frontier = sites.frontierOf(keyNamed(node, word))
    if (frontier === undefined) {
      node.say(`nothing is known of what ${word} holds: everything goes`)
      return []
    }
    receivers.push(frontier)
  }
  return receivers
}

async function takeFrontiers(sites: Sites, dir: string, signal: AbortSignal): Promise<void> {
  try {
    await using folder = Folder.open(dir)
    await sites.takeFrom(folder, signal, () => {})
  } catch (error) {
    // there is none yet
    if (!(error instanceof RejoinError) || (error.code !== 'E_NO_DATA' && error.code !== 'E_NOT_FOUND')) throw error
  }
}

/** Returns the key that a word names: a key in any spelling, or the name of an identity in the trust file. @throws E_USAGE */
export function keyNamed(node: Node, word: string): PublicKey {
  const dids = node.gate.keysOf(word)
  if (dids.length > 1)
    throw new RejoinError('E_USAGE', `${JSON.stringify(word)} has ${dids.length} keys`, { hint: `name one: ${dids.join(' ')}` })
  try {
    return parseKey(dids[0] ?? word)
  } catch (cause) {
    throw new RejoinError('E_USAGE', `no node ${JSON.stringify(word)} is known`, {
      cause,
      hint: 'give its did:key, verifier key or peer ID, or the name that trust.yaml has for it'
    })
  }
}
