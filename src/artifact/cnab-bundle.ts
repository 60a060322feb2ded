import { type Digest, isDigest, isObject, type Json, type JsonObject, parseStrict, RejoinError } from '../core/index.ts'
import { maxDocumentBytes, maxDocumentDepth } from './recognised.ts'

/** An image that a bundle.json names. */
export interface BundleImage {
  readonly kind: 'invocation' | 'component'
  /** its key among the component images; absent for an invocation image */
  readonly component?: string
  /** the reference as it stands there: the key of a relocation map */
  readonly image: string
  /** digest of its manifest or index, where the bundle says it */
  readonly digest?: Digest
}

/** What a bundle.json says of itself and its images. */
export interface Bundle {
  readonly schemaVersion: string
  readonly name: string
  readonly version: string
  readonly description: string
  readonly keywords: readonly string[] | undefined
  readonly maintainers: readonly JsonObject[] | undefined
  /** the invocation images in their order, then the component images in the order of their names */
  readonly images: readonly BundleImage[]
}

const maxImages = 10_000

function fault(what: string): RejoinError {
  return new RejoinError('E_DOCUMENT', `bundle.json: ${what}`)
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 60))
}

function textIn(document: JsonObject, member: string): string {
  const value = document[member]
  if (typeof value !== 'string') throw fault(`${member} is no text`)
  return value
}

function imageOf(value: Json, what: Pick<BundleImage, 'kind' | 'component'>): BundleImage {
  const name = what.component === undefined ? 'an invocation image' : `the image ${shown(what.component)}`
  if (!isObject(value) || typeof value['image'] !== 'string' || value['image'] === '') throw fault(`${name} has no "image"`)
  const { image, contentDigest } = value
  if (contentDigest === undefined || contentDigest === '') return { ...what, image }
  if (typeof contentDigest !== 'string' || !isDigest(contentDigest)) throw fault(`${name} has no valid contentDigest`)
  return { ...what, image, digest: contentDigest }
}

/** as Go sorts them: by their bytes */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/**
 * Returns what a bundle.json says. Faults against its schema are another matter: recognise() warns of them.
 * @throws what parseStrict throws · E_DOCUMENT where images, name or version can't be made out, or one reference has two digests
 * @see https://github.com/cnabio/cnab-spec/blob/main/101-bundle-json.md
 */
export function readBundle(bytes: Uint8Array): Bundle {
  const document = parseStrict(bytes, { maxBytes: maxDocumentBytes, maxDepth: maxDocumentDepth })
  if (!isObject(document)) throw fault('no JSON object')
  const { invocationImages, images, keywords, maintainers, description } = document
  if (!Array.isArray(invocationImages) || invocationImages.length === 0) throw fault('it has no invocation image')
  if (images !== undefined && images !== null && !isObject(images)) throw fault('"images" is no object')
  const found = [
    ...invocationImages.map((value: Json) => imageOf(value, { kind: 'invocation' })),
    ...Object.entries(images ?? {})
      .toSorted(([a], [b]) => byBytes(a, b))
      .map(([component, value]) => imageOf(value, { kind: 'component', component }))
  ]
  if (found.length > maxImages) throw fault(`${found.length} images are over the limit of ${maxImages}`)
  const digests = new Map<string, Digest>()
  for (const { image, digest } of found) {
    if (digest === undefined) continue
    if ((digests.get(image) ?? digest) !== digest) throw fault(`${shown(image)} has two digests`)
    digests.set(image, digest)
  }
  return {
    schemaVersion: textIn(document, 'schemaVersion'),
    name: textIn(document, 'name'),
    version: textIn(document, 'version'),
    description: typeof description === 'string' ? description : '',
    keywords: Array.isArray(keywords) ? keywords.filter((word) => typeof word === 'string') : undefined,
    maintainers: Array.isArray(maintainers) ? maintainers.filter((one: Json) => isObject(one)) : undefined,
    images: found
  }
}
