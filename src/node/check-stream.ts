import { createHash } from 'node:crypto'
import { maxManifestBytes, readManifest } from '../artifact/index.ts'
import {
  artifactIn,
  codeOf,
  concat,
  type Digest,
  digestParts,
  fromHex,
  hex,
  type LogId,
  logIdOfHash,
  parseEvent,
  parsePublicKey,
  type ProvenBlock,
  type Pull,
  RejoinError,
  Tree,
  verifySeal,
  verifyUrgent,
  type WireHead
} from '../core/index.ts'
import { type FileFault, HashSet, StreamFiles, StreamReplica, type StreamSource, type Taken } from '../replica/index.ts'
import { type TakeTarget, Taker } from '../sync/index.ts'
import type { VerbRecord } from './control.ts'
import { openStreams, type StreamWord } from './stream-word.ts'

/** What checking a stream found. */
interface Counts {
  logs: number
  events: number
  withheld: number
  blobs: number
  bytes: number
  missing: number
  omitted: number
  bad: number
}

const never = { maxFiles: 100_000_000, maxFileBytes: Number.MAX_SAFE_INTEGER, maxRatio: 1000 }

/** Derives everything in an archive or an encrypted medium again and keeps nothing of it; yields a fault for each thing that is wrong, then the counts. */
export async function* checkStream(word: StreamWord, signal: AbortSignal): AsyncGenerator<VerbRecord, void, void> {
  const counts: Counts = { logs: 0, events: 0, withheld: 0, blobs: 0, bytes: 0, missing: 0, omitted: 0, bad: 0 }
  const faults: FileFault[] = []
  const told = (): VerbRecord[] =>
    faults.splice(0).map((fault) => ({ ...fault, kind: 'fault', ok: false, offset: fault.offset ?? 0 }) as VerbRecord)
  let end = ''
  let cut = false
  for (const source of await openStreams(
    word,
    never,
    ({ path, reason }) => void faults.push({ path, reason, code: 'E_REFUSED' })
  )) {
    const one = new Check(source, counts, (fault) => void faults.push(fault), signal)
    for await (const _ of one.run()) yield* told()
    if (one.end !== '') end = one.end
    cut ||= one.end !== ''
    yield* told()
  }
  counts.bad += faults.length
  yield {
    kind: 'result',
    ok: counts.bad === 0,
    complete: counts.bad === 0 && counts.missing === 0 && !cut,
    ...counts,
    cut,
    end
  } as VerbRecord
}

class Check {
  end = ''
  private readonly source: StreamSource
  private readonly counts: Counts
  private readonly onFault: (fault: FileFault) => void
  private readonly signal: AbortSignal
  private readonly needed = new HashSet()
  private readonly seen = new HashSet()

  constructor(source: StreamSource, counts: Counts, onFault: (fault: FileFault) => void, signal: AbortSignal) {
    this.source = source
    this.counts = counts
    this.onFault = (fault) => {
      if (fault.code !== 'E_INCOMPLETE') counts.bad++
      else counts.missing++
      onFault(fault)
    }
    this.signal = signal
  }

  async *run(): AsyncGenerator<void, void, void> {
    await using files = await StreamFiles.open(this.source, this.onFault, { wantsSums: true })
    this.seal(await files.seal().catch((error: unknown) => this.unsealed(error)), files)
    const replica = new StreamReplica(files)
    const taker = new Taker(this.target(replica), {
      signal: this.signal,
      onFault: this.onFault,
      onLog: () => void this.counts.logs++
    })
    try {
      await taker.takeAll(replica)
    } catch (error) {
      if (codeOf(error) !== 'E_GONE' || files.end === undefined) throw error
    }
    this.counts.withheld += taker.result.withheld
    this.counts.bad += taker.result.conflicts.length
    yield
    for await (const blob of files.blobs()) {
      await this.blob(blob, files)
      yield
    }
    const omitted = await replica.omitted()
    for (const hash of this.needed.values()) {
      if (this.seen.has(hash)) continue
      if (omitted.has(`sha256:${hex(hash)}` as Digest)) this.counts.omitted++
      else this.counts.missing++
    }
    if (files.end !== undefined && files.end.kind !== 'whole') this.end = files.end.reason
  }

  private unsealed(error: unknown): undefined {
    if (!(error instanceof RejoinError)) throw error
    this.onFault({ path: 'seal', reason: error.message, code: error.code })
    return undefined
  }

  /** Who sealed it is not asked here: nobody is known without a node. */
  private seal(bytes: Uint8Array | undefined, files: StreamFiles): void {
    if (bytes === undefined) return
    try {
      const { heads, files: sums } = verifySeal(bytes)
      if (heads !== files.headsDigest || sums !== files.sums?.digest)
        throw new RejoinError('E_SEAL', 'the seal is of another medium, or something was changed since')
    } catch (error) {
      this.unsealed(error)
    }
  }

  private target(replica: StreamReplica): TakeTarget {
    return {
      network: replica.network,
      survey: (heads: readonly WireHead[]): readonly Pull[] =>
        heads.map(({ log, size, author }) => ({
          log: logIdOfHash(log),
          size,
          author: parsePublicKey(author.slice()),
          have: new Tree()
        })),
      accept: async (_: LogId, blocks: readonly ProvenBlock[]): Promise<Taken> => {
        for (const block of blocks) this.events(block)
        return await Promise.resolve({ events: 0, refused: 0, held: 0 })
      },
      commit: async () => await Promise.resolve(),
      prepare: () => {},
      conflict: async () => await Promise.resolve(),
      takeUrgent: async (record) => {
        verifyUrgent(record)
        await Promise.resolve()
      },
      histories: { rootAt: () => undefined, tileAsked: () => 0, settle: async () => await Promise.resolve('unknown' as const) },
      seek: () => [],
      takeTexts: async () => await Promise.resolve({ events: 0, refused: 0, held: 0 })
    }
  }

  private events({ text, lines }: ProvenBlock): void {
    for (const { withheld, start, end } of lines) {
      if (withheld) continue
      this.counts.events++
      try {
        const artifact = artifactIn(parseEvent(text.subarray(start, end)))
        if (artifact !== undefined) this.need(artifact)
      } catch (error) {
        if (!(error instanceof RejoinError)) throw error
        this.onFault({ path: 'logs', reason: error.message, code: error.code })
      }
    }
  }

  private need(digest: Digest): void {
    const { algorithm, hex: digits } = digestParts(digest)
    if (algorithm === 'sha256') this.needed.add(fromHex(digits) as Uint8Array)
  }

  private async blob(
    {
      path,
      digest,
      sizeBytes,
      body
    }: { readonly path: string; readonly digest: Digest; readonly sizeBytes: number; readonly body: AsyncIterable<Uint8Array> },
    files: StreamFiles
  ): Promise<void> {
    this.signal.throwIfAborted()
    const { algorithm, hex: digits } = digestParts(digest)
    const hash = createHash(algorithm)
    const parts: Uint8Array[] = []
    let length = 0
    for await (const piece of body) {
      hash.update(piece)
      length += piece.length
      if (sizeBytes <= maxManifestBytes) parts.push(piece.slice())
    }
    if (length < sizeBytes && files.end !== undefined && files.end.kind !== 'whole') return
    if (hash.digest('hex') !== digits) {
      this.onFault({ path, reason: 'its bytes have another digest', code: 'E_BAD_OBJECT' })
      return
    }
    this.counts.blobs++
    this.counts.bytes += length
    if (algorithm === 'sha256') this.seen.add(fromHex(digits) as Uint8Array)
    if (sizeBytes <= maxManifestBytes) this.children(concat(parts))
  }

  private children(bytes: Uint8Array): void {
    if (bytes[0] !== 0x7b) return
    try {
      const { config, layers, manifests } = readManifest(bytes)
      for (const { digest } of [...(config === undefined ? [] : [config]), ...layers, ...manifests]) this.need(digest)
    } catch (error) {
      // no manifest: a document of its own, which names nothing
      if (!(error instanceof RejoinError)) throw error
    }
  }
}
