import { codeOf, didOf, type Digest, RejoinError, verifySeal } from '../core/index.ts'
import { type FileFault, StreamFiles, StreamReplica, type StreamSource } from '../replica/index.ts'
import { takeStreamedBlobs, Taker, type TakeResult } from '../sync/index.ts'
import { ArrivedLines } from './arrived-lines.ts'
import { BlobPass, type BringBlobs } from './blob-pass.ts'
import type { VerbRecord } from './control.ts'
import { codeWords } from './frontier-code.ts'
import type { Node } from './node.ts'
import { reporting } from './reporting.ts'
import { Settler } from './settle.ts'
import { openStreams, type StreamWord } from './stream-word.ts'
import { WantedBlobs } from './stream-wants.ts'
import type { VerbContext } from './verbs.ts'

/** an index, a manifest and layers that stand in the reverse order take as many readings */
const maxRounds = 5

/** What taking one stream came to. */
interface Import {
  readonly taken: TakeResult
  readonly blobs: { readonly count: number; readonly bytes: number; readonly bad: number }
  readonly refusedFiles: number
  readonly missing: number
  readonly omitted: number
  readonly end: string
  readonly cut: boolean
  readonly endsBadly: boolean
}

/** Takes in what an archive, standard input or an encrypted medium has and the rules want; yields progress, faults and one result. */
export async function* importStream({ node, args, signal }: VerbContext<StreamWord>): AsyncGenerator<VerbRecord> {
  const before = new Set(node.replica.conflicts())
  const { limits } = node.gate.rules.file
  const all = yield* reporting(async (say) => {
    const tell = (fault: FileFault): void => say({ ...fault, kind: 'fault', ok: false, offset: fault.offset ?? 0 } as VerbRecord)
    const sources = await openStreams(
      args,
      { maxFiles: limits.parcelFiles, maxFileBytes: limits.blobBytes, maxRatio: limits.unpackRatio },
      ({ path, reason }) => tell({ path, reason, code: 'E_REFUSED' })
    )
    const done: Import[] = []
    for (const source of sources) done.push(await take(node, source, say, tell, signal))
    return done
  })
  const sum = (pick: (one: Import) => number): number => all.reduce((total, one) => total + pick(one), 0)
  const isGap = ({ code }: FileFault): boolean => code === 'E_INCOMPLETE'
  const bad = sum(
    ({ taken, blobs, refusedFiles, endsBadly }) =>
      taken.faults.filter((fault) => !isGap(fault)).length + blobs.bad + refusedFiles + (endsBadly ? 1 : 0)
  )
  const gaps = sum(({ taken }) => taken.faults.filter(isGap).length)
  const missing = sum((one) => one.missing)
  yield {
    kind: 'result',
    verb: 'import',
    complete: bad === 0 && missing === 0 && gaps === 0 && all.every(({ cut }) => !cut),
    events: sum(({ taken }) => taken.events),
    refused: sum(({ taken }) => taken.refused),
    held: sum(({ taken }) => taken.held),
    blobs: sum(({ blobs }) => blobs.count),
    bytes: sum(({ taken, blobs }) => taken.bytes + blobs.bytes),
    missing,
    omitted: sum(({ omitted }) => omitted),
    bad,
    gaps,
    cut: all.some(({ cut }) => cut),
    end: all.map(({ end }) => end).find((end) => end !== '') ?? '',
    conflicts: node.replica.conflicts().filter((log) => !before.has(log)).length,
    // nothing can go back into a stream
    code: codeWords(node)
  } as VerbRecord
}

async function take(
  node: Node,
  source: StreamSource,
  say: (record: VerbRecord) => void,
  tell: (fault: FileFault) => void,
  signal: AbortSignal
): Promise<Import> {
  const mustSeal = node.gate.rules.file.import?.requireSeal === true
  let refusedFiles = 0
  const onFault = (fault: FileFault): void => {
    refusedFiles++
    tell(fault)
  }
  await using files = await StreamFiles.open(source, onFault, { wantsSums: mustSeal })
  if (mustSeal) await checkSeal(node, files)
  const replica = new StreamReplica(files)
  const wanted = new WantedBlobs((digest) => node.blobs.has(digest), node.config.fetchMaxBytes)
  // nothing can be asked of a stream: what is wanted is noted, and taken when it comes
  const arrived = new ArrivedLines(node, say)
  const note: BringBlobs = async (needs, isPrivate) => {
    wanted.add(needs, isPrivate)
    return await Promise.resolve({ fetched: 0, bytes: 0 })
  }
  const pass = new BlobPass(node, note, arrived)
  const settler = new Settler(node, async (log, index, event) => await pass.bringHeld(log, index, event))
  const stopListening = node.onJudged((log, judged) => {
    for (const { line } of judged) pass.revisit(log, line.index)
  })
  let entries = 0
  const taker = new Taker(node.replica, {
    signal,
    onEntries: (_, events) => say({ kind: 'progress', entries: (entries += events), bytes: 0 } as VerbRecord),
    onFault: tell
  })
  try {
    try {
      await taker.takeAll(replica)
    } catch (error) {
      if (codeOf(error) !== 'E_GONE' || files.end === undefined) throw error
    }
    await settler.idle()
    await pass.run(signal)
    let bytes = 0
    const blobs = { count: 0, bytes: 0, bad: 0 }
    for (let round = 0; round < maxRounds; round++) {
      const got = await takeStreamedBlobs(round === 0 ? files.blobs() : files.blobsAgain(), node.blobs, wanted, {
        signal,
        isCut: () => files.end !== undefined && files.end.kind !== 'whole',
        onBytes: (count) => say({ kind: 'progress', entries, bytes: (bytes += count) } as VerbRecord),
        onBlob: (digest) => arrived.blob(digest),
        onFault: tell
      })
      blobs.count += got.count
      blobs.bytes += got.bytes
      blobs.bad += got.bad
      // what was passed over may have come before the manifest that names it, as tar puts files in no order of ours
      const isWorth = files.isSeekable && (round === 0 ? wanted.unwanted + files.skippedBlobs > 0 : got.count > 0)
      if (!isWorth || wanted.missing().length === 0) break
    }
    settler.again()
    await settler.idle()
    const { missing } = await pass.run(signal)
    const left = await replica.omitted()
    const omitted = wanted.missing().filter((digest) => left.has(digest) && !node.blobs.has(digest)).length
    const { end } = files
    return {
      taken: taker.result,
      blobs,
      refusedFiles,
      missing: Math.max(0, missing - omitted),
      omitted,
      endsBadly: end?.kind === 'damaged' || end?.kind === 'full',
      end: end === undefined || end.kind === 'whole' ? '' : end.reason,
      cut: end !== undefined && end.kind !== 'whole'
    }
  } finally {
    stopListening()
    await settler.stop()
  }
}

/** @throws E_SEAL where there is no good seal of a known identity */
async function checkSeal(node: Node, files: StreamFiles): Promise<void> {
  const bytes = await files.seal()
  if (bytes === undefined)
    throw new RejoinError('E_SEAL', `${files.name} has no seal, and trust.yaml asks for one`, {
      hint: 'rejoin export writes one; import.requireSeal asks for it'
    })
  mustKnowSeal(node, bytes, files.sums?.digest, files.headsDigest, files.network, files.name)
}

/** Verifies a seal, and that it is of a known identity and of what lies there. @throws E_SEAL */
export function mustKnowSeal(
  node: Node,
  bytes: Uint8Array,
  sums: Digest | undefined,
  heads: Digest | undefined,
  network: string,
  name: string
): void {
  let seal: ReturnType<typeof verifySeal>
  try {
    seal = verifySeal(bytes)
  } catch (cause) {
    if (codeOf(cause) === undefined) throw cause
    throw new RejoinError('E_SEAL', `the seal of ${name} does not verify: ${(cause as Error).message}`, { cause })
  }
  const author = didOf(seal.author)
  if (node.gate.nameOf(author) === undefined)
    throw new RejoinError('E_SEAL', `${name} is sealed by ${author}, whom nobody here knows`, {
      hint: `rejoin trust add NAME ${author} would make it known`
    })
  if (seal.network !== network || seal.files !== sums || seal.heads !== heads)
    throw new RejoinError('E_SEAL', `the seal of ${name} is of another medium, or something was changed since`)
}
