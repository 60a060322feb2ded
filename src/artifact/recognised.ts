import { RejoinError } from '../core/index.ts'
import { printable } from './printable.ts'

/** The kinds of document that are known by their content; each is a name for `--type`. */
export const typeNames = [
  'cyclonedx',
  'spdx',
  'openvex',
  'csaf',
  'intoto',
  'dsse',
  'sigstore-bundle',
  'npm-attestations',
  'intoto-bundle',
  'cnab-bundle',
  'cnab-claim',
  'cnab-claim-result',
  'cnab-dependencies',
  'cnab-parameter-sources',
  'cnab-status',
  'cnab-relocation-mapping'
] as const

/** One of typeNames. */
export type TypeName = (typeof typeNames)[number]

/** The event that says a document of a kind was published. */
export type EventType =
  | 'sbom.published'
  | 'vex.published'
  | 'attestation.published'
  | 'bundle.published'
  | 'claim.published'
  | 'artifact.published'

/**
 * What a warning is about. W_SCHEMA: a fault against the official schema · W_NO_SCHEMA: no schema of this version is here ·
 * W_NOT_CHECKED: too large to be checked · W_CONTENT: something is missing that the format asks for · W_PURL: a malformed
 * package URL · W_BYTE_ORDER_MARK: the text begins with one
 */
export type WarningCode = 'W_SCHEMA' | 'W_NO_SCHEMA' | 'W_NOT_CHECKED' | 'W_CONTENT' | 'W_PURL' | 'W_BYTE_ORDER_MARK'

/** A fault that stops nothing and is kept with the artifact. */
export interface Warning {
  readonly code: WarningCode
  /** under 120 characters, printable */
  readonly message: string
  /** where in the document: a JSON pointer, or `line 3` */
  readonly at?: string
}

/** What a document is. */
export interface Recognised {
  /** one of typeNames, or `opaque` for bytes whose media type was given */
  readonly format: TypeName | 'opaque'
  /** media type of the document's bytes */
  readonly mediaType: string
  /** artifactType of its manifest */
  readonly artifactType: string
  readonly eventType: EventType
  /** version of the format, such as `1.6` */
  readonly specVersion?: string
  /** what the document says it is about, printable, 200 characters at most */
  readonly title?: string
  /** at most 10 */
  readonly warnings: readonly Warning[]
}

/** What one format's reader says of one document. */
export interface Facts {
  readonly mediaType: string
  /** where it is not the media type */
  readonly artifactType?: string
  readonly eventType: EventType
  readonly specVersion?: string | undefined
  readonly title?: string | undefined
  readonly warnings?: readonly Warning[]
}

/** The largest document that is read, 64 MiB. */
export const maxDocumentBytes: number = 64 * 1024 * 1024
/** The deepest nesting of arrays, objects and XML elements that is read. */
export const maxDocumentDepth: number = 128
/** The most warnings that are kept of one document. */
export const maxWarnings: number = 10

const maxMessageChars = 119
const maxPlaceChars = 200

/** Makes a warning whose texts are printable and short enough. */
export function warning(code: WarningCode, message: string, at?: string): Warning {
  const shown = printable(message, maxMessageChars)
  return at === undefined || at === '' ? { code, message: shown } : { code, message: shown, at: printable(at, maxPlaceChars) }
}

/** Returns a title that is fit to show, or undefined where nothing is left of it. */
export function titleOf(...words: readonly unknown[]): string | undefined {
  const text = words.filter((word) => typeof word === 'string' && word !== '').join(' ')
  const title = printable(text, 200).trim()
  return title === '' ? undefined : title
}

/** Returns the error for a document that is not what it was said to be. */
export function notOfType(type: TypeName, reason: string): RejoinError {
  return new RejoinError('E_DOCUMENT', printable(`the document is not ${type}: ${reason}`, maxMessageChars))
}
