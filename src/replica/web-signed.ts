import { memberOf, RejoinError } from '../core/index.ts'
import { sumsPath } from '../store/index.ts'
import { faultIn } from './folder.ts'
import type { WebClient } from './web-client.ts'

/** Where frontiers and receipts lie in a folder on the web, as its SHA256SUMS lists them. */
export interface SignedPaths {
  readonly frontiers: readonly string[]
  readonly receipts: readonly string[]
}

const maxSumsBytes = 64 * 1024 * 1024
const maxLineChars = 400
const maxFrontiers = 1000
/** receipts that are read, the newest of all nodes */
const maxReceipts = 64

/** Returns the paths of frontiers and receipts that a SHA256SUMS lists, none where there is no such list, as at a node. @throws E_GONE E_TIMEOUT */
export async function signedPathsOf(client: WebClient): Promise<SignedPaths> {
  const frontiers: string[] = []
  const receipts: string[] = []
  try {
    for await (const path of pathsIn(client)) {
      const kind = memberOf(path)?.kind
      if (kind === 'frontier' && frontiers.length < maxFrontiers) frontiers.push(path)
      else if (kind === 'receipt') receipts.push(path)
      if (receipts.length > 2 * maxReceipts) newest(receipts)
    }
  } catch (error) {
    // a list that can't be read hinders nobody from what is proven by itself
    faultIn(error, sumsPath)
  }
  newest(receipts)
  return { frontiers, receipts }
}

/** `receipts/<nodeId>/0000000042`: the number tells the age, of each node for itself. */
function newest(receipts: string[]): void {
  const numberOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
  receipts.sort((a, b) => (numberOf(a) > numberOf(b) ? -1 : 1))
  receipts.length = Math.min(receipts.length, maxReceipts)
}

async function* pathsIn(client: WebClient): AsyncGenerator<string, void, void> {
  const answer = await client.ask(sumsPath)
  if (answer.status === 404) return
  let rest = ''
  let total = 0
  try {
    for await (const piece of answer.body) {
      total += piece.length
      const lines = (rest + Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      if (total > maxSumsBytes || rest.length > maxLineChars)
        throw new RejoinError(
          'E_TOO_LARGE',
          `${client.base}${sumsPath} is over ${maxSumsBytes} bytes, or has a line that is none`
        )
      for (const line of lines) if (/^[0-9a-f]{64} {2}(?:frontiers|receipts)\//.test(line)) yield line.slice(66)
    }
  } finally {
    answer.drop()
  }
}
