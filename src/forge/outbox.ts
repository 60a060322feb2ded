import { mkdirSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Digest,
  isDigest,
  isObject,
  type LogId,
  matchGlob,
  parseEvent,
  parseStrict,
  RejoinError,
  utf8
} from '../core/index.ts'
import { type Node, removalTypes } from '../node/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'

/** A request that waits to be sent to a forge: a file of outbox/, named after the entry of the own log that asks for it. */
export interface OutboxRequest {
  /** the file's name without `.json` */
  readonly id: string
  readonly forge: string
  readonly repository: string
  readonly tag: string | undefined
  /** what the tag is to stand for, or what is to be there; undefined where the tag is to go */
  readonly digest: Digest | undefined
  /** the event that asks for it: LOG/INDEX */
  readonly event: string
  readonly since: string
  readonly attempts: number
  readonly lastError: string | undefined
  /** a person said that the forge's tag may be overwritten */
  readonly overwrite: boolean
}

const maxRequestBytes = 64 * 1024

function folderOf(root: string): string {
  return join(root, 'outbox')
}

/** Returns the requests that wait, in the order in which they were asked for; files that are none of ours are passed over. */
export function readOutbox(root: string): readonly OutboxRequest[] {
  let names: readonly string[]
  try {
    names = readdirSync(folderOf(root))
  } catch {
    return []
  }
  return names
    .filter((name) => /^\d{12}-[a-z0-9._-]+\.json$/.test(name))
    .toSorted()
    .flatMap((name) => {
      const bytes = readFileRangeSync(join(folderOf(root), name), 0, maxRequestBytes + 1)
      const request = bytes && parseRequest(name.slice(0, -5), bytes)
      return request === undefined ? [] : [request]
    })
}

function parseRequest(id: string, bytes: Uint8Array): OutboxRequest | undefined {
  try {
    const value = parseStrict(bytes, { maxBytes: maxRequestBytes, maxDepth: 4 })
    if (!isObject(value)) return undefined
    const { forge, repository, tag, digest, event, since, attempts, lastError, overwrite } = value
    if (typeof forge !== 'string' || typeof repository !== 'string' || typeof event !== 'string') return undefined
    return {
      id,
      forge,
      repository,
      event,
      tag: typeof tag === 'string' ? tag : undefined,
      digest: typeof digest === 'string' && isDigest(digest) ? digest : undefined,
      since: typeof since === 'string' ? since : '',
      attempts: typeof attempts === 'number' ? attempts : 0,
      lastError: typeof lastError === 'string' ? lastError : undefined,
      overwrite: overwrite === true
    }
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}

/** Writes a request, new or changed, durably. */
export function writeRequest(root: string, { id, ...request }: OutboxRequest): void {
  mkdirSync(folderOf(root), { recursive: true })
  replaceFileSync(
    join(folderOf(root), `${id}.json`),
    utf8(`${JSON.stringify({ kind: 'forge.push', ...request }, undefined, 1)}\n`),
    {
      durable: true
    }
  )
}

/** Takes a request away: it was sent, or a person does not want it any more. @throws E_NOT_FOUND */
export function dropRequest(root: string, id: string): void {
  try {
    unlinkSync(join(folderOf(root), `${id}.json`))
  } catch (cause) {
    throw new RejoinError('E_NOT_FOUND', `no request ${JSON.stringify(id)} waits in outbox/`, {
      cause,
      hint: 'rejoin forge outbox list shows them'
    })
  }
}

/**
 * Makes requests of what was published here, from an entry of the own log on, for repositories that are pushed back. What was seen at a forge is not sent to it again.
 * @returns the size of the log up to which requests were made, and how many
 */
export function fillOutbox(
  node: Node,
  { url, push }: { readonly url: string; readonly push: readonly string[] },
  from: number
): { readonly log: LogId; readonly size: number; readonly count: number } {
  const { writer, log, root } = node
  const { size } = writer.sign()
  const host = new URL(url).host.replaceAll(/[^a-z0-9.-]/g, '_')
  let count = 0
  for (let index = push.length === 0 ? size : from; index < size; index++) {
    const { line } = writer.folder.entry(index)
    if (line === undefined) continue
    const event = parseEvent(line)
    const { repository, tag, digest, forge } = event.data
    if (
      typeof repository !== 'string' ||
      forge !== undefined ||
      event.type === 'blob.removed' ||
      event.type === 'manifest.removed'
    )
      continue
    if (!push.some((pattern) => matchGlob(repository, pattern))) continue
    const removes = removalTypes.has(event.type)
    if (!removes && (typeof digest !== 'string' || !isDigest(digest))) continue
    count++
    writeRequest(root, {
      id: `${String(index).padStart(12, '0')}-${host}`,
      forge: url,
      repository,
      tag: typeof tag === 'string' ? tag : undefined,
      digest: removes ? undefined : (digest as Digest),
      event: `${log}/${index}`,
      since: event.time,
      attempts: 0,
      lastError: undefined,
      overwrite: false
    })
  }
  return { log, size, count }
}
