import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { digestParts, memberOf, RejoinError } from '../core/index.ts'
import { Outside } from '../store/index.ts'
import { ageFileEnd, type AgeEntry, agePath, digestInPath, filledBytes, maxAgeIndexBytes, parseAgeIndex } from './age-index.ts'
import { decrypted } from './age-stream.ts'
import { readWhole } from './archive-open.ts'
import type { ArchiveEnd, RefusedFile, StreamedFile } from './archive-read.ts'
import type { FileStream, StreamSource } from './stream-files.ts'

const maxIndexes = 1000
/** what encrypting adds at most: a header, and 16 bytes for each 64 KiB */
const overheadOf = (sizeBytes: number): number => 64 * 1024 + Math.ceil(sizeBytes / 65_536) * 16

/** Returns whether a folder is an encrypted medium. */
export function isAgeMedium(root: string): boolean {
  return new Outside(root).size(agePath) !== undefined
}

/**
 * Returns the replicas of an encrypted medium, one for each node that wrote to it, as streams: nothing is decrypted before it is read, and nothing
 * decrypted is ever written.
 * @param onFault is told of an index that these identities don't open
 * @throws E_KEY where they open none
 */
export async function openAgeMedium(
  root: string,
  identities: readonly string[],
  onFault: (refused: RefusedFile) => void
): Promise<readonly StreamSource[]> {
  const files = new Outside(root)
  const names = files.names('').filter((name) => /^[0-9a-f]{32}\.index\.age$/.test(name))
  const sources: StreamSource[] = []
  for (const name of names.slice(0, maxIndexes)) {
    try {
      const size = files.size(name) ?? 0
      if (size > maxAgeIndexBytes + overheadOf(maxAgeIndexBytes)) throw new RejoinError('E_TOO_LARGE', `it has ${size} bytes`)
      const bytes = Buffer.concat(await Array.fromAsync(decrypted(readWhole(`${root}/${name}`), identities)))
      const entries = parseAgeIndex(bytes)
      sources.push({
        name: `${root} (${name.slice(0, 8)})`,
        isSeekable: true,
        open: (onRefused) => new AgeStream(files, entries, identities, onRefused)
      })
    } catch (error) {
      if (!(error instanceof RejoinError) || error.code === 'E_GONE' || error.code === 'E_IO') throw error
      onFault({ path: name, reason: error.message })
    }
  }
  if (sources.length === 0)
    throw new RejoinError(
      'E_KEY',
      names.length === 0
        ? `${root} has no index: nothing was written to its end`
        : `none of the identities opens an index of ${root}`
    )
  return sources
}

/** The files of an encrypted medium, in the order of its index. */
class AgeStream implements FileStream {
  end: ArchiveEnd | undefined
  private readonly medium: Outside
  private readonly entries: readonly AgeEntry[]
  private readonly identities: readonly string[]
  private readonly onRefused: (refused: RefusedFile) => void

  constructor(
    medium: Outside,
    entries: readonly AgeEntry[],
    identities: readonly string[],
    onRefused: (refused: RefusedFile) => void
  ) {
    this.medium = medium
    this.entries = entries
    this.identities = identities
    this.onRefused = onRefused
  }

  async *files(): AsyncGenerator<StreamedFile, void, void> {
    for (const entry of this.entries) {
      const { path, name, sizeBytes } = entry
      const member = memberOf(path)
      if (member === undefined) continue
      const stored = this.sizeOf(name)
      if (stored === undefined || stored > filledBytes(sizeBytes) + overheadOf(filledBytes(sizeBytes)))
        this.onRefused({
          path,
          reason: stored === undefined ? `${name}${ageFileEnd} is missing` : 'it is longer than the index says'
        })
      else yield { path, member, sizeBytes, body: this.body(entry) }
    }
    this.end = { kind: 'whole' }
    await Promise.resolve()
  }

  /** A link or a device is as good as nothing. */
  private sizeOf(name: string): number | undefined {
    try {
      return this.medium.size(`${name}${ageFileEnd}`)
    } catch (error) {
      if (error instanceof RejoinError && error.code === 'E_BAD_OBJECT') return undefined
      throw error
    }
  }

  /** A damaged file ends early, and is told: what reads it sees that it is too short. */
  private async *body({ path, name, sizeBytes, sha256 }: AgeEntry): AsyncGenerator<Uint8Array, void, void> {
    const hash = createHash('sha256')
    let length = 0
    let last: Uint8Array | undefined
    try {
      for await (const piece of decrypted(readWhole(`${this.medium.root}/${name}${ageFileEnd}`), this.identities)) {
        // what follows only fills up
        const part = piece.subarray(0, sizeBytes - length)
        hash.update(part)
        length += part.length
        if (last !== undefined) yield last
        last = part
        if (length === sizeBytes) break
      }
    } catch (error) {
      if (!(error instanceof RejoinError) || error.code === 'E_GONE' || error.code === 'E_IO') throw error
      return this.onRefused({ path, reason: error.message })
    }
    const digest = digestInPath(path)
    const expected =
      sha256 ?? (digest !== undefined && digestParts(digest).algorithm === 'sha256' ? digestParts(digest).hex : undefined)
    // the last piece is held back until all of it is known to be right
    if (length !== sizeBytes || (expected !== undefined && hash.digest('hex') !== expected))
      return this.onRefused({ path, reason: 'its decrypted bytes are others than the index says' })
    if (last !== undefined) yield last
  }
}

/** Returns the root of the encrypted medium that a folder holds: the folder itself, or `rejoin-encrypted` in it; undefined where there is none. */
export function rootOfAge(dir: string): string | undefined {
  return [dir, join(dir, 'rejoin-encrypted')].find((root) => existsSync(join(root, agePath)))
}
