import { codeOf, type ErrorCode, RejoinError } from '../core/index.ts'

/** An object that a replica has not, or not as it should be. */
export interface WebFault {
  /** path below the replica */
  readonly path: string
  readonly reason: string
  readonly code: ErrorCode
  /** missing: it is not there, or ends early; bad: it is there, and is not what it should be */
  readonly kind: 'missing' | 'bad'
}

/** these end the whole sync: the server, the network or this side */
const endsAll: readonly (ErrorCode | undefined)[] = [
  undefined,
  'E_GONE',
  'E_TIMEOUT',
  'E_UNREACHABLE',
  'E_INTERRUPTED',
  'E_TERMINATED',
  'E_NO_SPACE',
  'E_IO'
]

/** What was found wrong in a replica on the web: each object once. */
export class WebFaults {
  private readonly found = new Map<string, WebFault>()

  /** Returns what was found so far. */
  list(): readonly WebFault[] {
    return [...this.found.values()]
  }

  /** Notes a fault by its path, and returns what is to be thrown: E_NOT_FOUND, on which the rest goes on, or the error where it ends all. */
  note(error: unknown, path: string): unknown {
    const code = codeOf(error)
    if (!(error instanceof RejoinError) || code === undefined || endsAll.includes(code)) return error
    const at = error.at ?? path
    const kind = code === 'E_NOT_FOUND' || code === 'E_INCOMPLETE' || code === 'E_PERMISSION' ? 'missing' : 'bad'
    if (!this.found.has(at)) this.found.set(at, { path: at, reason: error.message, code, kind })
    return new RejoinError('E_NOT_FOUND', error.message, { cause: error })
  }
}
