import { hex, sha256 } from '../../src/core/index.ts'

/** What is wrong with an announcement that a liar made. */
export type Forgery = 'malformed' | 'badly signed' | 'changed'

/** An announcement on its way. */
export interface Message {
  /** SHA-256 of the bytes, as gossipsub has it here: a message is heard once */
  readonly id: string
  readonly bytes: Uint8Array
  /** what only the oracle knows */
  readonly forgery: Forgery | undefined
}

/** Carries announcements to a node's neighbours, and its wish to sync. */
export interface Ether {
  /** Sends a message to the neighbours, but not back to whom it came from. */
  readonly spread: (from: number, message: Message, except: number | undefined) => void
  /** Has a node sync soon. */
  readonly pull: (index: number) => void
}

/** Returns a message of these bytes. */
export function messageOf(bytes: Uint8Array, forgery?: Forgery): Message {
  return { id: hex(sha256(bytes)), bytes, forgery }
}
