import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { freemem } from 'node:os'
import { join } from 'node:path'
import { env } from 'node:process'
import { defineConfig } from 'vitest/config'
import { bundleFolder } from './test/bundle-folder.ts'

const memory = '/dev/shm'
const tmpfs = 0x01021994
const roomBytes = 4 * 1024 ** 3

/** Returns whether programs may be run below a folder: some tests build theirs. */
function runsPrograms(folder: string): boolean {
  const place = mkdtempSync(join(folder, 'rejoin-run-'))
  try {
    writeFileSync(join(place, 'program'), '#!/bin/sh\nexit 7\n', { mode: 0o755 })
    return spawnSync(join(place, 'program')).status === 7
  } finally {
    rmSync(place, { recursive: true })
  }
}

/**
 * Returns where tests keep their folders. On a disk that others use too, most of their time went into fsync, and not always the same time; what a
 * killed process leaves is the same in memory. With TMPDIR set, there.
 */
function temporary(): string | undefined {
  try {
    const { type, bavail, bsize } = statfsSync(memory)
    const hasRoom = type === tmpfs && Math.min(bavail * bsize, freemem()) > roomBytes
    return env['TMPDIR'] === undefined && hasRoom && runsPrograms(memory) ? memory : undefined
  } catch {
    return undefined
  }
}

const folder = temporary()

/** Files that mock a module, which those after them in the same process would get too, and those that take long, which come first. */
const alone = [
  'test/*.test.ts',
  'test/{cli,e2e,simulation}/**/*.test.ts',
  'test/**/{kill,network,story}.test.ts',
  'test/node/hostile.test.ts'
]

export default defineConfig({
  test: {
    testTimeout: 300_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', './test/reporter.ts'],
    globalSetup: './test/bundle.ts',
    setupFiles: './test/setup.ts',
    // what the commands of all tests compile is kept for the run; not in the environment of vitest, whose processes outlive the folder
    env: { NODE_COMPILE_CACHE: join(bundleFolder, 'compiled'), ...(folder !== undefined && { TMPDIR: folder }) },
    // in the order of their names; what a file of `shared` imports is evaluated once in a process, which halved what such files cost
    projects: [
      { extends: true, test: { name: 'alone', include: alone } },
      { extends: true, test: { name: 'shared', include: ['test/**/*.test.ts'], exclude: alone, isolate: false } }
    ]
  }
})
