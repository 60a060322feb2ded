import { type Digest, isDigest, isRepository, isTag } from '../core/index.ts'
import { fault, type FaultCode } from './fault.ts'

/** What a path below `/v2/` names. */
export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly digest: string }
  | { readonly kind: 'uploads'; readonly name: string }
  | { readonly kind: 'upload'; readonly name: string; readonly id: string }

const shape =
  /^\/v2(?:\/(?:(_catalog)|(.+)\/(?:(manifests|blobs|referrers)\/([^/]+)|(blobs\/uploads)(?:\/([^/]*))?|(tags\/list)))?)?$/
const uploadShape = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const maxPathLength = 1024

function decoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Returns what the path of a request names, undefined where it names nothing. */
export function routeOf(path: string): Route | undefined {
  if (path.length > maxPathLength) return undefined
  const found = shape.exec(path)
  if (found === null) return undefined
  const [, catalog, rawName, kind, last, uploads, upload, tags] = found
  if (catalog !== undefined) return { kind: 'catalog' }
  if (rawName === undefined) return { kind: 'base' }
  const name = decoded(rawName)
  if (tags !== undefined) return { kind: 'tags', name }
  if (uploads !== undefined)
    return upload === undefined || upload === '' ? { kind: 'uploads', name } : { kind: 'upload', name, id: upload }
  const word = decoded(last as string)
  if (kind === 'manifests') return { kind: 'manifest', name, reference: word }
  if (kind === 'referrers') return { kind: 'referrers', name, digest: word }
  return word === 'uploads' ? { kind: 'uploads', name } : { kind: 'blob', name, digest: word }
}

/** Checks the name of a repository: what is none is not found, and can't be written to. @throws NAME_INVALID */
export function mustBeName(name: string, isRead: boolean): void {
  if (!isRepository(name))
    throw fault(isRead ? 404 : 400, 'NAME_INVALID', `not a repository name: ${JSON.stringify(name.slice(0, 80))}`)
}

/** Returns a text as a digest. @throws the code that is given */
export function mustBeDigest(text: string | null | undefined, status: 400 | 404, code: FaultCode = 'DIGEST_INVALID'): Digest {
  if (text === null || text === undefined || !isDigest(text))
    throw fault(status, code, `not a sha256 or sha512 digest: ${JSON.stringify((text ?? '').slice(0, 80))}`)
  return text
}

/** Checks a tag. @throws MANIFEST_INVALID */
export function mustBeTag(tag: string): void {
  if (!isTag(tag)) throw fault(400, 'MANIFEST_INVALID', `not a tag: ${JSON.stringify(tag.slice(0, 80))}`)
}

/** Returns whether a text is the ID of an upload. */
export function isUploadId(text: string): boolean {
  return uploadShape.test(text)
}
