import type { PublicKey } from '../key.ts'
import type { KeyStanding } from './fact-table.ts'
import type { Place } from './facts.ts'
import type { TrustFile, TrustIdentity, TrustKey } from './file.ts'

/** Who wrote an event, as a trust file says, and whether that key may be believed there. */
export interface TrustSigner {
  /** of the identity; empty where the file knows none */
  readonly name: string
  readonly roles: readonly string[]
  readonly did: string
  readonly standing: KeyStanding
  /** name of the issuer whose token says so */
  readonly issuer?: string
  readonly claims?: readonly string[]
}

type Keys = Pick<TrustFile, 'keys' | 'identities'>
interface Owned {
  readonly key: TrustKey
  readonly identity: TrustIdentity
}

/** a forge signs nothing: what is seen there is said by the node that saw it */
const noKey = new Uint8Array(32) as PublicKey

/** Returns the author that events about what a forge has are judged as. @param origin https://host[:port] */
export function forgeAuthor(origin: string): string {
  return `forge:${origin}`
}

const ownedBy = new WeakMap<Keys, ReadonlyMap<string, Owned>>()

/** By did:key; made once for a file, as it is asked for each event. */
function ownersOf(file: Keys): ReadonlyMap<string, Owned> {
  const { keys, identities } = file
  const known = ownedBy.get(file)
  if (known !== undefined) return known
  const owners = new Map<string, Owned>()
  for (const identity of identities.values())
    for (const name of identity.keys) {
      const key = keys.get(name)
      if (key !== undefined) owners.set(key.did, { key, identity })
    }
  for (const identity of identities.values()) {
    const author = identity.forge && forgeAuthor(identity.forge)
    if (author !== undefined) owners.set(author, { key: { name: '', did: author, publicKey: noKey }, identity })
  }
  ownedBy.set(file, owners)
  return owners
}

function standingOf({ revokedFrom, fromMs, untilMs }: TrustKey, place: Place, atMs: number): KeyStanding {
  if (revokedFrom !== undefined && !revokedFrom.some(({ log, size }) => log === place.log && place.index < size)) return 'revoked'
  if (fromMs !== undefined && atMs < fromMs) return 'not-yet'
  return untilMs !== undefined && atMs >= untilMs ? 'expired' : 'good'
}

/** The writer of an entry whose key is nobody's by the file itself. A key that the file names all the same has the validity that it has there. */
function boundSigner(file: Keys, place: Place, atMs: number): TrustSigner {
  const { author, bound } = place
  const identity = bound && file.identities.get(bound.name)
  if (identity === undefined) return { name: '', roles: [], did: author, standing: 'unknown' }
  const key = keysByDid(file).get(author)
  const standing = key === undefined ? 'good' : standingOf(key, place, atMs)
  const { name, roles } = identity
  const { issuer, claims, isOver } = bound as NonNullable<Place['bound']>
  return { name, roles, did: author, standing: standing === 'good' && isOver ? 'expired' : standing, issuer, claims }
}

const byDid = new WeakMap<Keys, ReadonlyMap<string, TrustKey>>()

function keysByDid(file: Keys): ReadonlyMap<string, TrustKey> {
  let found = byDid.get(file)
  if (found === undefined) byDid.set(file, (found = new Map([...file.keys.values()].map((key) => [key.did, key]))))
  return found
}

/**
 * Returns who wrote the entry at a place. A revoked key is believed by the place alone, whatever date the entry claims.
 * @param atMs Unix milliseconds at which the key must be valid
 * @see protocols/trust.md#TRUST-16
 */
export function signerOf(file: Keys, place: Place, atMs: number): TrustSigner {
  const owned = ownersOf(file).get(place.author)
  if (owned === undefined) return boundSigner(file, place, atMs)
  const { name, roles } = owned.identity
  return { name, roles, did: place.author, standing: standingOf(owned.key, place, atMs) }
}
