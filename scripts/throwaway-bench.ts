import { mkdtempSync, rmSync } from 'node:fs'
import { newNode, draft } from '../test/store/sample-folder.ts'
import { Store, openKeys, readOwnLog } from '../src/store/index.ts'
const [mode, root = mkdtempSync('/work/bench-'), n = '100000'] = process.argv.slice(2)
if (mode === 'write') {
  const { log, keys } = await newNode(root)
  const store = await Store.open(root, { ownLog: log })
  const writer = store.openWriter(log, keys.signer)
  const N = Number(n)
  const t = performance.now()
  for (let i = 0; i < N; i += 100) { await writer.append(Array.from({ length: 100 }, (_, k) => draft(i + k, 180))); await store.index.flush({ all: false }) }
  const s = (performance.now() - t) / 1000
  console.log('batches of 100:', Math.round(N / s), '/s')
  const t2 = performance.now()
  for (let i = 0; i < 1500; i++) await writer.append([draft(i, 180)])
  console.log('one at a time:', Math.round(1500 / ((performance.now() - t2) / 1000)), '/s')
  const d = Array.from({ length: 100 }, (_, k) => draft(k, 180)); const t3 = performance.now()
  await Promise.all(Array.from({ length: 300 }, () => writer.append(d)))
  console.log('300 parallel batches of 100:', Math.round(30000 / ((performance.now() - t3) / 1000)), '/s')
  const t4 = performance.now()
  await store[Symbol.asyncDispose]()
  console.log('close', Math.round(performance.now() - t4), 'ms', root)
} else if (mode === 'open') {
  const t = performance.now()
  const log = readOwnLog(root)!
  const store = await Store.open(root, { ownLog: log })
  const writer = store.openWriter(log, openKeys(root).signer)
  console.log('ready', Math.round(performance.now() - t), 'ms; size', writer.folder.size, 'rss', Math.round(process.memoryUsage().rss / 1e6), 'MB')
  await store[Symbol.asyncDispose]()
} else if (mode === 'fsck') {
  const { verifyFolder } = await import('../src/store/index.ts')
  const t = performance.now()
  const run = verifyFolder(root, { signal: new AbortController().signal })
  for (;;) { const r = await run.next(); if (r.done) { console.log(r.value, Math.round(performance.now() - t), 'ms rss', Math.round(process.memoryUsage().rss / 1e6)); break } console.log(r.value) }
}
