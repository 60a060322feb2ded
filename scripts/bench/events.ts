import { randomBytes } from 'node:crypto'
import type { Draft } from '../../src/store/index.ts'

const digest = (): string => `sha256:${randomBytes(32).toString('hex')}`

/** Returns the draft of an event whose line has about 600 bytes, with two random digests in it. */
export function draft(): Draft {
  const subject = digest()
  const data = {
    artifactType: 'application/vnd.cyclonedx+json',
    digest: subject,
    layer: digest(),
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    repository: 'apps/x',
    size: 12345
  }
  return { type: 'sbom.published', subject, data }
}

/** Returns many such drafts. */
export function drafts(count: number): readonly Draft[] {
  return Array.from({ length: count }, draft)
}
