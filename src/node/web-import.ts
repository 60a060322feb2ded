import { WebClient, WebFolder } from '../replica/index.ts'
import { importFrom, type ImportOptions, type ImportResult } from './importing.ts'
import type { Node } from './node.ts'
import { recall, remember } from './web-memory.ts'

/** What an import from the web came to. */
export interface WebImportResult extends ImportResult {
  /** requests that were sent to the server */
  readonly requests: number
}

const nothing: ImportResult = {
  events: 0,
  refused: 0,
  held: 0,
  blobs: 0,
  bytes: 0,
  missing: 0,
  omitted: 0,
  bad: [],
  conflicts: 0,
  unknown: 0,
  receipt: 'none'
}

/**
 * Takes in what a folder on the web holds and the rules want, as from a stick; where it has nothing new since everything of it was taken, that costs one request.
 * @throws E_UNREACHABLE E_GONE E_TIMEOUT · E_NO_DATA where no replica is there · E_NETWORK E_VERSION E_PERMISSION E_USAGE …
 */
export async function importFromWeb(
  node: Node,
  url: string,
  options: Pick<ImportOptions, 'signal' | 'say'>
): Promise<WebImportResult> {
  using client = new WebClient(url, options.signal)
  const trust = node.gate.rules.file.digest
  const memory = recall(node.root, client.base, trust)
  const source = await WebFolder.open(client, memory)
  if (source === undefined) return { ...nothing, requests: client.requestCount }
  await using _closing = source
  const result = await importFrom(node, source, options)
  const isWhole = result.missing === 0 && result.bad.length === 0
  remember(node.root, client.base, trust, { validator: isWhole ? source.validator : {}, places: source.places() })
  return { ...result, requests: client.requestCount }
}
