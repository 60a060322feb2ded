import {
  type Member,
  maxTarNoteBytes,
  memberOf,
  parsePax,
  parseTarHeader,
  RejoinError,
  tarBlockBytes,
  type TarHeader,
  tarPadding
} from '../core/index.ts'
import { ByteSource } from './byte-source.ts'

/** A file of a stream of files. Its bytes must be read before the next one is asked for; what is left of them is passed over. */
export interface StreamedFile<M = Member> {
  readonly path: string
  readonly member: M
  readonly sizeBytes: number
  /** yields fewer bytes than `sizeBytes` where the stream ends before */
  readonly body: AsyncIterable<Uint8Array>
}

/** A file that is not read, and why. */
export interface RefusedFile {
  readonly path: string
  readonly reason: string
  /** true for a plain file that is of no use here, and nothing worse */
  readonly isForeign?: boolean
}

/** Which files of an archive are read. */
export interface MemberNames<M> {
  /** Returns what a path names, undefined where it is none of the files that are read. */
  readonly memberOf: (path: string) => M | undefined
  /** as in `a file of a replica` */
  readonly of: string
}

/** The files of a replica. */
export const replicaNames: MemberNames<Member> = { memberOf, of: 'a replica' }

/** What is read of an archive at most. */
export interface ArchiveLimits {
  /** files and folders */
  readonly maxFiles: number
  /** bytes of one file */
  readonly maxFileBytes: number
}

/** How an archive ended: `cut` where its end is missing; `damaged` where it can't be read on, and `full` where it has more than is read. */
export type ArchiveEnd =
  | { readonly kind: 'whole' }
  | { readonly kind: 'cut' | 'damaged' | 'full'; readonly reason: string; readonly atByte: number }

/** no more refusals are told one by one */
const maxTold = 1000

/** Files in the order in which they come out of a tar archive, of which nothing is ever unpacked. */
export class ArchiveReader<M = Member> {
  private readonly source: ByteSource
  private readonly names: MemberNames<M>
  private readonly limits: ArchiveLimits
  private readonly onRefused: (refused: RefusedFile) => void
  private count = 0
  /** files that were refused, told one by one or not */
  refused = 0
  end: ArchiveEnd | undefined

  constructor(
    bytes: AsyncIterable<Uint8Array>,
    names: MemberNames<M>,
    limits: ArchiveLimits,
    onRefused: (refused: RefusedFile) => void
  ) {
    this.source = new ByteSource(bytes)
    this.names = names
    this.limits = limits
    this.onRefused = onRefused
  }

  private refuse(path: string, reason: string, isForeign = false): void {
    this.refused++
    if (this.refused <= maxTold) this.onRefused({ path: path.slice(0, 200), reason, ...(isForeign && { isForeign }) })
  }

  /** Yields the files that are ours; names and passes over all others. Where it ends is in `end`. @throws what reading the bytes throws */
  async *files(): AsyncGenerator<StreamedFile<M>, void, void> {
    try {
      yield* this.each()
    } catch (error) {
      if (!(error instanceof RejoinError && error.code === 'E_ARCHIVE')) throw error
      this.end = { kind: 'damaged', reason: error.message, atByte: this.source.atByte }
    } finally {
      await this.source.close()
    }
  }

  private async *each(): AsyncGenerator<StreamedFile<M>, void, void> {
    let noted: { path?: string; sizeBytes?: number; link?: boolean } = {}
    for (;;) {
      const block = this.source.takeNow(tarBlockBytes) ?? (await this.source.take(tarBlockBytes))
      if (block.length < tarBlockBytes)
        return this.ends(block.length === 0 && this.count === 0 ? 'it is empty' : 'its end is missing')
      const header = parseTarHeader(block)
      if (header === undefined) {
        this.end = { kind: 'whole' }
        // the rest is read so that whoever writes it comes to his end
        await this.passOver(Number.MAX_SAFE_INTEGER)
        return
      }
      if (header.type === 'file' || header.type === 'folder' || header.type === 'other') {
        if (++this.count > this.limits.maxFiles) {
          this.end = { kind: 'full', reason: `it has more than ${this.limits.maxFiles} files`, atByte: this.source.atByte }
          return
        }
        const said = noted
        noted = {}
        yield* this.one(header, said)
        if (this.end !== undefined) return
      } else noted = { ...noted, ...(await this.note(header)) }
    }
  }

  /** A header that speaks of the next one. */
  private async note({ type, sizeBytes }: TarHeader): Promise<{ path?: string; sizeBytes?: number; link?: boolean }> {
    if (sizeBytes > maxTarNoteBytes) throw new RejoinError('E_ARCHIVE', `a header of the archive has ${sizeBytes} bytes`)
    const bytes = (await this.source.take(sizeBytes + tarPadding(sizeBytes))).subarray(0, sizeBytes)
    if (bytes.length < sizeBytes) return {}
    if (type === 'pax') return parsePax(bytes)
    if (type === 'long-name') return { path: Buffer.from(bytes).toString('latin1').replace(/\0+$/, '') }
    return type === 'long-link' ? { link: true } : {}
  }

  private async *one(
    header: TarHeader,
    said: { path?: string; sizeBytes?: number; link?: boolean }
  ): AsyncGenerator<StreamedFile<M>, void, void> {
    const name = said.path ?? header.name
    const sizeBytes = header.type === 'file' ? (said.sizeBytes ?? header.sizeBytes) : header.sizeBytes
    const path = name.replace(/^(?:\.\/)+/, '')
    const member = header.type === 'file' ? this.names.memberOf(path) : undefined
    const before = this.source.atByte
    if (member === undefined) {
      const hostile =
        header.type === 'other' ? `neither a file nor a folder (type ${JSON.stringify(header.flag)})` : hostileIn(name)
      if (hostile !== undefined) this.refuse(name, hostile)
      else if (!plainName.test(name)) this.refuse(name, `a name that no file of ${this.names.of} has`, true)
      else if (header.type !== 'folder') this.refuse(name, `not a file of ${this.names.of}`, true)
    } else if (sizeBytes > this.limits.maxFileBytes)
      this.refuse(path, `${sizeBytes} bytes, over the limit of ${this.limits.maxFileBytes}`)
    else yield { path, member, sizeBytes, body: this.body(path, sizeBytes) }
    const rest = sizeBytes + tarPadding(sizeBytes) - (this.source.atByte - before)
    if (this.end === undefined && rest > 0 && (await this.passOver(rest)) < rest)
      this.ends(`it ends inside ${path.slice(0, 100)}`)
  }

  /** Where a file ends early, so does the archive, and that is known before the file's reader goes on. */
  private async *body(path: string, sizeBytes: number): AsyncGenerator<Uint8Array, void, void> {
    let length = 0
    for await (const piece of this.source.stream(sizeBytes)) {
      length += piece.length
      yield piece
    }
    if (length < sizeBytes) this.ends(`it ends inside ${path.slice(0, 100)}`)
  }

  private async passOver(count: number): Promise<number> {
    let passed = 0
    for await (const piece of this.source.stream(count)) passed += piece.length
    return passed
  }

  private ends(reason: string): void {
    this.end = { kind: 'cut', reason, atByte: this.source.atByte }
  }
}

const plainName = /^[a-zA-Z0-9._/-]*$/

/** Returns what is wrong with a name that would lead out of a folder. */
function hostileIn(name: string): string | undefined {
  if (name.startsWith('/')) return 'an absolute path'
  return name.split('/').includes('..') ? 'a path with ..' : undefined
}
