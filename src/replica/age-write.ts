import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, unlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hex, isObject, parseStrict, RejoinError, utf8 } from '../core/index.ts'
import { ioError, Outside, replaceFileSync, syncFolder, writeFully } from '../store/index.ts'
import { ageFileEnd, type AgeEntry, ageIndexEnd, agePath, digestInPath, encodeAgeIndex, filledBytes } from './age-index.ts'
import { encrypted } from './age-stream.ts'
import { rootOfAge } from './age-read.ts'
import { readWhole } from './archive-open.ts'
import { type WriteHooks, wholeFile } from './archive-write.ts'
import type { MediumFile } from './medium-files.ts'

const readme = `This is an encrypted replica of rejoin. Each file is an age file (https://age-encryption.org/v1) under a random name.

  age -d -i KEYFILE NAME.index.age      lists what is in it: path, name of the age file, size
  age -d -i KEYFILE NAME.age            decrypts one file; zeros follow its bytes, so: | head -c SIZE
  rejoin import --identity KEYFILE DIR  takes it into a node
  rejoin check --identity KEYFILE DIR   derives everything again

The names tell nothing; how many files there are does, and their sizes do a little.
`

/** What a node remembers of an encrypted medium, which it can't read: what it put there itself, and for whom. */
export interface AgeMark {
  readonly recipients: readonly string[]
  /** name of its index */
  readonly index: string | undefined
  readonly entries: readonly AgeEntry[]
}

/** An encrypted medium that is written. */
export class AgeMedium {
  readonly root: string
  /** 32 hexadecimal digits, made with the medium */
  readonly store: string

  private constructor(root: string, store: string) {
    this.root = root
    this.store = store
  }

  /** Returns the encrypted medium that a folder holds, undefined where there is none; nothing is written. @throws E_DAMAGED E_VERSION E_IO */
  static find(dir: string): AgeMedium | undefined {
    const root = rootOfAge(dir)
    const bytes = root === undefined ? undefined : new Outside(root).read(agePath, 4096)
    return root === undefined || bytes === undefined ? undefined : new AgeMedium(root, storeIn(bytes, join(root, agePath)))
  }

  /** Returns which of the files that a node remembers are there. */
  filesOf({ entries }: AgeMark): readonly AgeEntry[] {
    const names = new Set(new Outside(this.root).names(''))
    return entries.filter(({ name }) => names.has(`${name}${ageFileEnd}`))
  }

  /** Opens an encrypted medium, or makes one in an empty folder, else in its subfolder `rejoin-encrypted`. @throws E_NOT_FOUND E_DAMAGED E_VERSION E_IO */
  static open(dir: string): AgeMedium {
    let names: readonly string[]
    try {
      if (existsSync(dirname(dir))) mkdirSync(dir, { recursive: true })
      names = readdirSync(dir)
    } catch (cause) {
      throw new RejoinError('E_NOT_FOUND', `there is no folder ${dir}`, { hint: 'is the medium mounted?', cause })
    }
    const isOwn = names.length === 0 || names.includes(agePath)
    const root = isOwn ? dir : join(dir, 'rejoin-encrypted')
    if (!isOwn) mkdirSync(root, { recursive: true })
    const bytes = new Outside(root).read(agePath, 4096)
    if (bytes !== undefined) return new AgeMedium(root, storeIn(bytes, join(root, agePath)))
    const store = hex(randomBytes(16))
    replaceFileSync(join(root, 'README.txt'), utf8(readme), { durable: true })
    replaceFileSync(join(root, agePath), utf8(`${JSON.stringify({ format: 'rejoin-encrypted', version: 1, store })}\n`), {
      durable: true
    })
    return new AgeMedium(root, store)
  }

  /**
   * Writes files, each encrypted by itself, and the index of all of them at last; what this node put there before and is there still is not written
   * again. What the new index lacks of the old one goes, after it.
   * @returns what to remember
   * @throws E_NO_SPACE E_GONE E_IO; then the index that was there stays, and what `onMark` was told of is not written again
   */
  async write(
    files: readonly MediumFile[],
    sums: (path: string) => string | undefined,
    recipients: readonly string[],
    before: AgeMark | undefined,
    hooks: WriteHooks & { readonly onMark: (mark: AgeMark) => void }
  ): Promise<AgeMark> {
    const isSame = before !== undefined && before.recipients.join() === recipients.join()
    const known = new Map(isSame ? before.entries.map((entry) => [entry.path, entry]) : [])
    const there = new Set(new Outside(this.root).names(''))
    const entries: AgeEntry[] = []
    for (const file of files) {
      const sha256 = digestInPath(file.path) === undefined ? sums(file.path) : undefined
      const old = known.get(file.path)
      if (
        old !== undefined &&
        old.sizeBytes === file.sizeBytes &&
        old.sha256 === sha256 &&
        there.has(`${old.name}${ageFileEnd}`)
      ) {
        entries.push(old)
        continue
      }
      const name = hex(randomBytes(16))
      await this.put(`${name}${ageFileEnd}`, encrypted(filled(wholeFile(file, hooks), file.sizeBytes), recipients))
      entries.push({ path: file.path, name, sizeBytes: file.sizeBytes, sha256 })
      known.set(file.path, entries.at(-1) as AgeEntry)
      if (file.sizeBytes > 1024 * 1024) hooks.onMark({ recipients, index: before?.index, entries: [...known.values()] })
    }
    const index = hex(randomBytes(16))
    await this.put(`${index}${ageIndexEnd}`, encrypted(once(encodeAgeIndex(entries)), recipients))
    const mark = { recipients, index, entries }
    hooks.onMark(mark)
    const kept = new Set(entries.map(({ name }) => name))
    for (const { name } of before?.entries ?? []) if (!kept.has(name)) this.drop(`${name}${ageFileEnd}`)
    if (before?.index !== undefined) this.drop(`${before.index}${ageIndexEnd}`)
    return mark
  }

  /** Returns whether all that a node remembers to have put there is there. */
  holds({ index, entries }: AgeMark): boolean {
    const medium = new Outside(this.root)
    const names = new Set(medium.names(''))
    return (
      index !== undefined && names.has(`${index}${ageIndexEnd}`) && entries.every(({ name }) => names.has(`${name}${ageFileEnd}`))
    )
  }

  private drop(name: string): void {
    try {
      unlinkSync(join(this.root, name))
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw ioError(cause, 'delete', join(this.root, name))
    }
  }

  /** Writes one file, reads it back and only then gives it its name. */
  private async put(name: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const path = join(this.root, name)
    const part = `${path}.part`
    const written = createHash('sha256')
    try {
      const file = await open(part, 'wx')
      try {
        let at = 0
        for await (const piece of bytes) {
          written.update(piece)
          await writeFully(file, piece, at, part)
          at += piece.length
        }
        await file.sync()
      } finally {
        await file.close()
      }
      const back = createHash('sha256')
      for await (const piece of readWhole(part)) back.update(piece)
      if (back.digest('hex') !== written.digest('hex'))
        throw new RejoinError('E_IO', `${part} reads back as other bytes than were written`)
      renameSync(part, path)
      await syncFolder(this.root)
    } catch (cause) {
      try {
        unlinkSync(part)
      } catch {
        // it is gone with the medium, or was never made
      }
      throw cause instanceof RejoinError || !('syscall' in (cause as object)) ? cause : ioError(cause, 'write', path)
    }
  }
}

const zeros = new Uint8Array(64 * 1024)

/** Yields a file and zeros behind it, so that its size tells less. */
async function* filled(bytes: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array, void, void> {
  yield* bytes
  for (let rest = filledBytes(sizeBytes) - sizeBytes; rest > 0; rest -= zeros.length)
    yield zeros.subarray(0, Math.min(rest, zeros.length))
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield await Promise.resolve(bytes)
}

function storeIn(bytes: Uint8Array, path: string): string {
  let value: unknown
  try {
    value = parseStrict(bytes, { maxBytes: 4096, maxDepth: 2 })
  } catch (cause) {
    throw new RejoinError('E_DAMAGED', `${path} is not JSON`, { cause })
  }
  const { format, version, store } = isObject(value as never) ? (value as Readonly<Record<string, unknown>>) : {}
  if (format !== 'rejoin-encrypted') throw new RejoinError('E_DAMAGED', `${path} does not say that it is an encrypted medium`)
  if (version !== 1) throw new RejoinError('E_VERSION', `${path} has version ${JSON.stringify(version)}; this program knows 1`)
  if (typeof store !== 'string' || !/^[0-9a-f]{32}$/.test(store))
    throw new RejoinError('E_DAMAGED', `${path} has no store of 32 hexadecimal digits`)
  return store
}
