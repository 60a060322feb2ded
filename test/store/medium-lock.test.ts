import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { lockMedium, mediumLockPath } from '../../src/store/index.ts'

let root = ''
beforeEach(() => {
  root = join(mkdtempSync(join(tmpdir(), 'rejoin-lock-')), 'usb')
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(join(root, '..'), { recursive: true })
})

const { signal } = new AbortController()
const path = (): string => join(root, mediumLockPath)

/** Leaves a lock as a run that died would, with some of what it says changed. */
async function leave(change: object): Promise<string> {
  const lock = await lockMedium(root, { signal })
  const [line = '', beats = ''] = readFileSync(path(), 'utf8').split('\n')
  await lock[Symbol.asyncDispose]()
  const text = `${JSON.stringify({ ...(JSON.parse(line) as object), ...change })}\n${beats}\n`
  mkdirSync(join(root, 'tmp'), { recursive: true })
  writeFileSync(path(), text)
  return text
}

describe('the lock of a medium', () => {
  it('lets one run write, names it to the other, and leaves nothing behind (STICK-17)', async () => {
    const lock = await lockMedium(root, { signal })
    const refused = await lockMedium(root, { signal }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'E_LOCKED', hint: expect.stringContaining('tmp/lock') as string })
    for (const word of [String(process.pid), hostname().slice(0, 40)]) expect((refused as Error).message).toContain(word)
    expect(readdirSync(join(root, 'tmp'))).toEqual(['lock'])
    await lock[Symbol.asyncDispose]()
    expect(existsSync(root)).toBe(false)
    await using opaque = await lockMedium(root, { signal, isOpaque: true })
    expect(opaque.lost.aborted).toBe(false)
    expect(readFileSync(path(), 'utf8')).not.toContain(hostname())
  })

  it('of a process of this machine that ended is taken at once, whatever has its number now (STICK-18)', async () => {
    for (const change of [{ pid: spawnSync('true').pid }, { started: '1' }]) {
      await leave(change)
      const watched = vi.fn<() => void>()
      await using _lock = await lockMedium(root, { signal, onWatch: watched })
      expect(watched).not.toHaveBeenCalled()
    }
    await leave({})
    await expect(lockMedium(root, { signal })).rejects.toMatchObject({ code: 'E_LOCKED' })
  })

  it('of another machine holds while it counts up, and by no clock (STICK-18)', async () => {
    for (const [year, time] of [
      [1970, '1970-01-01T00:00:00Z'],
      [2099, '2099-01-01T00:00:00Z']
    ] as const) {
      const text = await leave({ place: 'elsewhere', time })
      utimesSync(path(), new Date(year, 1), new Date(year, 1))
      let beats = 0
      const counting = setInterval(
        () => writeFileSync(path(), text.replace(/\d{10}\n$/, `${String(++beats).padStart(10, '0')}\n`)),
        100
      )
      await expect(lockMedium(root, { signal, watchMs: 5000 })).rejects.toMatchObject({ code: 'E_LOCKED' })
      clearInterval(counting)
      const watched = vi.fn<(ms: number) => void>()
      await using _lock = await lockMedium(root, { signal, watchMs: 300, onWatch: watched })
      expect(watched).toHaveBeenCalledWith(300)
    }
  })

  it('that is dead is taken by one only, and one that says nothing is as good as dead (STICK-18)', async () => {
    for (const text of [await leave({ pid: spawnSync('true').pid }), '', 'x'.repeat(5000), '{"format":"rejoin-lock"}\n']) {
      mkdirSync(join(root, 'tmp'), { recursive: true })
      writeFileSync(path(), text)
      const all = await Promise.allSettled(
        Array.from({ length: 5 }, async () => await lockMedium(root, { signal, watchMs: 300 }))
      )
      const taken = all.filter((one) => one.status === 'fulfilled')
      expect(taken).toHaveLength(1)
      for (const one of all) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'E_LOCKED' })
      await taken[0]?.value[Symbol.asyncDispose]()
      expect(existsSync(path())).toBe(false)
    }
    mkdirSync(join(root, 'tmp'), { recursive: true })
    symlinkSync('/etc/passwd', path())
    await expect(lockMedium(root, { signal })).rejects.toMatchObject({ code: 'E_BAD_OBJECT' })
  })

  it('counts up while it is held, and tells who had it where it was taken (STICK-18)', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    await using lock = await lockMedium(root, { signal })
    const before = readFileSync(path(), 'utf8')
    vi.advanceTimersByTime(4000)
    const after = readFileSync(path(), 'utf8')
    expect([after.split('\n')[0], after.split('\n')[1]]).toEqual([before.split('\n')[0], '0000000002'])
    writeFileSync(path(), after.replace(/"nonce":"[0-9a-f]{32}"/, `"nonce":"${'0'.repeat(32)}"`))
    vi.advanceTimersByTime(4000)
    expect(lock.lost.reason).toMatchObject({ code: 'E_LOCKED' })
    await lock[Symbol.asyncDispose]()
    expect(existsSync(path())).toBe(true)
  })
})
