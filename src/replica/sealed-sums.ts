import { createHash } from 'node:crypto'
import { type Digest, digestParts, fromHex, hex, type Member, memberOf } from '../core/index.ts'
import { RejoinError } from '../core/index.ts'

const lineForm = /^([0-9a-f]{64}) [ *]([^\0\r\n]{1,300})$/
const maxLineChars = 400
/** lines of files that are no blobs: those of entries and tiles */
const maxOthers = 1_000_000
const maxSumsBytes = 256 * 1024 * 1024

/** A set of SHA-256 hashes, 32 bytes each in one array. */
export class HashSet {
  private table: Uint8Array = new Uint8Array(32 * 1024)
  private used: Uint8Array = new Uint8Array(1024)
  size = 0

  private slotOf(bytes: Uint8Array): number {
    const slots = this.used.length
    let slot =
      (((bytes[0] as number) << 16) | ((bytes[1] as number) << 8) | (bytes[2] as number) | ((bytes[3] as number) << 24)) >>> 0
    slot %= slots
    while (this.used[slot] === 1 && Buffer.compare(this.table.subarray(slot * 32, slot * 32 + 32), bytes) !== 0)
      slot = (slot + 1) % slots
    return slot
  }

  /** Adds a hash of 32 bytes. */
  add(bytes: Uint8Array): void {
    if (this.size * 4 > this.used.length * 3) this.grow()
    const slot = this.slotOf(bytes)
    if (this.used[slot] === 1) return
    this.used[slot] = 1
    this.table.set(bytes, slot * 32)
    this.size++
  }

  /** Returns whether a hash is in it. */
  has(bytes: Uint8Array): boolean {
    return this.used[this.slotOf(bytes)] === 1
  }

  /** Yields the hashes, in no order. */
  *values(): Generator<Uint8Array, void, void> {
    for (let slot = 0; slot < this.used.length; slot++)
      if (this.used[slot] === 1) yield this.table.subarray(slot * 32, slot * 32 + 32)
  }

  /** Yields the hashes, the smallest first. */
  *sorted(): Generator<Uint8Array, void, void> {
    const table = Buffer.from(this.table.buffer, this.table.byteOffset, this.table.length)
    const slots = new Uint32Array(this.size)
    for (let slot = 0, count = 0; slot < this.used.length; slot++) if (this.used[slot] === 1) slots[count++] = slot
    slots.sort((a, b) => table.compare(table, b * 32, b * 32 + 32, a * 32, a * 32 + 32))
    for (const slot of slots) yield table.subarray(slot * 32, slot * 32 + 32)
  }

  private grow(): void {
    const { table, used } = this
    this.used = new Uint8Array(used.length * 2)
    this.table = new Uint8Array(table.length * 2)
    for (let slot = 0; slot < used.length; slot++) {
      if (used[slot] !== 1) continue
      const bytes = table.subarray(slot * 32, slot * 32 + 32)
      const next = this.slotOf(bytes)
      this.used[next] = 1
      this.table.set(bytes, next * 32)
    }
  }
}

/**
 * What the SHA256SUMS of a medium list, read as streams and kept small: blobs as 32 bytes each. The digest is over all lines in the order of their paths, in
 * whatever list they stand, but those of `frontiers/` and `receipts/`, which importers add to a medium, and which are signed themselves.
 */
export class SealedSums {
  private readonly blobs = new HashSet()
  private readonly others = new Map<string, string>()
  /** lines that name no file of a replica */
  private readonly strangers = new Map<string, string>()
  private known: Digest | undefined
  private total = 0

  /** Reads one more list. @throws E_DAMAGED for a line that is none · E_TOO_LARGE */
  async read(body: AsyncIterable<Uint8Array>): Promise<void> {
    let rest = ''
    this.known = undefined
    for await (const piece of body) {
      this.total += piece.length
      if (this.total > maxSumsBytes) throw new RejoinError('E_TOO_LARGE', `SHA256SUMS is over ${maxSumsBytes} bytes`)
      const lines = (rest + Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > maxLineChars) throw new RejoinError('E_DAMAGED', 'SHA256SUMS has a line that is none of its lines')
      for (const line of lines) this.line(line)
    }
    if (rest !== '') throw new RejoinError('E_DAMAGED', 'the last line of SHA256SUMS is cut off')
  }

  private line(line: string): void {
    const [, sum, path] = lineForm.exec(line) ?? []
    if (sum === undefined || path === undefined)
      throw new RejoinError('E_DAMAGED', 'SHA256SUMS has a line that is none of its lines')
    const member = memberOf(path)
    if (member?.kind === 'blob' && member.digest === `sha256:${sum}`) return this.blobs.add(fromHex(sum) as Uint8Array)
    const map = member === undefined || isWrongBlob(member) ? this.strangers : this.others
    map.set(path, sum)
    if (map.size > maxOthers)
      throw new RejoinError('E_TOO_LARGE', `SHA256SUMS lists more than ${maxOthers} files that are no blobs`)
  }

  /** The digest that a seal names. */
  get digest(): Digest {
    return (this.known ??= this.digestNow())
  }

  private digestNow(): Digest {
    const hash = createHash('sha256')
    const say = (sum: string, path: string): unknown => hash.update(`${sum}  ${path}\n`, 'latin1')
    const rest = [...this.others, ...this.strangers]
      .filter(([path]) => !/^(?:frontiers|receipts)\//.test(path))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
    let at = 0
    for (const bytes of this.blobs.sorted()) {
      const sum = hex(bytes)
      const path = `blobs/sha256/${sum}`
      for (let next = rest[at]; next !== undefined && next[0] < path; next = rest[++at]) say(next[1], next[0])
      say(sum, path)
    }
    for (const [path, sum] of rest.slice(at)) say(sum, path)
    return `sha256:${hash.digest('hex')}` as Digest
  }

  /** Lines that name no file of a replica. */
  get foreign(): number {
    return this.strangers.size
  }

  /** Files that it lists. */
  get count(): number {
    return this.blobs.size + this.others.size
  }

  /** Returns whether it lists a blob. */
  hasBlob(digest: Digest): boolean {
    const { algorithm, hex: digits } = digestParts(digest)
    return algorithm === 'sha256' ? this.blobs.has(fromHex(digits) as Uint8Array) : this.others.has(`blobs/sha512/${digits}`)
  }

  /** Returns whether it lists a file that is no blob. */
  lists(path: string): boolean {
    return this.others.has(path)
  }

  /** Returns whether it lists a file with exactly these bytes. */
  fits(path: string, bytes: Uint8Array): boolean {
    return this.others.get(path) === hex(createHash('sha256').update(bytes).digest())
  }

  /** Yields the paths that it lists but blobs, with their sums. */
  *files(): Generator<readonly [path: string, sum: string], void, void> {
    yield* this.others
  }
}

/** A blob of SHA-256 has its name for a sum. */
function isWrongBlob(member: Member): boolean {
  return member.kind === 'blob' && digestParts(member.digest).algorithm === 'sha256'
}
