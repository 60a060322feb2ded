import { appendFileSync, mkdirSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { privateEntriesPath, textOf } from '../../src/core/index.ts'
import { type Fault, PrivateEntries, Store, verifyFolder } from '../../src/store/index.ts'
import { sampleLog, sampleSigner } from '../core/sample.ts'
import { holds } from '../property.ts'
import { takeForeign, temporaryFolder } from '../store/sample-folder.ts'

const { log, lines } = sampleLog(1100)
const lineOf = (index: number): string => `{"event":${textOf(lines[index] as Uint8Array)},"index":${index}}\n`

/** Keeps some entries from `from` on. */
function keep(root: string, from: number, count: number): void {
  const entries = lines.slice(from, from + count).map((line, i) => ({ index: from + i, line }))
  new PrivateEntries(root, 'kept').keep(log, entries)
}

const pathIn = (root: string, index = 0): string => join(root, privateEntriesPath(log, index))
const textIn = (root: string, index = 0): string => readFileSync(pathIn(root, index), 'utf8')

async function faultsOf(root: string): Promise<readonly Fault[]> {
  const faults: Fault[] = []
  for await (const fault of verifyFolder(root, { signal: new AbortController().signal })) faults.push(fault)
  return faults
}

describe('text that is kept for this node', () => {
  it('is a line for each entry, in the file of its thousand', () => {
    using folder = temporaryFolder()
    keep(folder.path, 5, 2)
    keep(folder.path, 9, 1)
    keep(folder.path, 1022, 4)
    expect(textIn(folder.path)).toBe([5, 6, 9, 1022, 1023].map(lineOf).join(''))
    expect(textIn(folder.path, 1024)).toBe([1024, 1025].map(lineOf).join(''))
  })

  it('goes on behind the last whole line, wherever a crash cut the one after it', () => {
    holds(
      property(integer({ min: 0, max: lineOf(6).length - 2 }), (tornBytes) => {
        using folder = temporaryFolder()
        keep(folder.path, 5, 1)
        appendFileSync(pathIn(folder.path), lineOf(6).slice(0, tornBytes))
        keep(folder.path, 6, 2)
        expect(textIn(folder.path)).toBe([5, 6, 7].map(lineOf).join(''))
      })
    )
  })

  it('goes on where the torn line was the first one, or is nothing but the zeros that a power cut leaves', () => {
    using folder = temporaryFolder()
    mkdirSync(dirname(pathIn(folder.path)), { recursive: true })
    appendFileSync(pathIn(folder.path), lineOf(5).slice(0, 30))
    keep(folder.path, 5, 1)
    appendFileSync(pathIn(folder.path), Buffer.alloc(5000))
    keep(folder.path, 6, 1)
    expect(textIn(folder.path)).toBe([5, 6].map(lineOf).join(''))
  })

  it('keeps a line that lacks nothing but its end', () => {
    using folder = temporaryFolder()
    keep(folder.path, 5, 2)
    truncateSync(pathIn(folder.path), statSync(pathIn(folder.path)).size - 1)
    keep(folder.path, 7, 1)
    expect(textIn(folder.path)).toBe([5, 6, 7].map(lineOf).join(''))
    appendFileSync(pathIn(folder.path), lineOf(8).replace('\n', '\v'))
    keep(folder.path, 9, 1)
    expect(textIn(folder.path)).toBe(`${[5, 6, 7].map(lineOf).join('')}${lineOf(8).replace('\n', '\v')}\n${lineOf(9)}`)
  })

  it('is whole for a verifier after the entries came again', async () => {
    using folder = temporaryFolder()
    Store.create(folder.path, 'lab')
    const taken = await takeForeign(folder.path, sampleSigner('writer'), log, lines, new Set([6, 8, 10]), new Set())
    await taken.close()
    keep(folder.path, 6, 1)
    appendFileSync(pathIn(folder.path), lineOf(8).slice(0, 100))
    keep(folder.path, 8, 1)
    keep(folder.path, 10, 1)
    expect(await faultsOf(folder.path)).toEqual([])
  })
})
