import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import {
  checkpointPath,
  cosign,
  type Cosigner,
  cosignerOf,
  encodeVerifierKey,
  type LogId,
  parseNote,
  parseTlogPolicy,
  quorumOf,
  signerOf,
  verifyCheckpoint,
  type WireHead,
  withCosignatures
} from '../../src/core/index.ts'
import { Node } from '../../src/node/index.ts'
import { cosignedPath, createWitness, openKeys, readCosigned, writeCosigned } from '../../src/store/index.ts'
import { failure } from '../net/hosts.ts'
import { faults, made, meet, trust, up, type Up, write } from './nodes.ts'

const patience = { timeout: 15_000 }

/** Makes a node that is a witness, and its verifier key. */
async function witness(name: string): Promise<{ readonly root: string; readonly vkey: string }> {
  const root = await made(name)
  return { root, vkey: encodeVerifierKey(createWitness(root).key) }
}

/** Adds a tlog policy to a node's trust file. */
function listen({ root, node }: Up, ...vkeys: readonly string[]): void {
  const path = join(root, 'trust.yaml')
  const lines = vkeys.map((vkey, i) => `    witness w${i} ${vkey}\n`)
  const group = `    group all ${vkeys.length} ${vkeys.map((_, i) => `w${i}`).join(' ')}\n    quorum all\n`
  writeFileSync(path, `${readFileSync(path, 'utf8')}\nwitnesses:\n  tlogPolicy: |\n${lines.join('')}${group}`)
  node.reloadTrust()
}

function policyOf(...vkeys: readonly string[]): ReturnType<typeof parseTlogPolicy> {
  const names = vkeys.map((_, i) => `w${i}`)
  return parseTlogPolicy(
    `${vkeys.map((vkey, i) => `witness ${names[i] as string} ${vkey}\n`).join('')}group all ${vkeys.length} ${names.join(' ')}\nquorum all\n`
  )
}

function noteOf({ node }: Up, log: LogId): Uint8Array {
  return node.store.needFolder(log).checkpoint?.note as Uint8Array
}

describe('a witness', () => {
  it('WITNESS-7 WITNESS-10 WITNESS-13: cosignatures come together from two witnesses, and travel with the checkpoint', async () => {
    const [w1, w2] = [await witness('w1'), await witness('w2')]
    const [a, c] = [await up(await made('alice')), await up(await made('carol'))]
    const { log } = a.node
    const [one, two] = [await up(w1.root, { witness: true }), await up(w2.root, { witness: true })]
    for (const node of [one, two, c]) trust(node, 'alice', a.node.did)
    for (const node of [a, c, one, two]) listen(node, w1.vkey, w2.vkey)
    for (const node of [one, two, c]) await meet(node, a)
    await vi.waitFor(() => expect(a.live.host.gossip.subscribers('rejoin/1/test/heads').length).toBe(3), patience)
    await write(a, 3)
    const policy = policyOf(w1.vkey, w2.vkey)
    for (const reader of [a, c, one, two])
      await vi.waitFor(() => {
        expect(reader.node.store.head(log)?.size).toBe(4)
        expect(quorumOf(policy, parseNote(noteOf(reader, log)))).toMatchObject({ met: true, names: ['w0', 'w1'] })
      }, patience)
    // who knows the same cosignatures has the same note
    expect(new Set([a, c].map((reader) => Buffer.from(noteOf(reader, log)).toString())).size).toBe(1)
    expect(c.node.known.witnessesOf(log, 3)).toMatchObject({ names: ['w0', 'w1'], quorum: true })
    expect(readCosigned(w1.root, log)?.size).toBe(4)
    for (const { live, node } of [a, c, one, two])
      for (const { peerId } of live.host.peers()) expect(node.scores.pointsOf(peerId)).toBeGreaterThanOrEqual(0)
    await c.down()
    expect(readFileSync(join(c.root, checkpointPath(log)))).toEqual(Buffer.from(noteOf(a, log)))
    for (const { root } of [a, c, one, two]) expect(await faults(root)).toEqual([])
    // by sync: who comes later gets them with the checkpoint, and drops those of witnesses that it does not know
    const late = await up(await made('late'))
    trust(late, 'alice', a.node.did)
    listen(late, w1.vkey)
    await meet(late, a)
    await vi.waitFor(() => expect(quorumOf(policyOf(w1.vkey), parseNote(noteOf(late, log))).met).toBe(true), patience)
    expect(parseNote(noteOf(late, log)).signatures).toHaveLength(2)
  })

  it('WITNESS-8: never cosigns two histories, and what it cosigned last survives a crash', async () => {
    const w = await witness('w')
    const a = await up(await made('alice'))
    const { log } = a.node
    await write(a, 3)
    const reader = await up(w.root, { witness: true })
    trust(reader, 'alice', a.node.did)
    await meet(reader, a)
    await vi.waitFor(() => expect(readCosigned(w.root, log)?.size).toBe(4), patience)
    await vi.waitFor(() => expect(parseNote(noteOf(reader, log)).signatures).toHaveLength(2), patience)
    await reader.down()
    // as after a crash in which the log was lost and comes back another one
    writeCosigned(w.root, { log, size: 3, root: new Uint8Array(32).fill(1) })
    const again = await up(w.root, { witness: true })
    await write(a, 1)
    await meet(again, a)
    await vi.waitFor(() => expect(again.notices.join('\n')).toContain('was not cosigned'), patience)
    expect(parseNote(noteOf(again, log)).signatures).toHaveLength(1)
    writeFileSync(join(w.root, cosignedPath(log)), 'rust')
    again.notices.length = 0
    await write(a, 1)
    await vi.waitFor(() => expect(again.notices.join('\n')).toContain('is damaged'), patience)
    expect(await faults(w.root)).toMatchObject([{ path: cosignedPath(log), code: 'E_DAMAGED' }])
  })

  it('WITNESS-7: lines that nobody here can verify go no further', async () => {
    const [a, b] = [await up(await made('alice')), await up(await made('bob'))]
    const { log } = a.node
    trust(b, 'alice', a.node.did)
    await write(a, 2)
    await meet(b, a)
    const { publicKey } = openKeys(a.root).signer
    const stranger = cosignerOf(signerOf(new Uint8Array(32).fill(5)))
    const checkpoint = verifyCheckpoint(noteOf(a, log), log, publicKey)
    const { note } = withCosignatures(checkpoint, publicKey, [cosign(checkpoint, stranger, Date.now())])
    expect(b.node.replica.cosigned(log, note)).toBe(false)
    expect(noteOf(b, log)).toEqual(checkpoint.note)
    listen(b, encodeVerifierKey(stranger.key))
    expect(b.node.replica.cosigned(log, note)).toBe(true)
    expect(b.node.replica.cosigned(log, note)).toBe(false)
    expect(noteOf(b, log)).toEqual(note)
  })

  it('WITNESS-12: needs a key of its own', async () => {
    const root = await made('w')
    expect(await failure(Node.open(root, { flags: { witness: true } }))).toMatchObject({ code: 'E_CONFIG' })
    expect(createWitness(root).key.publicKey).not.toEqual(openKeys(root).signer.publicKey)
    await (await up(root, { witness: true })).down()
  })

  it('SYNC-26: nodes that were apart exchange cosignatures of a head that both have when they sync', async () => {
    const [a, b] = [await up(await made('alice')), await up(await made('bob'))]
    const { log } = a.node
    trust(b, 'alice', a.node.did)
    await write(a, 300)
    await meet(b, a)
    const [one, two] = [1, 2].map((n) => cosignerOf(signerOf(new Uint8Array(32).fill(n)))) as [Cosigner, Cosigner]
    for (const reader of [a, b]) listen(reader, encodeVerifierKey(one.key), encodeVerifierKey(two.key))
    const { publicKey } = openKeys(a.root).signer
    const checkpoint = verifyCheckpoint(noteOf(a, log), log, publicKey)
    await b.down()
    await a.down()
    const [x, y] = [await up(a.root), await up(b.root)]
    for (const [reader, cosigner] of [
      [x, one],
      [y, two]
    ] as const) {
      const { note } = withCosignatures(checkpoint, publicKey, [cosign(checkpoint, cosigner, Date.now())])
      expect(reader.node.replica.cosigned(log, note)).toBe(true)
    }
    expect(noteOf(x, log)).not.toEqual(noteOf(y, log))
    await meet(y, x)
    await vi.waitFor(() => expect(parseNote(noteOf(x, log)).signatures).toHaveLength(3), patience)
    await vi.waitFor(() => expect(Buffer.from(noteOf(y, log))).toEqual(Buffer.from(noteOf(x, log))), patience)
    // nothing is new any more
    const [head] = y.node.replica.heads().filter(({ size }) => size === 301)
    expect(x.node.replica.survey([head as WireHead])).toEqual([])
    for (const { root } of [x, y]) expect(await faults(root)).toEqual([])
  })
})
