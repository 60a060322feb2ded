import { errorCodes, RejoinError } from '../core/index.ts'

/** An error as the HTTP port says it: a status, and a body with the same members as on the command line. */
export interface ErrorAnswer {
  readonly status: number
  readonly body: { readonly error: { readonly code: string; readonly message: string; readonly hint?: string } }
}

/** Returns how an error of ours is answered. */
export function answerOf({ code, message, hint }: RejoinError, status: number = errorCodes[code].http): ErrorAnswer {
  return { status, body: { error: { code, message, ...(hint !== undefined && { hint }) } } }
}
