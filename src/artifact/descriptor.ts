import { type Digest, isDigest, isObject, type Json, type JsonObject, RejoinError } from '../core/index.ts'
import { isMediaType } from './media-type.ts'

/**
 * What names a blob and says what it is: `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:…","size":583}`
 * @see https://github.com/opencontainers/image-spec/blob/main/descriptor.md
 */
export interface OciDescriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** bytes, 0 to 2^53-1 */
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly urls?: readonly string[]
  readonly platform?: JsonObject
}

/** Returns the error for a manifest, index or descriptor that is none. */
export function malformed(what: string, at: string): RejoinError {
  return new RejoinError('E_DOCUMENT', `${what} in the manifest`, { at })
}

/** Returns annotations, undefined where there are none. @throws E_DOCUMENT where one is no string */
export function parseAnnotations(value: Json | undefined, at: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw malformed('"annotations" is no object', at)
  for (const text of Object.values(value)) if (typeof text !== 'string') throw malformed('an annotation is no string', at)
  return value as Readonly<Record<string, string>>
}

function isReadable(mediaType: string): boolean {
  const parameters = mediaType.indexOf(';')
  return parameters === -1
    ? isMediaType(mediaType)
    : isMediaType(mediaType.slice(0, parameters)) && /^;[ -~]{0,200}$/.test(mediaType.slice(parameters))
}

/** Returns an optional media type; parameters, which OCI does not allow, are in real artifactTypes. @throws E_DOCUMENT where it is malformed */
export function parseMediaType(value: Json | undefined, member: string, at: string): string | undefined {
  if (value === undefined || value === '') return undefined
  if (typeof value !== 'string' || !isReadable(value)) throw malformed(`"${member}" is no media type`, at)
  return value
}

function parseUrls(value: Json | undefined, at: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value) || !value.every((url) => typeof url === 'string')) throw malformed('"urls" is no list of strings', at)
  return value
}

/**
 * Returns a descriptor whose members are checked; members that are not of OciDescriptor are dropped.
 * @param at where it is, a JSON pointer
 * @throws E_DOCUMENT
 */
export function parseDescriptor(value: Json | undefined, at: string): OciDescriptor {
  if (!isObject(value)) throw malformed('a descriptor is no object', at)
  const mediaType = parseMediaType(value['mediaType'], 'mediaType', at)
  if (mediaType === undefined) throw malformed('a descriptor has no media type', at)
  const { digest, size, platform } = value
  if (typeof digest !== 'string' || !isDigest(digest)) throw malformed('a descriptor has no valid digest', at)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw malformed('a descriptor has no valid size', at)
  if (platform !== undefined && platform !== null && !isObject(platform)) throw malformed('"platform" is no object', at)
  const artifactType = parseMediaType(value['artifactType'], 'artifactType', at)
  const annotations = parseAnnotations(value['annotations'], at)
  const urls = parseUrls(value['urls'], at)
  return {
    mediaType,
    digest,
    size,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
    ...(urls !== undefined && { urls }),
    ...(isObject(platform) && { platform })
  }
}

/** Returns whether a blob may be left out of where its manifest is: a layer that can't be distributed, or one that is to be had at a URL. */
export function isElsewhere({ mediaType, urls }: OciDescriptor): boolean {
  return /nondistributable|\.foreign\./.test(mediaType) || (urls !== undefined && urls.length > 0)
}
