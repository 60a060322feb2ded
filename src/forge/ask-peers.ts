import type { Digest } from '../core/index.ts'
import type { Live, Node } from '../node/index.ts'

/** What is asked of peers. */
export interface Asked {
  readonly digest: Digest
  readonly sizeBytes?: number
}

/** how long peers may bring nothing before the forge is asked, in milliseconds */
const idleMs = 20_000
const lookMs = 500

/** Fetches what peers have of some blobs, into private/, as long as anything comes; what they don't bring, the forge has. */
export async function askPeers(
  { node, live, signal }: { readonly node: Node; readonly live: Live | undefined; readonly signal: AbortSignal },
  wanted: readonly Asked[]
): Promise<void> {
  const { blobs } = node
  const lacking = wanted.filter(({ digest }) => !blobs.has(digest))
  if (live === undefined || live.host.peers().length === 0 || lacking.length === 0) return
  const idle = new AbortController()
  let [before, sinceMs] = [-1, performance.now()]
  const watch = setInterval(() => {
    const now = lacking.reduce((sum, { digest }) => sum + (blobs.partOf(digest)?.haveCount ?? (blobs.has(digest) ? 1 : 0)), 0)
    if (now !== before) [before, sinceMs] = [now, performance.now()]
    else if (performance.now() - sinceMs > idleMs) idle.abort()
  }, lookMs)
  try {
    await live.fetch(lacking, AbortSignal.any([signal, idle.signal]), true)
  } catch {
    signal.throwIfAborted()
  } finally {
    clearInterval(watch)
  }
}
