import type { Live, Node } from '../node/index.ts'
import type { Gatekeeper } from './access.ts'
import type { AnswerCache } from './cache.ts'
import type { Contents } from './contents.ts'
import type { Fetches } from './fetches.ts'
import type { FreshUploads } from './fresh-uploads.ts'
import type { Rates } from './rates.ts'
import type { Roots } from './roots.ts'
import type { Uploads } from './uploads.ts'

/** What the parts of a registry share. */
export interface RegistryContext {
  readonly node: Node
  readonly live: Live | undefined
  readonly gatekeeper: Gatekeeper
  /** requests from addresses beyond this machine */
  readonly rates: Rates
  /** wrong tokens from them */
  readonly failures: Rates
  readonly cache: AnswerCache
  readonly contents: Contents
  readonly uploads: Uploads
  readonly fetches: Fetches
  readonly freshUploads: FreshUploads
  readonly roots: Roots
  /** Runs work after other work of that key. */
  readonly inTurn: <T>(key: string, work: () => Promise<T>) => Promise<T>
  /** aborted when the registry closes */
  readonly signal: AbortSignal
}

/** The registry's path of a repository's part. */
export function pathTo(name: string, ...rest: readonly string[]): string {
  return `/v2/${name}/${rest.join('/')}`
}
