import { createHash } from 'node:crypto'
import type { Transform } from 'node:stream'
import { constants, createGzip, createZstdCompress } from 'node:zlib'
import { digestParts, encodeTarHeader, memberOf, tarBlockBytes, tarPadding } from '../core/index.ts'
import { type FileFault } from './file-replica.ts'
import { faultIn } from './folder.ts'
import type { MediumFile } from './medium-files.ts'

/** What writing files one behind the other tells. */
export interface WriteHooks {
  readonly signal: AbortSignal
  readonly onBytes?: (count: number) => void
  /** a file was written whole */
  readonly onFile?: (path: string, sizeBytes: number) => void
  /** a blob is damaged where it comes from: its place is filled with what is there, or zeros, and every reader will refuse it */
  readonly onFault?: (fault: FileFault) => void
}

const zeros = new Uint8Array(64 * 1024)
const gzipLevel = 6

/** Yields the bytes of files in a tar archive; the same files give the same bytes. @throws what a source throws that went away */
export async function* tarOf(files: Iterable<MediumFile>, hooks: WriteHooks): AsyncGenerator<Uint8Array, void, void> {
  for (const file of files) {
    yield encodeTarHeader(file.path, file.sizeBytes)
    yield* wholeFile(file, hooks)
    if (tarPadding(file.sizeBytes) > 0) yield zeros.subarray(0, tarPadding(file.sizeBytes))
  }
  yield zeros.subarray(0, 2 * tarBlockBytes)
}

/** Yields exactly as many bytes as a file says it has, and tells where they are not its own. */
export async function* wholeFile(
  file: MediumFile,
  { signal, onBytes, onFile, onFault }: WriteHooks
): AsyncGenerator<Uint8Array, void, void> {
  const { path, sizeBytes } = file
  const member = memberOf(path)
  const named = file.digest ?? (member?.kind === 'blob' ? member.digest : undefined)
  const digest = named && digestParts(named)
  const hash = digest && createHash(digest.algorithm)
  let rest = sizeBytes
  let reason: string | undefined
  try {
    for await (const piece of file.body()) {
      signal.throwIfAborted()
      const part = piece.subarray(0, rest)
      hash?.update(part)
      rest -= part.length
      if (part.length > 0) yield part
      onBytes?.(part.length)
    }
  } catch (error) {
    reason = faultIn(error, path).reason
  }
  if (rest > 0) reason ??= `${sizeBytes - rest} bytes where there were ${sizeBytes}`
  for (; rest > 0; rest -= Math.min(rest, zeros.length)) yield zeros.subarray(0, Math.min(rest, zeros.length))
  if (reason === undefined && digest !== undefined && hash?.digest('hex') !== digest.hex) reason = 'its bytes have another digest'
  if (reason === undefined) onFile?.(path, sizeBytes)
  else onFault?.({ path, reason, code: 'E_BAD_OBJECT' })
}

/** Yields bytes compressed as zstd does, level 3. A piece is used up before the next one is asked for. */
export function zstdOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const params = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 }
  return through(createZstdCompress({ params }), bytes)
}

/** Yields bytes compressed as gzip does, without a time or a name. A piece is used up before the next one is asked for. */
export function gzipOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  return through(createGzip({ level: gzipLevel }), bytes)
}

async function* through(zip: Transform, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const feed = async (): Promise<void> => {
    for await (const piece of bytes)
      await new Promise<void>((resolve, reject) => {
        zip.write(piece, (error) => (error ? reject(error) : resolve()))
      })
    zip.end()
  }
  const feeding = feed().catch((error: Error) => void zip.destroy(error))
  try {
    yield* zip as AsyncIterable<Uint8Array>
    await feeding
  } finally {
    zip.destroy()
  }
}
