import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sealed } from '../../src/store/index.ts'
import { Medium } from './media.ts'
import type { Printed } from './process.ts'
import { seed, StickLab, wrongBlobs } from './stick-lab.ts'

// A folder of FAT32 ends at 65,536 entries, some 10,000 names of blobs. Its driver in user space takes half a second for each file, so the limit is that of a
// real ext4 whose folders may not grow beyond 24 KiB: the kernel says ENOSPC for a name too many, while there is room for everything else.
test(`a folder that takes no more names fails nothing half-way: what is over goes to parts/, and the plan says so (STICK-5, seed ${seed})`, async () => {
  await using lab = await StickLab.open()
  const stick = lab.path('stick')
  const image = lab.path('ext4.img')
  writeFileSync(image, '')
  truncateSync(image, 64 * 1024 * 1024)
  mkdirSync(stick)
  execFileSync('mkfs.ext4', ['-q', image])
  execFileSync('mount', ['-o', 'loop,max_dir_size_kb=24', image, stick])
  try {
    await lab.publishNotes('a', 220, 'note')
    const large = await lab.publishLarge('a', 3 * 1024 * 1024)
    const first = await lab.moved('a', ['export', stick])
    expect(first.code, first.stderr).toBe(0)
    expect(first.result).toMatchObject({ complete: true, missing: 0, bad: 0 })
    const root = join(stick, 'rejoin')
    const names = readdirSync(join(root, 'blobs/sha256')).length
    const overflow = readdirSync(join(root, 'parts/sha256'), { recursive: true }).filter((name) =>
      String(name).endsWith('/00000')
    ).length
    // 220 notes, their manifests, the configuration of all, and of the large one manifest, blob and DAG; and an index of those without a name
    expect([names > 100, overflow > 50, names + overflow]).toEqual([true, true, 445])
    expect(existsSync(join(root, 'blobs/sha256', large))).toBe(false)
    expect(wrongBlobs(root)).toEqual([])
    const isGood = async (): Promise<void> => {
      const check = await lab.run(['check', stick])
      expect(check.code, check.stdout + check.stderr).toBe(0)
      execFileSync('sh', ['-c', 'sha256sum --quiet -c SHA256SUMS*'], { cwd: root })
    }
    await isGood()
    await lab.publishNotes('a', 4, 'more')
    const plan = (await lab.moved('a', ['export', stick, '--dry-run'])).records.at(-1) as Printed
    expect(plan).toMatchObject({ kind: 'plan', fits: true, volumes: [{ parts: 8, there: 443 }] })
    expect((await lab.moved('a', ['export', stick])).code).toBe(0)
    expect(readdirSync(join(root, 'blobs/sha256'))).toHaveLength(names)
    await isGood()
    expect((await lab.moved('b', ['import', stick])).code).toBe(0)
    await lab.mustBeWhole([large])
  } finally {
    execFileSync('umount', [stick])
  }
})

test('on a real FAT32 what is over the names that it took goes to parts/, and all of it is read after it was taken out (STICK-5)', async () => {
  await using lab = await StickLab.open()
  await lab.publishNotes('a', 2, 'first')
  await using medium = await Medium.make('fat32', lab.path('stick'), 64 * 1024 * 1024)
  expect((await lab.moved('a', ['export', medium.path])).code).toBe(0)
  const file = join(medium.path, 'replica.json')
  const { check: _, limits, ...is } = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, string>>
  expect(limits).toEqual({ fileBytes: 2 ** 32 - 1, names: 10_000 })
  const names = readdirSync(join(medium.path, 'blobs/sha256')).length
  // this driver leaves the end of a longer file where it is written over
  rmSync(file)
  writeFileSync(file, sealed({ ...is, limits: { fileBytes: 2 ** 32 - 1, names: names + 1 } }))
  await lab.publishNotes('a', 2, 'more')
  const planned = await lab.moved('a', ['export', medium.path, '--dry-run'])
  expect(planned.records.at(-1), planned.stderr).toMatchObject({ kind: 'plan', fits: true, volumes: [{ parts: 3 }] })
  const second = await lab.moved('a', ['export', medium.path])
  expect(second.code, second.stderr).toBe(0)
  await medium.unmount()
  await medium.mount()
  expect(readdirSync(join(medium.path, 'blobs/sha256'))).toHaveLength(names + 1)
  execFileSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: medium.path })
  expect((await lab.run(['check', medium.path])).code).toBe(0)
  expect((await lab.moved('b', ['import', medium.path])).code).toBe(0)
  await lab.mustBeWhole()
})
