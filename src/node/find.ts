import { isElsewhere, readManifest } from '../artifact/index.ts'
import { type Digest, isDigest, isLogId, type LogId, parseDigest, parseEvent, RejoinError } from '../core/index.ts'
import type { EventRef } from '../store/index.ts'
import { eventAt, type FoundEvent } from './entry.ts'
import { authorOf } from './log-view.ts'
import type { Node } from './node.ts'
import { readTag, readTagOfWriters } from './tags.ts'

const maxManifestBytes = 16 * 1024 * 1024

/**
 * Returns a log by its ID, a prefix of it, or the name that this node has for its author: never one that a log gives itself.
 * @throws E_NOT_FOUND E_USAGE where the prefix is not unique
 */
export function findLog(node: Node, name: string): LogId {
  if (isLogId(name)) return node.store.needFolder(name).log
  const logs = node.store.listHeads().map(({ log }) => log)
  const byName = logs.filter((log) => authorOf(node, log) === name || (name === 'me' && log === node.log))
  const found = byName.length > 0 ? byName : logs.filter((log) => name.length >= 4 && log.startsWith(name))
  if (found.length > 1)
    throw new RejoinError('E_USAGE', `${JSON.stringify(name)} names ${found.length} logs`, { hint: found.slice(0, 4).join(' ') })
  const [log] = found
  if (log === undefined)
    throw new RejoinError('E_NOT_FOUND', `no log ${JSON.stringify(name)} is here`, { hint: 'rejoin status lists the logs' })
  return log
}

/** Returns the place that `LOG/INDEX` names, or undefined where a word is of another form. @throws E_NOT_FOUND E_USAGE */
export function placeNamed(node: Node, word: string): EventRef | undefined {
  const place = /^(.+)[/#]([0-9]{1,15})$/.exec(word)
  if (place === null || word.includes(':')) return undefined
  const log = findLog(node, place[1] as string)
  const index = Number(place[2])
  const { size } = node.store.needFolder(log)
  if (index >= size) throw new RejoinError('E_NOT_FOUND', `log ${log} has no entry ${index}; it has ${size}`)
  return { log, index }
}

/**
 * Returns the places that a word names, whatever their verdict: `LOG/INDEX`, a digest that held events are about, or what findEvent takes.
 * @throws E_NOT_FOUND
 */
export async function findPlaces(node: Node, word: string): Promise<readonly EventRef[]> {
  const place = placeNamed(node, word)
  if (place !== undefined) return [place]
  if (isDigest(word)) {
    const held: EventRef[] = []
    for (const { log, entries } of node.store.places.held.list())
      for (const { index, line } of entries) if (parseEvent(line).subject === word) held.push({ log, index })
    if (held.length > 0) return held
  }
  const { log, index } = await findEvent(node, word)
  return [{ log, index }]
}

/**
 * Returns the event that a word names: `LOG/INDEX`, a digest (the newest event about it), or a reference `REPOSITORY:TAG`.
 * @throws E_NOT_FOUND
 */
export async function findEvent(node: Node, word: string): Promise<FoundEvent> {
  const place = placeNamed(node, word)
  if (place !== undefined) return eventAt(node, place)
  const digest = await findDigest(node, word)
  const refs = await node.store.index.bySubject(digest)
  const events = refs.map((ref) => eventAt(node, ref)).toSorted((a, b) => (a.event.hlc < b.event.hlc ? 1 : -1))
  const [newest] = events
  if (newest === undefined) throw new RejoinError('E_NOT_FOUND', `no event here is about ${digest}`)
  return newest
}

/**
 * Returns the digest that a word names: a digest, an unambiguous start of one, or `REPOSITORY[:TAG]` (the tag `latest` where it is left out).
 * @throws E_NOT_FOUND
 */
export async function findDigest(node: Node, word: string): Promise<Digest> {
  if (isDigest(word)) return word
  const at = word.indexOf('@')
  if (at > 0 && isDigest(word.slice(at + 1))) return parseDigest(word.slice(at + 1))
  if (/^(?:sha256:)?[0-9a-f]{6,63}$/.test(word)) return await byPrefix(node, word.replace('sha256:', ''))
  const colon = word.lastIndexOf(':')
  const [repository, tag] = colon > 0 ? [word.slice(0, colon), word.slice(colon + 1)] : [word, 'latest']
  const named = (await readTag(node, repository, tag)) ?? (await readTagOfWriters(node, repository, tag))
  const digest = named?.digest
  if (digest === undefined)
    throw new RejoinError('E_NOT_FOUND', `nothing here has the name ${JSON.stringify(word)}`, {
      hint: 'give a digest sha256:…, or REPOSITORY:TAG; rejoin log lists what is here'
    })
  return digest
}

async function byPrefix(node: Node, start: string): Promise<Digest> {
  const found = new Set<Digest>()
  for await (const { digest } of node.blobs.list()) if (digest.startsWith(`sha256:${start}`)) found.add(digest)
  const [digest] = found
  if (digest === undefined) throw new RejoinError('E_NOT_FOUND', `no blob here begins with ${start}`)
  if (found.size > 1)
    throw new RejoinError('E_USAGE', `${start} is the beginning of ${found.size} digests`, { hint: 'give more digits' })
  return digest
}

/** Returns the digests of the blobs that an artifact needs, its manifests first. @throws E_BAD_OBJECT E_DOCUMENT */
export async function closureOf(
  node: Node,
  root: Digest
): Promise<{
  readonly here: readonly Digest[]
  readonly missing: readonly { readonly digest: Digest; readonly size: number }[]
}> {
  const here: Digest[] = []
  const missing: { readonly digest: Digest; readonly size: number }[] = []
  const seen = new Set<Digest>()
  const queue: { readonly digest: Digest; readonly size: number; readonly isManifest: boolean }[] = [
    { digest: root, size: 0, isManifest: true }
  ]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { digest, isManifest, size } = next
    if (seen.has(digest)) continue
    seen.add(digest)
    if (!node.blobs.has(digest)) {
      missing.push({ digest, size })
      continue
    }
    here.push(digest)
    if (!isManifest) continue
    const manifest = readManifest(await node.blobs.readBytes(digest, maxManifestBytes))
    for (const child of manifest.manifests) queue.push({ ...child, isManifest: true })
    for (const child of [manifest.config, ...manifest.layers])
      if (child !== undefined && !(isElsewhere(child) && !node.blobs.has(child.digest)))
        queue.push({ ...child, isManifest: false })
  }
  return { here, missing }
}
