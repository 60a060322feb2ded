import { hash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { chunkBytes, type Digest, digestOf, equal, partsPath, rangeBytes, RejoinError, utf8 } from '../core/index.ts'
import { deleteFile, makeFolder, moveFile, openRegular, readFully } from './blob-file.ts'
import { PartialBlob, type PartShape } from './blob-part.ts'
import { syncFolder } from './file.ts'
import { mediumPace } from './write-back.ts'

/** What takes the chunks of a large blob in, one by one. */
export type OpenBlob = Pick<PartialBlob, 'digest' | 'shape' | 'chunkCount' | 'has' | 'bytesOf' | 'write' | 'discard'> &
  AsyncDisposable

/**
 * A blob that is too large for one file of its medium: its chunks go to parts of the same number of chunks each. A part gets its name once it is all there, durable and
 * was read back; an interrupted run goes on with the part that it was at.
 */
export class PartedBlob implements OpenBlob {
  readonly digest: Digest
  readonly shape: PartShape
  readonly chunkCount: number
  private readonly root: string
  private readonly perPart: number
  private readonly whole = new Set<number>()
  private current: { readonly part: number; readonly open: PartialBlob } | undefined

  private constructor(root: string, digest: Digest, shape: PartShape, perPart: number) {
    this.root = root
    this.digest = digest
    this.shape = shape
    this.perPart = perPart
    this.chunkCount = shape.leaves.length / 32
  }

  /** Opens what is there of the parts, and hashes it. @param partBytes a multiple of 1 MiB */
  static async open(root: string, digest: Digest, shape: PartShape, partBytes: number): Promise<PartedBlob> {
    const parted = new PartedBlob(root, digest, shape, partBytes / chunkBytes)
    for (let part = 0; part < parted.partCount; part++) if (await parted.isRight(part)) parted.whole.add(part)
    return parted
  }

  private get partCount(): number {
    return Math.ceil(this.chunkCount / this.perPart)
  }

  /** Returns the paths of the parts. */
  get paths(): readonly string[] {
    return Array.from({ length: this.partCount }, (_, part) => partsPath(this.digest, part))
  }

  has(chunk: number): boolean {
    const part = Math.floor(chunk / this.perPart)
    return this.whole.has(part) || (this.current?.part === part && this.current.open.has(chunk - part * this.perPart))
  }

  bytesOf(chunk: number): number {
    return rangeBytes(this.shape.sizeBytes, chunk, 1)
  }

  async write(chunk: number, bytes: Uint8Array): Promise<boolean> {
    const part = Math.floor(chunk / this.perPart)
    if (this.whole.has(part)) return true
    const open = await this.openPart(part)
    if (!(await open.write(chunk - part * this.perPart, bytes))) return false
    if (open.haveCount === open.chunkCount) await this.finishPart(part, open)
    return true
  }

  /** Returns whether all parts are there. */
  get isWhole(): boolean {
    return this.whole.size === this.partCount
  }

  private shapeOf(part: number): PartShape {
    const first = part * this.perPart
    return {
      sizeBytes: rangeBytes(this.shape.sizeBytes, first, this.perPart),
      leaves: this.shape.leaves.subarray(first * 32, (first + this.perPart) * 32)
    }
  }

  private async openPart(part: number): Promise<PartialBlob> {
    if (this.current?.part === part) return this.current.open
    await this.current?.open[Symbol.asyncDispose]()
    // the name of the temporary file only: what it holds is compared with the hashes of its chunks
    const name = digestOf(utf8(`${this.digest} ${part}`))
    const open = await PartialBlob.open(this.root, name, this.shapeOf(part), () => {}, { whole: 'none', pace: mediumPace })
    this.current = { part, open }
    return open
  }

  private async finishPart(part: number, open: PartialBlob): Promise<void> {
    await open.complete()
    await open[Symbol.asyncDispose]()
    this.current = undefined
    const target = join(this.root, partsPath(this.digest, part))
    await makeFolder(dirname(target))
    await moveFile(open.path, target)
    await syncFolder(dirname(target))
    if (!(await this.isRight(part)))
      throw new RejoinError('E_IO', `the medium gives other bytes for ${this.digest} than were written to it`)
    this.whole.add(part)
  }

  /** Returns whether a part is there and has the hashes of its chunks; one that hasn't is deleted. */
  private async isRight(part: number): Promise<boolean> {
    const path = join(this.root, partsPath(this.digest, part))
    const file = await openRegular(path)
    if (file === undefined) return false
    const { sizeBytes, leaves } = this.shapeOf(part)
    try {
      const bytes = Buffer.allocUnsafe(chunkBytes)
      let isRight = (await file.stat()).size === sizeBytes
      for (let at = 0; isRight && at < sizeBytes; at += chunkBytes) {
        const chunk = bytes.subarray(0, Math.min(chunkBytes, sizeBytes - at))
        await readFully(file, chunk, at, path)
        const place = (at / chunkBytes) * 32
        isRight = equal(hash('sha256', chunk, 'buffer'), leaves.subarray(place, place + 32))
      }
      if (isRight) return true
    } finally {
      await file.close()
    }
    await deleteFile(path)
    return false
  }

  async discard(): Promise<void> {
    await this.current?.open.discard()
    this.current = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.current?.open[Symbol.asyncDispose]()
    this.current = undefined
  }
}
