import { type Digest, isDigest, RejoinError } from '../core/index.ts'
import type { Bundle } from './cnab-bundle.ts'
import { fullImageName } from './image-name.ts'
import type { LayoutRoot } from './manifest-read.ts'

/** A file of a thick bundle, by the place that its path names. */
export type ThickMember =
  | { readonly kind: 'bundle' | 'index' | 'oci-layout' }
  | { readonly kind: 'blob'; readonly digest: Digest }

/** Where the image layout of a thick bundle is. */
export const thickLayout: string = 'artifacts/layout'

/**
 * Returns what a path in a thick bundle names, undefined where it is none of its files: those may be there, and nothing of them is read.
 * @see https://github.com/cnabio/cnab-spec/blob/main/104-bundle-formats.md#file-format-for-thick-bundles
 */
export function thickMemberOf(path: string): ThickMember | undefined {
  if (path === 'bundle.json') return { kind: 'bundle' }
  if (path === `${thickLayout}/index.json`) return { kind: 'index' }
  if (path === `${thickLayout}/oci-layout`) return { kind: 'oci-layout' }
  const parts = path.split('/')
  const digest = `${parts[3]}:${parts[4]}`
  return parts.length === 5 && path.startsWith(`${thickLayout}/blobs/`) && isDigest(digest) ? { kind: 'blob', digest } : undefined
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 60))
}

/**
 * Returns the digest of each image of a bundle, in the order of bundle.images: the one that bundle.json says, else the one that the layout has under
 * the image's name.
 * @throws E_DOCUMENT where the layout has no image of that name, several, or another one than bundle.json says
 */
export function digestsInLayout({ images }: Bundle, roots: readonly LayoutRoot[]): readonly Digest[] {
  const byName = new Map<string, Set<Digest>>()
  for (const { refName, digest } of roots) {
    if (refName === undefined) continue
    const name = fullImageName(refName) ?? refName
    byName.set(name, (byName.get(name) ?? new Set()).add(digest))
  }
  return images.map(({ image, digest }) => {
    const named = byName.get(fullImageName(image) ?? image) ?? new Set<Digest>()
    if (digest !== undefined) {
      if (named.size > 0 && !named.has(digest))
        throw new RejoinError(
          'E_DOCUMENT',
          `${shown(image)} is another image in the layout than the contentDigest in bundle.json`
        )
      return digest
    }
    const [only] = named
    if (only === undefined)
      throw new RejoinError('E_DOCUMENT', `the layout has no image ${shown(image)}, which bundle.json names`)
    if (named.size > 1)
      throw new RejoinError('E_DOCUMENT', `the layout has ${named.size} images ${shown(image)}, and bundle.json no contentDigest`)
    return only
  })
}
