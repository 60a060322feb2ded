import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { peerIdOf } from '../../src/core/index.ts'
import { Node, runVerb } from '../../src/node/index.ts'
import { sampleSigner } from '../core/sample.ts'
import { NodeLab, publishText, until, writeTrust } from './lab.ts'
import { bring, trustText, verdictAt, writtenLog } from './logs.ts'

const never = new AbortController().signal
const folders: string[] = []
const open: Node[] = []
afterEach(async () => {
  for (const node of open.splice(0)) await node[Symbol.asyncDispose]()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

async function nodeWith(trust: string): Promise<Node> {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-bringers-'))
  folders.push(root)
  await Node.init(root, 'me', 'test')
  writeFileSync(join(root, 'trust.yaml'), trust)
  const node = await Node.open(root)
  open.push(node)
  await node.settled()
  return node
}

const a = writtenLog('a', [{ type: 'a.b' }, { type: 'a.b' }, { type: 'a.b' }, { type: 'a.b' }])
const [good, bad] = ['good', 'bad'].map((name) => peerIdOf(sampleSigner(name).publicKey)) as [string, string]
const byPeer = 'rules:\n  - {id: well-brought, when: peer.reputation >= 0.0, verdict: relay}\ndefault: hold\n'
const shown = (node: Node): readonly string[] => a.lines.slice(1).map((_, i) => verdictAt(node, a.log, i + 1))

describe('who brings an event', () => {
  it('VERDICT-22 is a fact at arrival that stays what it was when entries are judged again', async () => {
    const node = await nodeWith(trustText({ team: [a] }, byPeer))
    node.scores.note(bad, 'malformed')
    await bring(node, a, 0, 2, good)
    await bring(node, a, 2, 3, bad)
    await bring(node, a, 3, 5)
    expect(shown(node)).toEqual(['relay', 'hold', 'relay', 'relay'])
    node.scores.note(good, 'badProof')
    for (let i = 0; i < 20; i++) node.scores.note(bad, 'useful')
    expect(await node.rejudge(a.log)).toBe(0)
    await node[Symbol.asyncDispose]()
    const again = await Node.open(node.root)
    open.push(again)
    expect(await again.rejudge(a.log, new Set([2]))).toBe(0)
    for await (const record of runVerb(again, undefined, 'explain', { event: `${a.log}/2` }, never))
      expect(record).toMatchObject({
        verdict: 'hold',
        history: [{ reputation: -10 }, {}],
        now: { facts: { peer: { reputation: -10 } } }
      })
  })

  it('VERDICT-22 is known of a session, too', async () => {
    await using lab = new NodeLab()
    const writer = await lab.folder('writer')
    const reader = await lab.folder('reader')
    writeTrust(reader.root, 2, { writer: writer.did }, byPeer)
    const from = await lab.up('writer', writer.root)
    const to = await lab.up('reader', reader.root)
    to.node.scores.note(from.node.nodeId, 'malformed')
    const { index } = await publishText(from, 'hello', { type: 'text/plain' })
    await lab.connect(to, from)
    await until(() => expect(verdictAt(to.node, from.node.log, index)).toBe('hold'))
  })

  it('PEERS-10 may bring only so much that is held, and the rest is asked of others', async () => {
    const node = await nodeWith(
      trustText({ team: [a] }, 'rules: []\ndefault: hold\nrateLimits: {perPeerHeld: {events: 2/h, burst: 1000}}\n')
    )
    node.scores.configure({ held: { eventsPerSecond: 1 / 3600, bytesPerSecond: 1e9, burst: 7200 } })
    await bring(node, a, 0, 4, bad)
    expect(shown(node)).toEqual(['hold', 'hold', 'nowhere', 'nowhere'])
    await bring(node, a, 4, 5, good)
    expect(shown(node)).toEqual(['hold', 'hold', 'nowhere', 'hold'])
    const folder = node.store.needFolder(a.log)
    const head = { log: new Uint8Array(32), size: 5, root: folder.tree.root(), author: folder.opened.publicKey, texts: 0 }
    expect(node.replica.seek(new Uint8Array(32), new Uint8Array(16), [head])).toMatchObject([{ log: a.log }])
  })
})
