import { Folder, FolderReplica } from '../replica/index.ts'
import { takeBlobs, Taker } from '../sync/index.ts'

/** What a merge of two folders came to. */
export interface Merged {
  readonly kind: 'result'
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

/** Brings all that two folders hold into each other, with no identity and no rules: a carrier judges nothing. @throws E_NETWORK E_NO_DATA E_GONE E_NO_SPACE */
export async function mergeFolders(a: string, b: string, signal: AbortSignal): Promise<Merged> {
  const parts = [await oneWay(a, b, signal), await oneWay(b, a, signal)] as const
  const sum = (member: 'events' | 'blobs' | 'bytes' | 'bad' | 'conflicts'): number => parts[0][member] + parts[1][member]
  return {
    kind: 'result',
    complete: sum('bad') === 0,
    events: sum('events'),
    refused: 0,
    held: 0,
    blobs: sum('blobs'),
    bytes: sum('bytes'),
    missing: 0,
    bad: sum('bad'),
    conflicts: sum('conflicts')
  }
}

async function oneWay(
  from: string,
  to: string,
  signal: AbortSignal
): Promise<Readonly<Record<'events' | 'blobs' | 'bytes' | 'bad' | 'conflicts', number>>> {
  await using source = Folder.open(from)
  await using target = FolderReplica.open(to, source.network)
  const taken = await new Taker(target, { signal }).takeAll(source)
  const needs = source.blobDigests().filter((digest) => target.blobs.size(digest) === undefined)
  const blobs = await takeBlobs(
    source,
    target.blobs,
    needs.map((digest) => ({ digest })),
    { signal }
  )
  return {
    events: taken.events,
    blobs: blobs.done.length,
    bytes: taken.bytes + blobs.bytes,
    bad: taken.faults.length + blobs.bad.length,
    conflicts: taken.conflicts.length
  }
}
