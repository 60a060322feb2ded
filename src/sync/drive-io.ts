import { type Catchup, fromHex, type LogId, RejoinError } from '../core/index.ts'

/** What the sessions of one node share: what is being fetched, and how to tell each other that something changed. */
export interface SyncShare {
  /** work on the store, in the order in which blocks were proven, whichever session proved them */
  readonly queue: { tail: Promise<void> }
  readonly catchups: Map<LogId, Catchup>
  readonly pokes: Set<() => void>
}

/** What a session came to. */
export interface SyncResult {
  readonly complete: boolean
  readonly events: number
  readonly refused: number
  readonly held: number
  readonly entriesReceived: number
  readonly entriesSent: number
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly conflicts: number
  /** logs of which the other side seems to have another history: to be inquired into */
  readonly suspects: readonly LogId[]
}

/** How a session is driven. */
export interface DriveOptions {
  readonly signal: AbortSignal
  readonly share: SyncShare
  /** public key of the node on the other side, where the connection proves it: then its HELLO must name the same */
  readonly peer?: Uint8Array
  readonly onProgress?: (progress: { readonly entries: number; readonly bytes: number }) => void
  /** called where the session fails by what the other side sent, and not by this side or the connection */
  readonly onFault?: (fault: RejoinError) => void
  readonly idleMs?: number
}

/** Returns what sessions of one node share, empty. */
export function newShare(): SyncShare {
  return { queue: { tail: Promise.resolve() }, catchups: new Map(), pokes: new Set() }
}

/** Returns whether an error says that lines are not those of a log that is here. */
export function isNoneOfTheLog(error: unknown): boolean {
  return error instanceof RejoinError && (error.code === 'E_ROOT' || error.code === 'E_LINE' || error.code === 'E_WITHHELD')
}

/** Returns the 16 bytes of a store's ID. */
export function bytesOf(storeId: string): Uint8Array {
  return fromHex(storeId) ?? new Uint8Array(16)
}

/** Silence that ends a session, in milliseconds. */
export const defaultIdleMs = 30_000
/** How many times as long a side may take for the next tile that it owes: whoever only keeps the line busy holds others up. */
export const idlesOfAnswer = 4
