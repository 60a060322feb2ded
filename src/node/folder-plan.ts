import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { chunkBytes, type Digest, type LogId, RejoinError, type Selection } from '../core/index.ts'
import { type ExportPlan, Folder, FolderReplica, holdsReplica, type MediumContent, type PlannedBlob } from '../replica/index.ts'
import { openKeys } from '../store/index.ts'
import type { Filled } from './export-choice.ts'
import { planMedia } from './export-medium.ts'
import { lineBytesOf, type Room, roomFor } from './export-room.ts'
import type { ExportChoice } from './exporting.ts'
import type { Node } from './node.ts'

/** How an export to folders is planned. */
export interface FolderPlanOptions {
  readonly selection: Selection
  readonly maxBytes: number | undefined
  /** as many folders of `maxBytes` as it takes, `1`, `2` … in the one that is named */
  readonly volumes: boolean
  /** up to which entry of each log those who are to get it hold everything */
  readonly held: ReadonlyMap<LogId, number>
}

/** One folder of an export, and what is planned for it. */
export interface FolderShare {
  readonly dir: string
  readonly content: MediumContent
  /** bytes that it has in the end, at most */
  readonly bytes: number
  /** blobs of the plan that lie there whole, and how that is known */
  readonly there: ReadonlyMap<Digest, 'listed' | 'hashed'>
  /** blobs that go to `parts/`, since the medium can't take them as files of `blobs/` */
  readonly inParts: ReadonlySet<Digest>
  readonly room: Room
  readonly choice: ExportChoice
}

/** What an export to folders comes to. */
export interface FolderPlan {
  readonly plan: ExportPlan
  readonly filled: Filled
  readonly shares: readonly FolderShare[]
}

/** What lies in a folder before an export. */
interface Lying {
  readonly dir: string
  readonly target: FolderReplica
  readonly there: ReadonlyMap<Digest, 'listed' | 'hashed'>
  /** all its blobs with their bytes; only looked up where bytes are limited */
  readonly bytes: ReadonlyMap<string, number>
}

/** what a large blob's DAG adds, a node for each 174 chunks */
const nodeBytes = (sizeBytes: number): number => (sizeBytes > chunkBytes ? 512 + Math.ceil(sizeBytes / chunkBytes) * 64 : 0)
/** what a folder has besides, which no archive has: hashes of lines, a frontier, receipts */
const besides = ({ logs }: ExportPlan): number => 8192 + logs.reduce((sum, { head }) => sum + 512 + head.size * 33, 0)

/**
 * Plans an export to a folder, or to several, without writing anything: what is there, what goes, to which folder, and whether it fits.
 * @throws E_NO_SPACE where bytes are limited and not even the events fit, or with volumes one whole does not · E_USAGE where the folder of volumes is a replica itself
 */
export async function planFolders(node: Node, dir: string, options: FolderPlanOptions, signal: AbortSignal): Promise<FolderPlan> {
  const { volumes, maxBytes } = options
  if (volumes && holdsReplica(dir))
    throw new RejoinError('E_USAGE', `${dir} is a replica itself, and volumes are folders 1, 2 … in a folder`, {
      hint: 'name another folder'
    })
  await using own = Folder.open(node.root)
  const sealing = { signer: openKeys(node.root).signer, nowMs: Date.now() }
  const lying: Lying[] = []
  const look = async (plan: ExportPlan): Promise<readonly ReadonlyMap<string, number>[]> => {
    const blobs = new Map(plan.artifacts.flatMap((one) => one.blobs.map((blob) => [blob.digest, blob] as const)))
    for (const place of placesOf(dir, volumes)) lying.push(await lyingIn(node, place, dir, [...blobs.values()], maxBytes, signal))
    return lying.map(({ bytes }) => bytes)
  }
  const { plan, filled } = await planMedia(
    own,
    own,
    { ...options, look, besides },
    (path, sizeBytes) => (path.startsWith('blobs/') ? nodeBytes(sizeBytes) : 0),
    sealing,
    signal
  )
  const shares: FolderShare[] = []
  for (const [i, content] of filled.media.entries()) {
    const place = volumes ? join(dir, String(i + 1)) : dir
    const found = lying[i] ?? (await lyingIn(node, place, dir, content.blobs, undefined, signal))
    shares.push(shareOf(node, found, content, plan, filled.bytes[i] ?? 0))
  }
  for (const { target } of lying) await target[Symbol.asyncDispose]()
  return { plan, filled, shares }
}

/** The folders that are there and may have something already: the one that is named, or the volumes in it. */
function* placesOf(dir: string, volumes: boolean): Generator<string, void, void> {
  if (!volumes) yield dir
  else for (let i = 1; existsSync(join(dir, String(i))); i++) yield join(dir, String(i))
}

async function lyingIn(
  node: Node,
  dir: string,
  above: string,
  blobs: readonly PlannedBlob[],
  maxBytes: number | undefined,
  signal: AbortSignal
): Promise<Lying> {
  // a volume that is not there yet: what its file system takes is known from the folder that it is to lie in
  const isThere = existsSync(dir) || dir === above
  const target = FolderReplica.open(isThere ? dir : above, node.store.network)
  const there = new Map<Digest, 'listed' | 'hashed'>()
  const bytes = new Map<string, number>()
  if (target.isThere && isThere) {
    for (const { digest, sizeBytes } of blobs) {
      signal.throwIfAborted()
      const how = await target.blobs.isThere(digest, sizeBytes)
      if (how === undefined) continue
      there.set(digest, how)
      bytes.set(digest, sizeBytes + nodeBytes(sizeBytes))
    }
    if (maxBytes !== undefined) {
      const planned = new Set(blobs.map(({ digest }) => digest))
      await using folder = Folder.open(dir)
      for (const digest of folder.blobDigests()) if (!planned.has(digest)) bytes.set(digest, (await folder.size(digest)) ?? 0)
    }
  }
  return { dir, target, there, bytes }
}

function shareOf(
  { store }: Node,
  { dir, target, there }: Lying,
  content: MediumContent,
  plan: ExportPlan,
  bytes: number
): FolderShare {
  const lacking = content.blobs.filter(({ digest }) => !there.has(digest))
  const spans = plan.logs.flatMap(({ head: { log, size } }) => {
    const from = target.isThere ? target.sizeOf(log) : 0
    return from < size ? [{ log, from, to: size }] : []
  })
  return {
    dir,
    content,
    bytes,
    there,
    inParts: new Set(target.blobs.inParts(lacking).map(({ digest }) => digest)),
    room: roomFor(target, lacking, lineBytesOf(store, spans)),
    choice: {
      isChosen: plan.isChosen,
      artifacts: new Map(content.plan.artifacts.map(({ digest, parts }) => [digest, parts])),
      omitted: content.omitted
    }
  }
}
