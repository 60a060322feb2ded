import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { encodeTarHeader } from '../../src/core/index.ts'
import { seed, snapshot, StickLab } from './stick-lab.ts'

const members = 1_000_100
const digits = 7

/** The header of an empty member, of which the number in its name can be changed. */
function template(name: string): { readonly header: Buffer; readonly at: number; readonly sum: number } {
  const header = Buffer.from(encodeTarHeader(name.replace('#', '0'.repeat(digits)), 0))
  const sum = Number.parseInt(header.toString('latin1', 148, 154), 8)
  return { header, at: name.indexOf('#'), sum: sum - digits * 48 }
}

/** Yields so many members in pieces of 1 MiB: blobs that are none, and names that lead out of the archive. */
async function* flood(count: number, onPiece: () => void): AsyncGenerator<Uint8Array, void, void> {
  const kinds = [template(`blobs/sha256/${'a'.repeat(57)}#`), template('../../evil-#'), template('private/blobs/sha256/#')]
  for (let from = 0; from < count; from += 2048) {
    const piece = Buffer.alloc(Math.min(2048, count - from) * 512)
    for (let i = 0; i < piece.length / 512; i++) {
      const { header, at, sum } = kinds[(from + i) % kinds.length] as ReturnType<typeof template>
      piece.set(header, i * 512)
      const number = String(from + i).padStart(digits, '0')
      piece.write(number, i * 512 + at, 'latin1')
      let total = sum
      for (let digit = 0; digit < digits; digit++) total += number.charCodeAt(digit)
      piece.write(`${total.toString(8).padStart(6, '0')}\0 `, i * 512 + 148, 'latin1')
    }
    onPiece()
    yield piece
  }
}

test(`an archive of a million members is read up to the limit, in 256 MiB, and changes nothing but what is good in it (ARCHIVE-7, ARCHIVE-9, seed ${seed})`, async () => {
  await using lab = await StickLab.open()
  await lab.publishNotes('a', 2, 'note')
  const good = Buffer.from((await lab.run(['export', '-', '--data', lab.path('a')])).stdout, 'latin1')
  let pid = 0
  let peakKb = 0
  const watch = (): void => {
    peakKb = Math.max(peakKb, Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0))
  }
  const importOf = async (input: AsyncIterable<Uint8Array>): Promise<Readonly<Record<string, unknown>>> => {
    const { code, stdout, stderr } = await lab.run(['import', '-', '--data', lab.path('b'), '--json'], {
      input,
      onPid: (one) => (pid = one)
    })
    expect(code, stderr).toBe(11)
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}') as Readonly<Record<string, unknown>>
  }
  const result = await importOf(
    (async function* () {
      yield good.subarray(0, good.length - 1024)
      yield* flood(members, watch)
    })()
  )
  expect(result).toMatchObject({ complete: false, cut: true, events: 3, blobs: 5 })
  expect(result['end']).toMatch(/more than 1000000 /)
  expect(peakKb).toBeGreaterThan(0)
  expect(peakKb / 1024).toBeLessThan(256)
  await lab.mustBeWhole()
  // once more, without anything that is good: all is as it was
  const logs = snapshot(lab.path('b/logs'))
  const blobs = snapshot(lab.path('b/blobs'))
  expect(
    await importOf(
      (async function* () {
        yield good.subarray(0, 1024)
        yield* flood(10_000, watch)
      })()
    )
  ).toMatchObject({ events: 0, blobs: 0 })
  expect([snapshot(lab.path('b/logs')), snapshot(lab.path('b/blobs'))]).toEqual([logs, blobs])
})
