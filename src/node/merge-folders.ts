import {
  frontierPath,
  isNewerFrontier,
  type LogId,
  receiptPath,
  RejoinError,
  verifyFrontier,
  verifyImportReceipt
} from '../core/index.ts'
import {
  faultIn,
  type FileFault,
  Folder,
  FolderReplica,
  listFrom,
  relist,
  unlist,
  writeHeads,
  writeReadme
} from '../replica/index.ts'
import { asGone, lockMedium, replaceFileSync } from '../store/index.ts'
import { takeBlobs, Taker } from '../sync/index.ts'
import type { VerbRecord } from './control.ts'
import { Pace } from './pace.ts'

/** What a merge of two folders came to. */
export interface Merged {
  readonly kind: 'result'
  readonly verb: 'sync'
  readonly complete: boolean
  readonly events: number
  readonly refused: number
  readonly held: number
  readonly blobs: number
  readonly bytes: number
  readonly missing: number
  readonly bad: number
  readonly conflicts: number
}

/** How a merge is told of and stopped. */
export interface MergeOptions {
  readonly signal: AbortSignal
  readonly say?: (record: VerbRecord) => void
}

/**
 * Brings all that two folders hold into each other, with no identity and no rules: a carrier judges nothing. The second one is made where it is none yet.
 * @throws E_NETWORK E_NO_DATA E_GONE E_NO_SPACE · E_LOCKED where somebody else writes to one of them
 */
export async function mergeFolders(a: string, b: string, { signal, say = () => {} }: MergeOptions): Promise<Merged> {
  const there = await oneWay(a, b, signal, say)
  const back = await oneWay(b, a, signal, say)
  const faults = [...there.bad, ...back.bad]
  return {
    kind: 'result',
    verb: 'sync',
    complete: faults.length === 0,
    events: there.events + back.events,
    refused: 0,
    held: 0,
    blobs: there.blobs + back.blobs,
    bytes: there.bytes + back.bytes,
    missing: 0,
    bad: faults.length,
    conflicts: there.conflicts + back.conflicts
  }
}

interface OneWay {
  readonly events: number
  readonly blobs: number
  readonly bytes: number
  readonly bad: readonly FileFault[]
  readonly conflicts: number
}

async function oneWay(from: string, to: string, stop: AbortSignal, say: (record: VerbRecord) => void): Promise<OneWay> {
  const bad: FileFault[] = []
  const onFault = (fault: FileFault): void => {
    bad.push(fault)
    say({ kind: 'fault', ...fault } as VerbRecord)
  }
  const pace = new Pace(say)
  try {
    await using source = Folder.open(from)
    const place = FolderReplica.open(to, source.network).root
    if (source.root === place) throw new RejoinError('E_USAGE', `${from} and ${to} are the same folder`)
    await using lock = await lockMedium(place, { signal: stop })
    const signal = AbortSignal.any([stop, lock.lost])
    await using target = FolderReplica.open(to, source.network)
    const heads = await source.heads({ signal })
    const logs = new Set<LogId>(heads.filter(({ log, size }) => size > target.sizeOf(log)).map(({ log }) => log))
    const lacking = source.blobDigests().filter((digest) => target.blobs.size(digest) === undefined)
    const carried = await signedOf(source, target, signal, onFault)
    target.begin()
    unlist(target, logs)
    const taker = new Taker(target, { signal, onFault, onEntries: (_, events, bytes) => pace.add({ events, bytes }) })
    const taken = await taker.takeAll(source)
    const needs = lacking.map((digest) => ({ digest }))
    const onBlob = (): void => pace.add({ blobs: 1 })
    const blobs = await takeBlobs(source, target.blobs, needs, {
      signal,
      onFault,
      onBlob,
      onBytes: (bytes) => pace.add({ bytes })
    })
    for (const { path, bytes } of carried) replaceFileSync(`${target.root}/${path}`, bytes, { durable: true })
    await listFrom(target, source.files)
    target.noteLimits()
    writeReadme(target)
    writeHeads(target)
    relist(target, new Set([...logs, ...target.grown]))
    const { events, conflicts } = taken
    return { events, blobs: blobs.done.length, bytes: taken.bytes + blobs.bytes, bad, conflicts: conflicts.length }
  } catch (error) {
    throw asGone(asGone(error, to), from)
  }
}

/** Returns the frontiers and receipts of a folder that another one lacks or has older. */
async function signedOf(
  source: Folder,
  target: FolderReplica,
  signal: AbortSignal,
  onFault: (fault: FileFault) => void
): Promise<readonly { readonly path: string; readonly bytes: Uint8Array }[]> {
  const found: { readonly path: string; readonly bytes: Uint8Array }[] = []
  await using known = target.isThere ? Folder.open(target.root) : undefined
  const theirs = new Map<string, Uint8Array>()
  if (known !== undefined)
    for await (const bytes of known.frontiers({ signal }))
      try {
        theirs.set(frontierPath(verifyFrontier(bytes).node), bytes)
      } catch (error) {
        // a damaged one is as good as none
        faultIn(error, '')
      }
  for await (const bytes of source.frontiers({ signal }))
    try {
      const frontier = verifyFrontier(bytes)
      const path = frontierPath(frontier.node)
      const before = theirs.get(path)
      if (before === undefined || isNewerFrontier(frontier, verifyFrontier(before))) found.push({ path, bytes })
    } catch (error) {
      onFault(faultIn(error, 'frontiers'))
    }
  for await (const bytes of source.receipts({ signal }))
    try {
      const { key, seq } = verifyImportReceipt(bytes)
      const path = receiptPath(key, seq)
      if (target.files.size(path) === undefined) found.push({ path, bytes })
    } catch (error) {
      onFault(faultIn(error, 'receipts'))
    }
  return found
}
