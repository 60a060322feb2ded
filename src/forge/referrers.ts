import { isManifestType, maxManifestBytes, readManifest } from '../artifact/index.ts'
import { type Digest, RejoinError } from '../core/index.ts'
import type { BlobStore } from '../store/index.ts'
import type { SeenTag } from './forge-state.ts'

const minuteMs = 60_000
const dayMs = 86_400_000
/** what refers to one artifact, and to that, is followed up to so many */
const maxReferrers = 1000

/**
 * Returns whether it is time to ask again what refers to an artifact, at a forge that doesn't say so with its tags: signatures and SBOMs come soon after an image,
 * if at all. So after as long again as the artifact had been there when it was last asked; between a minute and a day.
 */
export function areReferrersDue({ since, asked }: SeenTag, nowMs: number): boolean {
  if (since === undefined || asked === undefined) return true
  const [sinceMs, askedMs] = [Date.parse(since), Date.parse(asked)]
  const gapMs = Math.min(dayMs, Math.max(minuteMs, askedMs - sinceMs))
  return !(nowMs - askedMs < gapMs)
}

/**
 * Goes over what refers to an artifact, to its parts where it is an index, and to what was found so, and so on.
 * @param of returns what refers to a manifest
 * @param take takes a referrer; returns whether it is here, and so what refers to it is looked for
 */
export async function walkReferrers(
  blobs: BlobStore,
  root: Digest,
  of: (subject: Digest) => Promise<readonly Digest[]>,
  take: (referrer: Digest) => Promise<boolean>
): Promise<void> {
  const queue = [root, ...(await partsOf(blobs, root))]
  const seen = new Set(queue)
  let count = 0
  for (let subject = queue.shift(); subject !== undefined; subject = queue.shift())
    for (const referrer of await of(subject)) {
      if (seen.has(referrer) || count >= maxReferrers) continue
      seen.add(referrer)
      count++
      if (await take(referrer)) queue.push(referrer)
    }
}

/** Returns the manifests that an index names itself. */
async function partsOf(blobs: BlobStore, digest: Digest): Promise<readonly Digest[]> {
  if (!blobs.has(digest)) return []
  try {
    const { manifests } = readManifest(await blobs.readBytes(digest, maxManifestBytes))
    return manifests.filter(({ mediaType }) => isManifestType(mediaType)).map((one) => one.digest)
  } catch (error) {
    if (error instanceof RejoinError && error.code === 'E_DOCUMENT') return []
    throw error
  }
}
