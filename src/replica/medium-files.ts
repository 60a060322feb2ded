import {
  blobPath,
  checkpointCosePath,
  checkpointPath,
  closedPath,
  concat,
  type Digest,
  digestOf,
  digestParts,
  encodeHeads,
  encodeOmitted,
  encodeSums,
  entriesPath,
  entriesPerFile,
  forkPath,
  headLine,
  headsPath,
  hex,
  logFolder,
  type LogId,
  narrow,
  type Offer,
  type Omitted,
  omittedPath,
  parseEvent,
  sealPath,
  sha256,
  type Signer,
  signSeal,
  subtreeRoot,
  sumsLine,
  tileIndexPath,
  tileWidth,
  utf8,
  verifyUrgent
} from '../core/index.ts'
import { folderVersion, sealed } from '../store/index.ts'
import type { PlannedBlob } from './export-closure.ts'
import type { ExportPlan, PlannedLog } from './export-plan.ts'
import type { FileReplica, Waiting } from './file-replica.ts'
import { mediumReadme } from './medium-readme.ts'

/** A file that is written to a medium. */
export interface MediumFile {
  readonly path: string
  readonly sizeBytes: number
  readonly body: () => AsyncIterable<Uint8Array>
  /** what its bytes must have, where its path doesn't say so */
  readonly digest?: Digest
}

/** What goes on one medium. */
export interface MediumContent {
  readonly plan: ExportPlan
  /** in the order in which they go out */
  readonly blobs: readonly PlannedBlob[]
  readonly omitted: readonly Omitted[]
}

/** Who vouches for a medium, and when. */
export interface Sealing {
  readonly signer: Signer
  readonly nowMs: number
}

interface Small {
  readonly path: string
  readonly bytes: Uint8Array
}

/** texts of this many bytes are kept from the first reading to the second */
const keepBytes = 32 * 1024 * 1024

/**
 * Returns all files of a medium in the order in which they go out: small and valuable ones first, and of a log with several files of entries the last one
 * first, whose end proves the rest. The same source and plan give the same bytes, but for the seal.
 */
export async function mediumFiles(
  source: FileReplica,
  { plan, blobs, omitted }: MediumContent,
  sealing: Sealing | undefined,
  wait: Waiting
): Promise<readonly MediumFile[]> {
  const ends = await urgentOf(source, wait)
  const offers = new Map<LogId, Offer>()
  for (const { head } of plan.logs) offers.set(head.log, await source.offer(head, 0, wait))
  const heads = headsFile(plan.logs, offers, ends)
  const store = hex(sha256(heads)).slice(0, 32)
  const texts = new Texts(source, plan, wait)
  const lines = await texts.files()
  const first: Small[] = [
    { path: 'replica.json', bytes: sealed({ format: 'rejoin', version: folderVersion, network: source.network, store }) },
    { path: headsPath, bytes: heads },
    { path: 'oci-layout', bytes: utf8('{"imageLayoutVersion":"1.0.0"}') },
    { path: 'README.txt', bytes: utf8(mediumReadme) },
    {
      path: omittedPath,
      bytes: encodeOmitted(omitted)
    }
  ]
  const small: Small[] = [...ends]
  for (const offer of offers.values()) {
    small.push({ path: checkpointPath(offer.checkpoint.log), bytes: offer.checkpoint.note })
    if (offer.cose !== undefined) small.push({ path: checkpointCosePath(offer.checkpoint.log), bytes: offer.cose })
  }
  for (const offer of offers.values()) small.push(...tilesOf(offer))
  const index = indexJson(plan, new Set(blobs.map(({ digest }) => digest)))
  const sums = encodeSums([
    ...[...first, ...small, index].map(({ path, bytes }) => sumsLine(hex(sha256(bytes)), path)),
    ...lines.map(({ path, sum }) => sumsLine(sum, path)),
    ...blobs.flatMap(({ digest }) =>
      digestParts(digest).algorithm === 'sha256' ? [sumsLine(digestParts(digest).hex, blobPath(digest))] : []
    )
  ])
  const seal =
    sealing &&
    signSeal(
      { network: source.network, time: timeOf(sealing.nowMs), heads: digestOf(heads), files: digestOf(sums) },
      sealing.signer
    )
  return [
    ...first.slice(0, 1).map(inMemory),
    ...(seal === undefined ? [] : [inMemory({ path: sealPath, bytes: seal })]),
    inMemory({ path: 'SHA256SUMS', bytes: sums }),
    ...[...first.slice(1), ...small].map(inMemory),
    ...lines,
    ...blobs.map((blob) => blobFile(source, blob, wait)),
    inMemory(index)
  ]
}

function inMemory({ path, bytes }: Small): MediumFile {
  return {
    path,
    sizeBytes: bytes.length,
    body: async function* () {
      yield await Promise.resolve(bytes)
    }
  }
}

function blobFile(source: FileReplica, { digest, sizeBytes }: PlannedBlob, wait: Waiting): MediumFile {
  return { path: blobPath(digest), sizeBytes, body: () => source.blob(digest, 0, wait) }
}

function timeOf(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`
}

async function urgentOf(source: FileReplica, wait: Waiting): Promise<readonly Small[]> {
  const found: Small[] = []
  for await (const bytes of source.urgent(wait)) {
    const { kind, log } = verifyUrgent(bytes)
    found.push({ path: kind === 'fork' ? forkPath(log) : closedPath(log), bytes })
  }
  return found
}

function headsFile(logs: readonly PlannedLog[], offers: ReadonlyMap<LogId, Offer>, ends: readonly Small[]): Uint8Array {
  const there = new Set(ends.map(({ path }) => path))
  const lines = logs.map(({ head: { log, author, texts } }) => {
    const { checkpoint } = offers.get(log) as Offer
    const [closed, fork] = [there.has(closedPath(log)), there.has(forkPath(log))]
    return headLine({
      log,
      size: checkpoint.size,
      root: checkpoint.root,
      checkpoint: digestOf(checkpoint.note),
      author,
      texts,
      closed,
      fork
    })
  })
  return encodeHeads(hex(sha256(utf8(lines.join('\n')))).slice(0, 32), lines)
}

/** The tiles of level 1 and up, as C2SP tlog-tiles has them: the hashes that lead from tiles of lines to the root. */
function tilesOf({ checkpoint: { log }, tileHashes }: Offer): readonly Small[] {
  const files: Small[] = []
  for (let level = 1, hashes = tileHashes; hashes.length > 0; level++) {
    const above: Uint8Array[] = []
    for (let at = 0, index = 0; at < hashes.length; at += tileWidth * 32, index++) {
      const bytes = hashes.subarray(at, at + tileWidth * 32)
      const path = `${logFolder(log)}/tile/${level}/${tileIndexPath(index)}`
      const width = bytes.length / 32
      files.push({ path: width === tileWidth ? path : `${path}.p/${width}`, bytes })
      if (width === tileWidth) above.push(subtreeRoot(bytes))
    }
    hashes = concat(above)
  }
  return files
}

/** Roots whose blobs are all on the medium. */
function indexJson({ artifacts }: ExportPlan, blobs: ReadonlySet<string>): Small {
  const manifests = artifacts.flatMap(({ digest, mediaType, parts, missing, name }) => {
    const isWhole = missing.length === 0 && [...parts.keys()].every((part) => blobs.has(part))
    if (!isWhole || mediaType === undefined) return []
    const annotations =
      name.includes(':') && !name.startsWith('sha') ? { annotations: { 'org.opencontainers.image.ref.name': name } } : {}
    return [{ mediaType, digest, size: parts.get(digest) ?? 0, ...annotations }]
  })
  return {
    path: 'index.json',
    bytes: utf8(`${JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests })}\n`)
  }
}

/** The files of entries of all logs, with what was not chosen as hashes. */
class Texts {
  private readonly source: FileReplica
  private readonly plan: ExportPlan
  private readonly wait: Waiting
  private kept = 0

  constructor(source: FileReplica, plan: ExportPlan, wait: Waiting) {
    this.source = source
    this.plan = plan
    this.wait = wait
  }

  async files(): Promise<readonly (MediumFile & { readonly sum: string })[]> {
    const files: (MediumFile & { readonly sum: string })[] = []
    for (const { head } of this.plan.logs) {
      const starts: number[] = []
      for (let at = 0; at < head.size; at += entriesPerFile) starts.push(at)
      const last = starts.pop()
      for (const at of last === undefined ? [] : [last, ...starts]) {
        const text = await this.text(head.log, at, Math.min(head.size, at + entriesPerFile))
        const isKept = (this.kept += text.length) <= keepBytes
        const again = async (): Promise<Uint8Array> =>
          isKept ? text : await this.text(head.log, at, Math.min(head.size, at + entriesPerFile))
        files.push({
          path: entriesPath(head.log, at),
          sizeBytes: text.length,
          sum: hex(sha256(text)),
          body: async function* () {
            yield await again()
          }
        })
      }
    }
    return files
  }

  private async text(log: LogId, from: number, to: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for await (const block of this.source.blocks(log, from, to, this.wait))
      parts.push(narrow(block, (line) => !this.plan.isChosen(parseEvent(line))).text.slice())
    return concat(parts)
  }
}
