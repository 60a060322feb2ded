/** What a code means to a program: its exit code, its HTTP status and whether the same call may succeed later. */
export interface ErrorMeaning {
  readonly exit: number
  readonly http: number
  readonly retry: boolean
  readonly meaning: string
}

const meaning = (exit: number, http: number, retry: boolean, text: string): ErrorMeaning => ({ exit, http, retry, meaning: text })

/** The closed union of error codes. */
export type ErrorCode =
  | 'E_USAGE'
  | 'E_CONFIG'
  | 'E_TRUST_FILE'
  | 'E_NO_DATA'
  | 'E_EXISTS'
  | 'E_LOCKED'
  | 'E_PERMISSION'
  | 'E_IO'
  | 'E_NO_SPACE'
  | 'E_NOT_FOUND'
  | 'E_TOO_LARGE'
  | 'E_TOO_DEEP'
  | 'E_UTF8'
  | 'E_JSON'
  | 'E_XML'
  | 'E_DUPLICATE_KEY'
  | 'E_FORBIDDEN_KEY'
  | 'E_NOT_CANONICAL'
  | 'E_EVENT'
  | 'E_OPENED'
  | 'E_DIGEST'
  | 'E_KEY'
  | 'E_NOTE'
  | 'E_CHECKPOINT'
  | 'E_ORIGIN'
  | 'E_SIGNATURE'
  | 'E_PROOF'
  | 'E_RECEIPT'
  | 'E_TOKEN'
  | 'E_TILE'
  | 'E_ROOT'
  | 'E_LINE'
  | 'E_WITHHELD'
  | 'E_BAD_OBJECT'
  | 'E_DAMAGED'
  | 'E_ARCHIVE'
  | 'E_FORK'
  | 'E_REFUSED'
  | 'E_SEAL'
  | 'E_CODE'
  | 'E_UNKNOWN_TYPE'
  | 'E_DOCUMENT'
  | 'E_FRAME'
  | 'E_PROTOCOL'
  | 'E_VERSION'
  | 'E_NETWORK'
  | 'E_UNREACHABLE'
  | 'E_GONE'
  | 'E_TIMEOUT'
  | 'E_INCOMPLETE'
  | 'E_INTERRUPTED'
  | 'E_TERMINATED'

/** Every error code there is; protocols/errors.md lists the same table, and a test compares them. */
export const errorCodes: Readonly<Record<ErrorCode, ErrorMeaning>> = {
  E_USAGE: meaning(2, 400, false, 'the command or its arguments are wrong'),
  E_CONFIG: meaning(2, 400, false, 'config.yaml or a setting is not valid'),
  E_TRUST_FILE: meaning(2, 400, false, 'trust.yaml is not valid; the rules in force stay in force'),
  E_NO_DATA: meaning(2, 404, false, 'there is no node in this data folder'),
  E_EXISTS: meaning(1, 409, false, 'something that would be overwritten is already there'),
  E_LOCKED: meaning(1, 409, true, 'another process has the data folder open'),
  E_PERMISSION: meaning(1, 403, false, 'the operating system does not permit it'),
  E_IO: meaning(14, 500, true, 'a file could not be read or written'),
  E_NO_SPACE: meaning(13, 507, true, 'no space is left; what was finished is kept'),
  E_NOT_FOUND: meaning(1, 404, true, 'nothing of that name is known here'),
  E_TOO_LARGE: meaning(1, 413, false, 'a document, line or frame is over its byte limit'),
  E_TOO_DEEP: meaning(1, 400, false, 'JSON or XML is nested deeper than the limit'),
  E_UTF8: meaning(1, 400, false, 'text is not valid UTF-8'),
  E_JSON: meaning(1, 400, false, 'text is not JSON'),
  E_XML: meaning(1, 400, false, 'text is not well-formed XML, or has a document type declaration'),
  E_DUPLICATE_KEY: meaning(1, 400, false, 'a JSON object has one key twice'),
  E_FORBIDDEN_KEY: meaning(1, 400, false, 'a JSON object has a key that programs confuse with their own, such as __proto__'),
  E_NOT_CANONICAL: meaning(1, 400, false, 'JSON is not in its RFC 8785 canonical form'),
  E_EVENT: meaning(1, 400, false, 'a line is not an event: a member is missing, unknown or wrong'),
  E_OPENED: meaning(1, 400, false, 'the first line of a log is not a valid log.opened'),
  E_DIGEST: meaning(1, 400, false, 'a digest is not of the form sha256:<hex> or sha512:<hex>'),
  E_KEY: meaning(1, 400, false, 'a key is malformed, of an unknown kind or of low order'),
  E_NOTE: meaning(1, 400, false, 'a signed note is malformed'),
  E_CHECKPOINT: meaning(1, 400, false, 'the text of a checkpoint is malformed'),
  E_ORIGIN: meaning(1, 400, false, 'a checkpoint belongs to another log'),
  E_SIGNATURE: meaning(1, 400, false, 'a signature does not verify'),
  E_PROOF: meaning(1, 400, false, 'a proof is malformed or does not lead to the signed root'),
  E_RECEIPT: meaning(1, 400, false, 'a COSE receipt is malformed or does not verify'),
  E_TOKEN: meaning(1, 400, false, 'a token is malformed, out of date, or not for this key'),
  E_TILE: meaning(1, 400, false, 'a tile has a wrong length or other hashes than its log'),
  E_ROOT: meaning(1, 400, false, 'lines do not give the signed root'),
  E_LINE: meaning(1, 400, false, 'a line on disk is damaged'),
  E_WITHHELD: meaning(1, 400, false, 'a withheld marker is malformed or misaligned'),
  E_BAD_OBJECT: meaning(11, 400, false, 'the bytes of a blob do not have its digest'),
  E_DAMAGED: meaning(11, 500, false, 'a data folder has damaged objects'),
  E_ARCHIVE: meaning(11, 400, false, 'an archive is none, is damaged, or has links or paths that no archive of its kind has'),
  E_FORK: meaning(15, 409, false, 'one log has two histories'),
  E_REFUSED: meaning(12, 403, false, 'the trust rules refuse it'),
  E_SEAL: meaning(12, 403, false, 'a medium has no good seal of a known identity, and the rules ask for one'),
  E_CODE: meaning(2, 400, false, 'six words are none of a code, or stand for nothing that was exported'),
  E_UNKNOWN_TYPE: meaning(1, 415, false, 'a document is of no kind that is known here'),
  E_DOCUMENT: meaning(1, 400, false, 'a document is not what it claims or is said to be'),
  E_FRAME: meaning(1, 400, false, 'a protocol frame is malformed'),
  E_PROTOCOL: meaning(1, 400, false, 'the other side broke the order of the protocol'),
  E_VERSION: meaning(1, 400, false, 'the other side or the folder has a version that is not supported'),
  E_NETWORK: meaning(1, 403, false, 'the other side belongs to another network'),
  E_UNREACHABLE: meaning(14, 503, true, 'a peer could not be reached'),
  E_GONE: meaning(14, 503, true, 'the peer or medium went away before the end'),
  E_TIMEOUT: meaning(14, 504, true, 'the other side made no progress in time'),
  E_INCOMPLETE: meaning(10, 503, true, 'progress was made, but something is still missing'),
  E_INTERRUPTED: meaning(130, 503, true, 'the user interrupted it'),
  E_TERMINATED: meaning(143, 503, true, 'the process was asked to end')
}

/** More about a RejoinError: the command or edit that helps, where in the input it was, and what caused it. */
export interface ErrorDetail {
  readonly hint?: string
  readonly at?: string
  readonly cause?: unknown
}

/** The one error class: a stable code and one clear sentence without capital and full stop. */
export class RejoinError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly at: string | undefined

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = 'RejoinError'
    this.code = code
    this.hint = detail.hint
    this.at = detail.at
  }
}

/** Returns the code of any thrown value, or undefined where it is none of ours. */
export function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof RejoinError ? error.code : undefined
}

/** Returns the error that came first, where closing what was open failed too: with a medium that is gone, everything fails. */
export function firstError(thrown: unknown): unknown {
  let error = thrown
  while (error instanceof SuppressedError) error = error.suppressed
  return error
}
