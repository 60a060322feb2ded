import type { ServerResponse } from 'node:http'
import { RejoinError } from '../core/index.ts'

/** The codes of the OCI distribution-spec, and UNKNOWN for what is this node's fault. */
export type FaultCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'UNAUTHORIZED'
  | 'DENIED'
  | 'UNSUPPORTED'
  | 'TOOMANYREQUESTS'
  | 'UNKNOWN'

/** One entry of the body `{"errors":[…]}`. */
export interface FaultEntry {
  readonly code: FaultCode
  readonly message: string
  readonly detail?: unknown
}

/** Why a request is not answered with what it asked for. */
export class RegistryFault extends Error {
  readonly status: number
  readonly errors: readonly FaultEntry[]
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, errors: FaultEntry | readonly FaultEntry[], headers: Readonly<Record<string, string>> = {}) {
    const list = Array.isArray(errors) ? (errors as readonly FaultEntry[]) : [errors as FaultEntry]
    super(list[0]?.message ?? 'fault')
    this.name = 'RegistryFault'
    this.status = status
    this.errors = list
    this.headers = headers
  }
}

/** Returns a fault with one entry. */
export function fault(
  status: number,
  code: FaultCode,
  message: string,
  more: { readonly detail?: unknown; readonly headers?: Readonly<Record<string, string>> } = {}
): RegistryFault {
  return new RegistryFault(status, { code, message, ...(more.detail !== undefined && { detail: more.detail }) }, more.headers)
}

/** Returns anything thrown as a fault; what is no error of ours is a bug, of which nothing but that is told. */
export function faultOf(error: unknown): RegistryFault {
  if (error instanceof RegistryFault) return error
  if (!(error instanceof RejoinError)) return fault(500, 'UNKNOWN', 'the node has a fault')
  switch (error.code) {
    case 'E_REFUSED':
      return fault(403, 'DENIED', error.message)
    case 'E_BAD_OBJECT':
    case 'E_DIGEST':
      return fault(400, 'DIGEST_INVALID', error.message)
    case 'E_TOO_LARGE':
      return fault(413, 'SIZE_INVALID', error.message)
    case 'E_NOT_FOUND':
      return fault(404, 'BLOB_UNKNOWN', error.message)
    case 'E_NO_SPACE':
      return fault(507, 'UNKNOWN', error.message)
    default:
      return fault(503, 'UNKNOWN', error.message, { headers: { 'retry-after': '5' } })
  }
}

/** Answers with a fault; the body is left out for HEAD. */
export function answerFault(response: ServerResponse, { status, errors, headers }: RegistryFault, isHead: boolean): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const body = Buffer.from(JSON.stringify({ errors }))
  response.writeHead(status, { ...headers, 'content-type': 'application/json', 'content-length': body.length })
  response.end(isHead ? undefined : body)
}
