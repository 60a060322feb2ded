import type { FileHandle } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { mediumPace, WriteBack } from '../../src/store/write-back.ts'
import { codeOf } from '../../src/core/index.ts'

/** A file whose disk does nothing before it is told to. */
function slowDisk(): { readonly file: FileHandle; readonly waiting: PromiseWithResolvers<void>[] } {
  const waiting: PromiseWithResolvers<void>[] = []
  const call = async (): Promise<void> => {
    const one = Promise.withResolvers<void>()
    waiting.push(one)
    await one.promise
  }
  return { waiting, file: { datasync: call, sync: async () => await Promise.resolve() } as unknown as FileHandle }
}

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))

test('at most 8 MiB wait for a medium: then writing waits too', async () => {
  const { file, waiting } = slowDisk()
  const durable: number[] = []
  const back = new WriteBack(file, 'x', mediumPace, (chunks) => void durable.push(...chunks))
  let written = 0
  const writing = (async () => {
    for (; written < 20; written++) await back.wrote(written)
  })()
  await turn()
  // the chunk that waits is written, and not yet counted
  expect(written + 1).toBe(8)
  expect(durable).toEqual([])
  for (let done = 0; done < 10; done++) {
    waiting[done]?.resolve()
    await turn()
  }
  await writing
  await back.finish()
  expect(durable.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
})

test('a failed sync is told, also where all those after it succeed', async () => {
  const { file, waiting } = slowDisk()
  const durable: number[] = []
  const back = new WriteBack(file, 'x', { everyChunks: 1, atOnce: 4 }, (chunks) => void durable.push(...chunks))
  for (const chunk of [0, 1, 2]) await back.wrote(chunk)
  waiting[0]?.resolve()
  waiting[1]?.reject(Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'fdatasync' }))
  waiting[2]?.resolve()
  const finished = back.finish()
  await expect(finished).rejects.toSatisfy((error) => codeOf(error) === 'E_IO')
  expect(durable).toEqual([0, 2])
})
