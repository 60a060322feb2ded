import { open } from 'node:fs/promises'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'
import { Readable, type Transform } from 'node:stream'
import { RejoinError } from '../core/index.ts'

/** What decompressing may cost at most. */
export interface UnpackLimits {
  /** bytes out of one compressed byte, beyond the first `freeBytes` */
  readonly maxRatio: number
  /** true: gzip is decompressed, too */
  readonly gzip?: boolean
}

const pieceBytes = 256 * 1024
/** what any archive may decompress to, whatever the ratio */
const freeBytes = 16 * 1024 * 1024
/** a window of 64 MiB; `zstd --ultra --long=27` asks for more */
const maxWindowLog = 26
const zstdMagic = 0xfd2fb528

/** Yields the bytes of a file. @throws E_NOT_FOUND E_IO */
export async function* readWhole(path: string): AsyncGenerator<Uint8Array, void, void> {
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    throw new RejoinError(
      cause.code === 'ENOENT' ? 'E_NOT_FOUND' : 'E_IO',
      cause.code === 'ENOENT' ? `there is no file ${path}` : `cannot read ${path}: ${cause.code ?? cause.message}`,
      { cause }
    )
  })
  try {
    for (;;) {
      const bytes = Buffer.allocUnsafe(pieceBytes)
      const { bytesRead } = await file.read(bytes, 0, pieceBytes).catch((cause: NodeJS.ErrnoException) => {
        throw new RejoinError(isGone(cause) ? 'E_GONE' : 'E_IO', `${path} could not be read on: ${cause.code ?? cause.message}`, {
          cause
        })
      })
      if (bytesRead === 0) return
      yield bytes.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

function isGone({ code }: NodeJS.ErrnoException): boolean {
  return code !== undefined && ['EIO', 'ENOTCONN', 'ENODEV', 'ENXIO', 'ENOENT', 'ESTALE'].includes(code)
}

/** What decompressing came to. */
export interface Unpacked {
  /** why the compressed bytes could not be read on, where they could not */
  fault?: { readonly kind: 'cut' | 'damaged' | 'full'; readonly reason: string }
}

/**
 * Yields the bytes of an archive, decompressed where they begin as zstd (or gzip) does, whatever its name. Compressed bytes that are cut off, damaged or
 * come to more than the limit end it early, and `state` tells why.
 * @throws what the source throws
 */
export async function* unpack(
  source: AsyncIterable<Uint8Array>,
  { maxRatio, gzip = false }: UnpackLimits,
  state: Unpacked
): AsyncGenerator<Uint8Array, void, void> {
  const pieces = source[Symbol.asyncIterator]()
  let head: Uint8Array = new Uint8Array(0)
  while (head.length < 4) {
    const { done, value } = await pieces.next()
    if (done === true) break
    head = head.length === 0 ? value : Buffer.concat([head, value])
  }
  const unzip = unzipFor(head, gzip)
  let inBytes = 0
  let sourceError: unknown
  const rest = async function* (): AsyncGenerator<Uint8Array, void, void> {
    try {
      for (let piece: Uint8Array | undefined = head; piece !== undefined; ) {
        inBytes += piece.length
        yield piece
        const { done, value } = await pieces.next()
        piece = done === true ? undefined : value
      }
    } catch (error) {
      sourceError = error
      throw error
    } finally {
      await pieces.return?.()
    }
  }
  if (unzip === undefined) {
    yield* rest()
    return
  }
  const feed = Readable.from(rest(), { objectMode: false })
  feed.on('error', (error) => unzip.destroy(error))
  feed.pipe(unzip)
  let outBytes = 0
  try {
    for await (const piece of unzip as AsyncIterable<Uint8Array>) {
      outBytes += piece.length
      if (outBytes > freeBytes && outBytes > inBytes * maxRatio) {
        state.fault = { kind: 'full', reason: `it decompresses to more than ${maxRatio} times its bytes` }
        return
      }
      yield piece
    }
  } catch (error) {
    if (sourceError !== undefined) throw sourceError
    const { code, message } = error as NodeJS.ErrnoException
    if (typeof code !== 'string' || !/^(?:Z_|ZSTD_)/.test(code)) throw error
    state.fault =
      code === 'Z_BUF_ERROR'
        ? { kind: 'cut', reason: 'its compressed end is missing' }
        : { kind: 'damaged', reason: `its compressed bytes can't be read on: ${message}` }
  } finally {
    feed.destroy()
    unzip.destroy()
  }
}

function unzipFor(head: Uint8Array, gzip: boolean): Transform | undefined {
  if (head.length >= 4 && new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true) === zstdMagic)
    return createZstdDecompress({ chunkSize: pieceBytes, params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog } })
  return gzip && head[0] === 0x1f && head[1] === 0x8b ? createGunzip({ chunkSize: pieceBytes }) : undefined
}
