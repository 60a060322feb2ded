import { type FileHandle, open } from 'node:fs/promises'
import { chunkBytes } from '../core/index.ts'
import type { RegistryContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import type { Wanted } from './fetches.ts'
import { askedRange, blobHeaders, rangeHeaders, streamFile, written } from './send-blob.ts'

/**
 * Sends a blob that is on its way from peers, chunk by chunk as each is verified against the signed root.
 * @returns false where nothing was sent: the blob is here now, or is not to be had
 */
export async function sendArriving(context: RegistryContext, exchange: Exchange, wanted: Wanted): Promise<boolean> {
  const { fetches } = context
  const { digest, size } = wanted
  const { response } = exchange
  const range = askedRange(exchange, digest, size)
  const { from, to } = range ?? { from: 0, to: size }
  const brought = fetches.bring(wanted)
  brought.catch(() => {})
  const part = await fetches.arriving(wanted, Math.floor(from / chunkBytes), brought)
  if (part === undefined) {
    await brought
    return false
  }
  // the file stays readable here when it gets its name
  const file = await open(part.path, 'r').catch(() => undefined)
  if (file === undefined) {
    await brought
    return false
  }
  try {
    const headers = { ...blobHeaders(digest), 'content-length': to - from, ...(range && rangeHeaders(range, size)) }
    response.writeHead(range === undefined ? 200 : 206, headers as Record<string, string | number>)
    if (exchange.isHead) response.end()
    else await sendChunks(context, exchange, file, { from, to }, wanted, brought)
  } finally {
    await file.close()
  }
  return true
}

async function sendChunks(
  { fetches, node }: RegistryContext,
  { response }: Exchange,
  file: FileHandle,
  { from, to }: { readonly from: number; readonly to: number },
  wanted: Wanted,
  brought: Promise<boolean>
): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(chunkBytes)
  for (let at = from; at < to; ) {
    const chunk = Math.floor(at / chunkBytes)
    if ((await fetches.arriving(wanted, chunk, brought)) === undefined) {
      if (!(await brought)) {
        // what was promised does not come: the client sees that the body ends too early, and goes on with a range
        response.destroy()
        return
      }
      const { file: whole } = await node.blobs.openBlob(wanted.digest)
      try {
        await streamFile(whole, at, to, response)
      } finally {
        await whole.close()
      }
      return
    }
    const end = Math.min(to, (chunk + 1) * chunkBytes)
    const { bytesRead } = await file.read(buffer, 0, end - at, at)
    if (bytesRead === 0) throw new Error('bug: a verified chunk is not in the file')
    await written(response, buffer.subarray(0, bytesRead))
    at += bytesRead
  }
  response.end()
}
