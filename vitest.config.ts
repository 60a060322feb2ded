import { statfsSync } from 'node:fs'
import { freemem } from 'node:os'
import { env } from 'node:process'
import { defineConfig } from 'vitest/config'

const memory = '/dev/shm'
const tmpfs = 0x01021994
const roomBytes = 4 * 1024 ** 3

/**
 * Returns where tests keep their folders. On a disk that others use too, most of their time went into fsync, and not always the same time; what a
 * killed process leaves is the same in memory. With TMPDIR set, there.
 */
function temporary(): string | undefined {
  try {
    const { type, bavail, bsize } = statfsSync(memory)
    return env['TMPDIR'] === undefined && type === tmpfs && Math.min(bavail * bsize, freemem()) > roomBytes ? memory : undefined
  } catch {
    return undefined
  }
}

const folder = temporary()

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', './test/reporter.ts'],
    ...(folder !== undefined && { env: { TMPDIR: folder } })
  }
})
