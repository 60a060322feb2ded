import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, isDigest, isRepository, textOf, utf8 } from '../core/index.ts'
import { type BlobStore, readFileRangeSync, replaceFileSync } from '../store/index.ts'

const file = 'private/links'
const maxFileBytes = 64 * 1024 * 1024
/** uploads that no manifest names yet are known to be in a repository for so many, and so long */
const maxLinks = 100_000
const maxAgeMs = 7 * 86_400_000

/**
 * Which blobs were uploaded to, or mounted into, which repository: in `private/links`, one line each, `<Unix milliseconds> <repository> <digest>`, with
 * a `-` before the digest where it was taken away. The lines outlive a kill; a power cut may lose the last ones, and then their client uploads again.
 */
export class Links implements Disposable {
  private readonly blobs: BlobStore
  /** when each was made, by `<repository> <digest>` */
  private readonly made = new Map<string, number>()
  private readonly fd: number

  constructor(blobs: BlobStore, nowMs: number) {
    this.blobs = blobs
    const path = join(blobs.root, file)
    const text = textOf(readFileRangeSync(path, 0, maxFileBytes) ?? new Uint8Array(0))
    // the part of a line that a kill left is no line
    for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) this.take(line, nowMs)
    for (const key of [...this.made.keys()]) if (!blobs.has(key.slice(key.indexOf(' ') + 1) as Digest)) this.made.delete(key)
    replaceFileSync(path, utf8([...this.made].map(([key, ms]) => `${ms} ${key}\n`).join('')), { durable: false, mode: 0o600 })
    this.fd = openSync(path, 'a')
  }

  private take(line: string, nowMs: number): void {
    const [ms, name = '', word = ''] = line.split(' ')
    const isRemoval = word.startsWith('-')
    const digest = isRemoval ? word.slice(1) : word
    if (!isRepository(name) || !isDigest(digest)) return
    if (isRemoval) this.made.delete(`${name} ${digest}`)
    else if (nowMs - Number(ms) < maxAgeMs) this.made.set(`${name} ${digest}`, Number(ms))
  }

  /** Takes note that a blob is in a repository. */
  add(name: string, digest: Digest, nowMs: number): void {
    const key = `${name} ${digest}`
    this.made.delete(key)
    this.made.set(key, nowMs)
    writeSync(this.fd, `${nowMs} ${key}\n`)
    for (const oldest of this.made.keys()) {
      if (this.made.size <= maxLinks) break
      this.made.delete(oldest)
    }
  }

  /** Takes note that a blob was taken away; returns whether it was there. */
  remove(name: string, digest: Digest, nowMs: number): boolean {
    if (!this.made.delete(`${name} ${digest}`)) return false
    writeSync(this.fd, `${nowMs} ${name} -${digest}\n`)
    return true
  }

  /** Returns whether a blob was uploaded to a repository and is still here. */
  has(name: string, digest: Digest): boolean {
    return this.made.has(`${name} ${digest}`) && this.blobs.has(digest)
  }

  /** Returns whether a blob was uploaded to any repository. */
  hasAnywhere(digest: Digest): boolean {
    for (const key of this.made.keys()) if (key.endsWith(` ${digest}`)) return true
    return false
  }

  [Symbol.dispose](): void {
    closeSync(this.fd)
  }
}
