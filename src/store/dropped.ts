import { join } from 'node:path'
import { type Digest, isDigest, textOf, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from './file.ts'

const file = 'private/dropped'
const maxFileBytes = 512 * 1024 * 1024

/** The artifacts that events name and this node let go, `private/dropped`, one digest a line: they are fetched only when somebody asks for them. */
export class Dropped {
  private readonly root: string
  private digests: ReadonlySet<Digest>

  constructor(root: string) {
    this.root = root
    const bytes = readFileRangeSync(join(root, file), 0, maxFileBytes)
    this.digests = new Set(bytes === undefined ? [] : textOf(bytes).split('\n').filter(isDigest))
  }

  /** Returns whether an artifact was let go. */
  has(digest: Digest): boolean {
    return this.digests.has(digest)
  }

  /** Takes note of all that is let go, durably. @throws E_NO_SPACE E_IO */
  replace(digests: ReadonlySet<Digest>): void {
    if (digests.size === 0 && this.digests.size === 0) return
    replaceFileSync(join(this.root, file), utf8([...digests].map((digest) => `${digest}\n`).join('')), { durable: true })
    this.digests = new Set(digests)
  }

  /** Takes note that an artifact is wanted again. */
  want(digest: Digest): void {
    if (this.has(digest)) this.replace(new Set([...this.digests].filter((one) => one !== digest)))
  }
}
