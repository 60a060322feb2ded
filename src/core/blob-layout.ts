import { type Digest, digestParts } from './digest.ts'

/** Returns the path of a blob that must not leave the node, e.g. `private/blobs/sha256/<hex>`. */
export function privateBlobPath(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest)
  return `private/blobs/${algorithm}/${hex}`
}

/** Returns the path of a small blob that is not durable yet, e.g. `private/fresh/sha256-<hex>`. */
export function freshBlobPath(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest)
  return `private/fresh/${algorithm}-${hex}`
}

/** Returns the path of a blob that is not yet complete, e.g. `tmp/sha256-<hex>.part`; another run goes on with it. */
export function partPath(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest)
  return `tmp/${algorithm}-${hex}.part`
}

/** Returns the path of the leaf hashes of a large blob, e.g. `private/leaves/sha256/<hex>`; derived, can be deleted. */
export function leavesPath(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest)
  return `private/leaves/${algorithm}/${hex}`
}

/** Returns the folder of a blob that a medium can't take as one file of `blobs/`, e.g. `parts/sha256/0a/<hex>`. */
export function partsFolder(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest)
  return `parts/${algorithm}/${hex.slice(0, 2)}/${hex}`
}

/** Returns the path of a part of such a blob, e.g. `parts/sha256/0a/<hex>/00000`. */
export function partsPath(digest: Digest, part: number): string {
  return `${partsFolder(digest)}/${String(part).padStart(5, '0')}`
}
