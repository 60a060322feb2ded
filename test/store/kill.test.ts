import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { env, execPath } from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { hex, parseEvent } from '../../src/core/index.ts'
import { openKeys, Store, verifyFolder } from '../../src/store/index.ts'
import { besideMain } from '../command-line.ts'
import { newNode, temporaryFolder } from './sample-folder.ts'

const { signal } = new AbortController()
const rounds = 40

const script = besideMain('kill-child')

/** Lets a child append, kills it some time after it has printed so much, and returns the whole lines that it printed. */
async function runAndKill(
  root: string,
  { textBytes, ms }: { readonly textBytes: number; readonly ms: number }
): Promise<readonly string[]> {
  const child = spawn(execPath, [script, root], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let text = ''
  const enough = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString()
      if (text.includes('ready\n') && text.length >= textBytes) resolve()
    })
    child.once('exit', () => reject(new Error('the child ended by itself')))
  })
  await enough
  await setTimeout(ms)
  child.kill('SIGKILL')
  await once(child, 'close')
  return text.split('\n').slice(0, -1)
}

it('keeps every acknowledged event through 40 kills, and never signs two roots of one size (FOLDER-8, FOLDER-9)', async () => {
  const seed = Number(env['SEED'] ?? Math.floor(Math.random() * 1e9))
  using folder = temporaryFolder()
  const root = join(folder.path, 'node')
  // a life that only fills the cache of compiled modules, which those that are killed can't write
  await once(spawn(execPath, [script], { stdio: 'inherit' }), 'close')
  const { log } = await newNode(root)
  const { signer } = openKeys(root)
  const acknowledged = new Map<number, string>()
  const rootOf = new Map<number, string>()
  const note = (size: number, rootHash: string): void => {
    expect(rootOf.get(size) ?? rootHash, `seed ${seed}: size ${size}`).toBe(rootHash)
    rootOf.set(size, rootHash)
  }
  let state = seed
  for (let round = 0; round < rounds; round++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const fresh = new Map<number, string>()
    for (const line of await runAndKill(root, { textBytes: (state >>> 8) % 20_000, ms: (state >>> 4) % 12 })) {
      const [word, number, text = ''] = line.split(' ')
      if (word === 'event') fresh.set(Number(number), text)
      if (word === 'signed') note(Number(number), text)
    }
    const store = await Store.open(root, { ownLog: log })
    await using closing = store
    const { folder: own } = store.openWriter(log, signer)
    // those of earlier rounds are covered by the roots that were noted, and looked at once more at the end
    for (const [index, id] of fresh) acknowledged.set(index, id)
    for (const [index, id] of round === rounds - 1 ? acknowledged : fresh) {
      const { line } = own.entry(index)
      expect(line && parseEvent(line).id, `seed ${seed}, round ${round}: entry ${index}`).toBe(id)
    }
    const { checkpoint } = own
    if (checkpoint === undefined) throw new Error('no checkpoint')
    expect(checkpoint.size).toBe(own.size)
    note(checkpoint.size, hex(checkpoint.root))
    expect(store.index.sizeOf(log)).toBe(own.size)
    await closing[Symbol.asyncDispose]()
    for await (const fault of verifyFolder(root, { signal }))
      expect.fail(`seed ${seed}, round ${round}: ${JSON.stringify(fault)}`)
  }
  expect(acknowledged.size).toBeGreaterThan(100)
})
