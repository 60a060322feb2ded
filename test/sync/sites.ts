import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Compiled, didOf, type LogId } from '../../src/core/index.ts'
import { openOwnLog } from '../../src/node/open-log.ts'
import { LocalReplica, type Replica } from '../../src/replica/index.ts'
import { createKeys, Store, type Writer } from '../../src/store/index.ts'
import { driveSession, newShare, pipe, type SyncResult, type SyncShare } from '../../src/sync/index.ts'
import { addIdentity, createTrust, Gate, loadTrust } from '../../src/trust/index.ts'

/** A node without its network: a data folder, its replica, and its own log. */
export interface Site {
  readonly root: string
  readonly did: string
  readonly key: Uint8Array
  readonly log: LogId
  readonly store: Store
  readonly writer: Writer
  readonly replica: Replica
  readonly share: SyncShare
}

const sites: Site[] = []

/** Makes a site that trusts others; `members` take the place of what its replica does itself. */
export async function makeSite(
  name: string,
  trusted: readonly Site[] = [],
  rules: (trust: Compiled) => Compiled = (trust) => trust,
  members: Partial<Replica> = {}
): Promise<Site> {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-site-'))
  Store.create(root, 'test')
  const keys = createKeys(root)
  createTrust(root, name)
  trusted.forEach((site, i) => addIdentity(root, `peer${i}`, site.did))
  const store = await Store.open(root)
  const log = await openOwnLog(store, keys, name)
  const did = didOf(keys.signer.publicKey)
  const local = new LocalReplica(store, new Gate(did, rules(loadTrust(root))), keys.signer.publicKey)
  const replica = Object.assign(Object.create(local) as Replica, members)
  const writer = store.openWriter(log, keys.signer)
  const site = { root, did, key: keys.signer.publicKey, log, store, writer, replica, share: newShare() }
  sites.push(site)
  return site
}

/** Closes and deletes all sites that were made. */
export async function removeSites(): Promise<void> {
  for (const { store, root } of sites.splice(0)) {
    await store[Symbol.asyncDispose]()
    rmSync(root, { recursive: true, force: true })
  }
}

/** Lets two sites sync once, and returns what it came to at each. */
export async function meet(a: Site, b: Site): Promise<readonly [SyncResult, SyncResult]> {
  const [x, y] = pipe()
  const { signal } = new AbortController()
  return await Promise.all([
    driveSession(a.replica, x, { signal, share: a.share, peer: b.key }),
    driveSession(b.replica, y, { signal, share: b.share, peer: a.key })
  ])
}
