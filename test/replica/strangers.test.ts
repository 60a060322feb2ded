import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { hashOfLogId, sha256, utf8, type WireHead } from '../../src/core/index.ts'
import { Cursors } from '../../src/replica/cursors.ts'
import { TextSeeker } from '../../src/replica/texts.ts'
import { Unseen } from '../../src/replica/unseen.ts'
import type { LogFolder, Store } from '../../src/store/index.ts'
import { foreignLines } from '../store/sample-folder.ts'
import { sampleSigner } from '../core/sample.ts'

const root = mkdtempSync(join(tmpdir(), 'rejoin-strangers-'))
afterEach(() => rmSync(root, { recursive: true, force: true }))
const key = (i: number): Uint8Array => sha256(utf8(`node ${i}`))

it('SYNC-30 of nodes that call themselves ever another name no more than 4,096 are remembered, the newest', () => {
  const cursors = new Cursors(root)
  for (let i = 0; i < 5000; i++) cursors.set(key(i), { storeId: 'ab'.repeat(16), seq: i })
  cursors.set(key(5000), { storeId: 'ab'.repeat(16), seq: 1 })
  expect([cursors.get(key(904)), cursors.get(key(905))?.seq]).toEqual([undefined, 905])
  cursors.close()
  const kept = JSON.parse(readFileSync(join(root, 'private/cursors.json'), 'utf8')) as object
  expect(Object.keys(kept).length).toBe(4096)
})

it('SYNC-30 of stores that are ever new no more than 65,536 are remembered', () => {
  const { log } = foreignLines(sampleSigner('alice'), 2)
  const unseen = new Unseen({ root } as Store)
  unseen.add(log, 0)
  const seeker = new TextSeeker(unseen)
  const head: WireHead = { log: hashOfLogId(log), size: 256, root: key(0), author: key(1), texts: 1 }
  const folder = { checkpoint: { size: 256 } } as LogFolder
  for (let i = 0; i < 65_600; i++) seeker.seek(key(0), Uint8Array.of(i >> 16, i >> 8, i), [head], () => folder)
  expect(seeker['asked'].size).toBe(65_536)
  expect(seeker.seek(key(0), Uint8Array.of(65_599 >> 16, 65_599 >> 8, 65_599 & 255), [head], () => folder)).toEqual([])
})
