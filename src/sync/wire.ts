import { zstdCompressSync, zstdDecompressSync, constants } from 'node:zlib'
import { maxLinesTextBytes, maxSyncFrameBytes, RejoinError, type SyncMessage, syncMessage } from '../core/index.ts'

/** text shorter than this goes as it is */
const compressFromBytes = 256
const level = 1
/** a reader of zstd must take windows of 8 MiB; a frame may ask for 128 MiB of memory for a text of ten bytes */
const maxWindowLog = 23
/** room that a LINES frame needs beside its text */
const overheadBytes = 64

/** Returns the frame of a message with its length; the text of LINES is compressed with zstd. Undefined where it is too long for a frame. */
export function encodeSyncFrame(message: SyncMessage): Uint8Array | undefined {
  if (message.kind !== 'lines' || message.text.length < compressFromBytes) return syncMessage.encodeFrame(message)
  const packed = zstdCompressSync(message.text, { params: { [constants.ZSTD_c_compressionLevel]: level } })
  if (packed.length + overheadBytes > maxSyncFrameBytes) return undefined
  return syncMessage.encodeFrame({ ...message, text: packed, size: message.text.length })
}

/**
 * Returns the message in a frame's body. Nothing of it refers to the frame's bytes.
 * @throws E_FRAME where it is malformed, or does not decompress to exactly what it says
 */
export function decodeSyncFrame(body: Uint8Array): SyncMessage {
  const message = syncMessage.decode(body.slice())
  if (message.kind !== 'lines' || message.size === 0) return message
  if (message.size > maxLinesTextBytes) throw new RejoinError('E_FRAME', 'LINES would decompress to more than is allowed')
  let text: Uint8Array
  try {
    text = zstdDecompressSync(message.text, {
      maxOutputLength: message.size,
      params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog }
    })
  } catch (cause) {
    throw new RejoinError('E_FRAME', 'LINES do not decompress', { cause })
  }
  if (text.length !== message.size) throw new RejoinError('E_FRAME', 'LINES decompress to another size than they say')
  return { ...message, text, size: 0 }
}
