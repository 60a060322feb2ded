import { type ClaimDocument, claimTypes, maxManifestBytes, readClaim, readManifest } from '../artifact/index.ts'
import { type Digest, isDigest, type LogId, RejoinError } from '../core/index.ts'
import type { EventRef } from '../store/index.ts'
import { eventAt, type FoundEvent } from './entry.ts'
import { authorOf } from './log-view.ts'
import type { Node } from './node.ts'

/** Where a claim or claim result was said, and by whom. */
export interface Said {
  readonly log: LogId
  readonly index: number
  /** name of the identity, or did:key */
  readonly author: string
  /** of its manifest */
  readonly digest: Digest
  /** true where other documents have the same ID, which must be of one claim or result alone */
  readonly disputed: boolean
}

type Claim = Extract<ClaimDocument, { readonly kind: 'claim' }> & Said
type Result = Extract<ClaimDocument, { readonly kind: 'claim-result' }> & Said

/** One of the records of a listing of installations. */
export type ClaimRecord =
  | {
      readonly kind: 'installation'
      readonly installation: string
      readonly bundle: string
      readonly action: string
      readonly revision: string
      /** of its last claim's last result, empty where there is none */
      readonly status: string
      readonly created: string
      readonly author: string
      readonly claims: number
    }
  | Claim
  /** without an installation where its claim is not here */
  | (Result & { readonly installation?: string })
  /** a claim or claim result whose document is not here, or none */
  | (Omit<Said, 'disputed'> & { readonly kind: 'unread'; readonly reason: string })

const maxClaimBytes = 16 * 1024 * 1024
/** events that may be of a claim: those of `rejoin publish`, of a push, and of what a forge has */
const eventTypes = ['claim.published', 'manifest.published', 'forge.seen'] as const

/**
 * Yields the installations that claims here are about, in the order of their names, each with its last state; results of claims that are not here, and what could not be
 * read, come last. @param log only what its writer said
 */
export async function* listInstallations(node: Node, log: LogId | undefined): AsyncGenerator<ClaimRecord> {
  const { claims, results, unread } = await readAll(node, log)
  const resultsOf = Map.groupBy(results, ({ claimId }) => claimId)
  const byName = Map.groupBy(claims, ({ installation }) => installation)
  for (const [installation, all] of [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const { bundle, action, revision, created, author, id } = all.at(-1) as Claim
    const status = resultsOf.get(id)?.at(-1)?.status ?? ''
    yield { kind: 'installation', installation, bundle, action, revision, status, created, author, claims: all.length }
  }
  const known = new Set(claims.map(({ id }) => id))
  for (const result of results) if (!known.has(result.claimId)) yield result
  yield* unread
}

/** Yields the claims of one installation, the oldest first, each with its results behind it. @throws E_NOT_FOUND where no claim here is about it */
export async function* listClaims(node: Node, log: LogId | undefined, installation: string): AsyncGenerator<ClaimRecord> {
  const { claims, results, unread } = await readAll(node, log)
  const own = claims.filter((claim) => claim.installation === installation)
  if (own.length === 0)
    throw new RejoinError('E_NOT_FOUND', `no claim here is about the installation ${JSON.stringify(installation.slice(0, 60))}`, {
      hint: 'rejoin log --installations lists those that there are'
    })
  const told = new Set<string>()
  for (const [i, claim] of own.entries()) {
    yield claim
    // two claims with one ID: their results follow the last of them
    if (own[i + 1]?.id === claim.id || told.has(claim.id)) continue
    told.add(claim.id)
    for (const result of results) if (result.claimId === claim.id) yield { ...result, installation }
  }
  yield* unread
}

interface All {
  /** by their IDs, which are ULIDs and so in the order of time */
  readonly claims: readonly Claim[]
  readonly results: readonly Result[]
  readonly unread: readonly ClaimRecord[]
}

async function readAll(node: Node, log: LogId | undefined): Promise<All> {
  const found = new Map<Digest, FoundEvent>()
  for (const type of eventTypes)
    for (const ref of await node.store.index.byType(type)) {
      const event = log === undefined || ref.log === log ? claimEvent(node, ref, type) : undefined
      const { digest } = event?.event.data ?? {}
      if (event === undefined || typeof digest !== 'string' || !isDigest(digest)) continue
      // the same document said twice is one claim, by who said it first
      const before = found.get(digest)
      if (before === undefined || event.event.hlc < before.event.hlc) found.set(digest, event)
    }
  const claims: (ClaimDocument & Omit<Said, 'disputed'>)[] = []
  const unread: ClaimRecord[] = []
  for (const [digest, { log: from, index }] of found) {
    const said = { log: from, index, author: authorOf(node, from, index), digest }
    const read = await documentOf(node, digest)
    if (typeof read === 'string') unread.push({ kind: 'unread', ...said, reason: read })
    else claims.push({ ...read, ...said })
  }
  const counts = Map.groupBy(claims, ({ kind, id }) => `${kind} ${id}`)
  const all = claims
    .map((one) => ({ ...one, disputed: (counts.get(`${one.kind} ${one.id}`)?.length ?? 0) > 1 }))
    .toSorted((a, b) => (a.id === b.id ? (a.digest < b.digest ? -1 : 1) : a.id < b.id ? -1 : 1))
  return {
    claims: all.filter((one) => one.kind === 'claim') as readonly Claim[],
    results: all.filter((one) => one.kind === 'claim-result') as readonly Result[],
    unread
  }
}

/** Returns the event at a place where it is used here and of a claim. */
function claimEvent(node: Node, ref: EventRef, type: (typeof eventTypes)[number]): FoundEvent | undefined {
  try {
    const found = eventAt(node, ref)
    return type === 'claim.published' || claimTypes.has(String(found.event.data['artifactType'])) ? found : undefined
  } catch (error) {
    // its verdict changed since the index was asked
    if (error instanceof RejoinError) return undefined
    throw error
  }
}

/** Returns the claim or result of an artifact, or why there is none. */
async function documentOf(node: Node, digest: Digest): Promise<ClaimDocument | string> {
  if (!node.blobs.has(digest)) return 'not here'
  try {
    const [layer] = readManifest(await node.blobs.readBytes(digest, maxManifestBytes)).layers
    if (layer === undefined) return 'no document'
    if (!node.blobs.has(layer.digest)) return 'not here'
    return readClaim(await node.blobs.readBytes(layer.digest, maxClaimBytes)) ?? 'no claim and no result'
  } catch (error) {
    if (error instanceof RejoinError) return error.message
    throw error
  }
}
