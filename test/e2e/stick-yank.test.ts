import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Medium } from './media.ts'
import { bytesBelow, chosen, seed, StickLab, wrongBlobs } from './stick-lab.ts'

const mebibyte = 1024 * 1024
const largeBytes = 24 * mebibyte

/** Returns how many bytes of a blob are on a medium: under its name or on the way. */
function durableBytes(root: string, digest: string): number {
  for (const path of [`blobs/sha256/${digest}`, `tmp/sha256-${digest}.part`]) {
    try {
      return statSync(join(root, path)).size
    } catch {
      // it is under the other name, or not begun
    }
  }
  return 0
}

describe.each(['fat32', 'exfat'] as const)(`a stick with %s that is pulled out (seed ${seed})`, (kind) => {
  it('ends an export with 14; the next one completes it, goes on in the blob, and no name stands for wrong bytes', async () => {
    await using lab = await StickLab.open()
    await lab.publishNotes('a', 30, 'first')
    const digest = await lab.publishLarge('a', largeBytes)
    await using medium = await Medium.make(kind, lab.path('stick'), 160 * mebibyte)
    // at three places: among the small files, and in the blob
    const places = [1, mebibyte * (2 + chosen(`${kind} early`, 8)), mebibyte * (12 + chosen(`${kind} late`, 10))]
    let reused = 0
    for (const place of places) {
      const export_ = lab.start(['export', medium.path, '--data', lab.path('a'), '--json'])
      while (durableBytes(medium.path, digest) < (place === 1 ? 0 : place) || bytesBelow(join(medium.path, 'logs')) === 0) {
        expect(export_.child.exitCode, export_.stderr()).toBeNull()
        await setTimeout(1)
      }
      await medium.yank()
      const code = await new Promise((resolve) => export_.child.once('close', resolve))
      expect(code, `seed ${seed}, ${place}: ${export_.stderr()}`).toBe(14)
      expect(export_.stderr()).toMatch(/rejoin: error: .*\(E_GONE\)/)
      await medium.mountAgain()
      expect(wrongBlobs(medium.path), `seed ${seed}`).toEqual([])
      reused = durableBytes(medium.path, digest)
    }
    const before = reused
    const last = await lab.moved('a', ['export', medium.path])
    expect(last.code, last.stderr).toBe(0)
    expect(last.result).toMatchObject({ complete: true, missing: 0, bad: 0 })
    // what a yank left whole is not written again: at most a chunk, and 1 % of what was there
    expect(Number(last.result['written']), `seed ${seed}`).toBeLessThanOrEqual(bytesBelow(medium.path) - before + 2 * mebibyte)
    expect(wrongBlobs(medium.path)).toEqual([])
    expect(existsSync(join(medium.path, `tmp/sha256-${digest}.part`))).toBe(false)
    const imported = await lab.moved('b', ['import', medium.path])
    expect(imported.code, imported.stderr).toBe(0)
    await lab.mustBeWhole([digest])
  })

  it('ends an import with 14, and the next one completes it', async () => {
    await using lab = await StickLab.open()
    await lab.publishNotes('a', 20, 'first')
    const digest = await lab.publishLarge('a', largeBytes)
    await using medium = await Medium.make(kind, lab.path('stick'), 160 * mebibyte)
    expect((await lab.moved('a', ['export', medium.path])).code).toBe(0)
    const import_ = lab.start(['import', medium.path, '--data', lab.path('b'), '--json'])
    const place = mebibyte * (1 + chosen(`${kind} import`, 15))
    while (durableBytes(lab.path('b'), digest) < place) {
      expect(import_.child.exitCode, import_.stderr()).toBeNull()
      await setTimeout(1)
    }
    await medium.yank()
    const code = await new Promise((resolve) => import_.child.once('close', resolve))
    expect(code, `seed ${seed}: ${import_.stderr()}`).toBe(14)
    await lab.ask('b', 'verify')
    await medium.mountAgain()
    const last = await lab.moved('b', ['import', medium.path])
    expect(last.code, last.stderr).toBe(0)
    await lab.mustBeWhole([digest])
  })
})
