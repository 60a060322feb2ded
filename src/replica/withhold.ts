import { closeSync, fdatasyncSync, fstatSync, mkdirSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { encodeWithheld, type EntryLine, type LogId, privateEntriesPath, type ProvenBlock, textOf, utf8 } from '../core/index.ts'
import { ioError, writeFullySync } from '../store/index.ts'
import type { Judged } from '../trust/index.ts'

/** Returns a block in which the given entries are present only as their hashes. */
export function withheldText(block: ProvenBlock, shut: ReadonlySet<number>): ProvenBlock {
  const parts: Uint8Array[] = []
  const lines: EntryLine[] = []
  let start = 0
  for (const line of block.lines) {
    const hidden = shut.has(line.index)
    const text = hidden ? utf8(encodeWithheld(line)) : block.text.subarray(line.start, line.end)
    parts.push(text, Uint8Array.of(10))
    lines.push({ ...line, withheld: line.withheld || hidden, start, end: start + text.length })
    start += text.length + 1
  }
  return { ...block, text: Buffer.concat(parts), lines }
}

/**
 * Keeps the text of entries that are for this node only (keep) or in quarantine (hold): one line each, `{"event":…,"index":n}`,
 * below `private/`. Refused text is not kept at all.
 */
export function keepForNode(root: string, log: LogId, block: ProvenBlock, judged: readonly Judged[]): void {
  const kept = judged.filter(({ decision }) => decision.verdict === 'keep' || decision.verdict === 'hold')
  for (const { line } of kept) {
    const path = join(root, privateEntriesPath(log, line.index))
    const text = utf8(`{"event":${textOf(block.text.subarray(line.start, line.end))},"index":${line.index}}\n`)
    try {
      mkdirSync(dirname(path), { recursive: true })
      const fd = openSync(path, 'a+')
      try {
        writeFullySync(fd, text, fstatSync(fd).size, path)
        fdatasyncSync(fd)
      } finally {
        closeSync(fd)
      }
    } catch (cause) {
      throw ioError(cause, 'write', path)
    }
  }
}
