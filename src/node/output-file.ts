import type { Digest } from '../core/index.ts'
import type { Node } from './node.ts'

/** A file of an output: a blob's bytes, or a short text. */
export interface OutputFile {
  readonly path: string
  readonly size: number
  readonly blob?: { readonly digest: Digest; readonly path: string }
  readonly text?: string
}

/** Returns a file that has the bytes of a blob. */
export function blobFile(node: Node, digest: Digest, path: string): OutputFile {
  return { path, size: node.blobs.size(digest) as number, blob: { digest, path: node.blobs.pathOf(digest) } }
}

/** Returns a file that has a text. */
export function textFile(path: string, text: string): OutputFile {
  return { path, size: Buffer.byteLength(text), text }
}
