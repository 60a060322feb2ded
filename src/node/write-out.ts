import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { RejoinError } from '../core/index.ts'
import { ioError, syncFolder, writeFully } from '../store/index.ts'

/** Writes pieces to standard output as fast as it is read; returns how many bytes. @throws E_GONE where its reader went away */
export async function toStandardOutput(pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const { stdout } = process
  let total = 0
  let broken: Error | undefined
  let goOn = (): void => {}
  const onDrain = (): void => goOn()
  const onError = (error: Error): void => {
    broken = error
    goOn()
  }
  stdout.on('drain', onDrain).on('close', onDrain).on('error', onError)
  try {
    for await (const piece of pieces) {
      if (broken !== undefined)
        throw new RejoinError('E_GONE', 'who reads the output went away before its end', { cause: broken })
      // a piece lends its memory only until the next one is asked for
      if (!stdout.write(piece.slice())) await new Promise<void>((resolve) => (goOn = resolve))
      total += piece.length
    }
    return total
  } finally {
    // an error that comes later must find a listener
    stdout.off('drain', onDrain).off('close', onDrain)
  }
}

/** Writes pieces to a file that has its name only once all of it is durable; returns how many bytes. @throws E_NO_SPACE E_IO, and what the pieces throw; then nothing is left of it */
export async function toFile(pieces: AsyncIterable<Uint8Array>, path: string): Promise<number> {
  const part = `${path}.part`
  let total = 0
  try {
    const file = await open(part, 'w')
    try {
      for await (const piece of pieces) {
        await writeFully(file, piece, total, path)
        total += piece.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(part, path)
    await syncFolder(dirname(path))
    return total
  } catch (cause) {
    await unlink(part).catch(() => {})
    throw cause instanceof RejoinError || (cause as NodeJS.ErrnoException).syscall === undefined
      ? cause
      : ioError(cause, 'write', path)
  }
}
