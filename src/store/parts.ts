import { chunkBytes, type Digest, partsFolder, partsPath, RejoinError } from '../core/index.ts'
import type { Outside } from './outside.ts'

const maxParts = 65_536

/** A blob that lies in several files, in order; all but the last are of one size, a multiple of 1 MiB. */
export interface Parts {
  readonly sizeBytes: number
  readonly partBytes: number
  readonly paths: readonly string[]
}

/**
 * Returns the files of a blob below `parts/`, undefined where there are none. Those of one that is not all there have fewer bytes than the blob.
 * @throws E_BAD_OBJECT where they don't follow each other · E_IO
 */
export function partsOf(files: Outside, digest: Digest): Parts | undefined {
  const count = files.names(partsFolder(digest)).filter((name) => /^[0-9]{5}$/.test(name)).length
  if (count === 0) return undefined
  if (count > maxParts) throw new RejoinError('E_BAD_OBJECT', `blob ${digest} has ${count} parts`)
  const paths = Array.from({ length: count }, (_, part) => partsPath(digest, part))
  const sizes = paths.map((path) => files.size(path))
  const partBytes = sizes[0] ?? 0
  const isRegular = sizes.every(
    (size, part) => size !== undefined && (part === count - 1 ? size <= partBytes : size === partBytes)
  )
  if (!isRegular || (count > 1 && partBytes % chunkBytes !== 0))
    throw new RejoinError('E_BAD_OBJECT', `the parts of blob ${digest} do not follow each other`)
  return { sizeBytes: sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0), partBytes, paths }
}
