import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { artifactManifest, emptyConfig } from '../../src/artifact/index.ts'
import { digestOf, utf8 } from '../../src/core/index.ts'
import type { ClaimRecord } from '../../src/node/claims.ts'
import { publish, type PublishOptions, runVerb } from '../../src/node/index.ts'
import { sharedPath } from '../shared.ts'
import { layoutFolder } from './cnab-lab.ts'
import { type LabNode, NodeLab, reload, until, writeTrust } from './lab.ts'

const never = new AbortController().signal
const example = (name: string): object =>
  JSON.parse(readFileSync(sharedPath(`corpus/cnab/examples/examples__${name}.json`), 'utf8')) as object
const claim = example('400.01-claim')
const { bundle } = claim as { readonly bundle: object }
const result = example('400.01-claim-result')
const [first, second] = ['01E5G8ZYP714JVM8NHTJQ4FH15', '01E6G8ZYP714JVM8NHTJQ4FH15']

async function say({ node, root }: LabNode, document: object | string, options: PublishOptions = {}): Promise<string> {
  const path = join(root, 'tmp', 'claim.json')
  writeFileSync(path, typeof document === 'string' ? document : JSON.stringify(document))
  const [one] = await Array.fromAsync(publish(node, [path], options))
  rmSync(path)
  return one?.kind === 'result' ? one.digest : expect.unreachable()
}

async function listed({ node }: LabNode, args: object): Promise<readonly ClaimRecord[]> {
  return (await Array.fromAsync(runVerb(node, undefined, 'log', args, never))) as unknown as readonly ClaimRecord[]
}

/** Returns what a listing says, each record in a few words. */
function words(records: readonly ClaimRecord[]): readonly string[] {
  return records.map((one) => {
    switch (one.kind) {
      case 'installation':
        return `${one.installation}: ${one.bundle} ${one.action} ${one.status} by ${one.author}, ${one.claims}`
      case 'claim':
        return `claim ${one.id} ${one.action} by ${one.author}${one.disputed ? ' disputed' : ''}`
      case 'claim-result':
        return `result ${one.id} ${one.status} of ${one.claimId} by ${one.author}${one.disputed ? ' disputed' : ''}`
      case 'unread':
        return `unread: ${one.reason}`
    }
  })
}

describe('claims', () => {
  it('CNAB-20 CNAB-21 CNAB-22: said at one node are listed per installation at another, as far as its rules let them in', async () => {
    await using lab = new NodeLab()
    const [a, b, c] = [await lab.folder('a'), await lab.folder('b'), await lab.folder('c')]
    writeTrust(b.root, 1, { a: a.did })
    writeTrust(a.root, 1, { b: b.did, c: c.did })
    writeTrust(c.root, 1, { a: a.did })
    const [nodeA, nodeB, nodeC] = [await lab.up('a', a.root), await lab.up('b', b.root), await lab.up('c', c.root)]
    await lab.connect(nodeB, nodeA)
    await lab.connect(nodeC, nodeA)

    // said before the claim that they are about, and in no order
    await say(nodeA, { ...result, claimId: second, id: '01E7', status: 'running' })
    await say(nodeA, { ...claim, id: second, action: 'upgrade', bundle: { ...bundle, version: '0.2.0' } })
    await say(nodeA, claim)
    await say(nodeA, { ...claim, id: '01E8', installation: 'other' })
    await say(nodeA, result)
    await say(nodeA, { ...result, claimId: second, id: '01E8', status: 'failed', message: 'no space' })
    await say(nodeA, { ...result, claimId: 'nobody', id: '01E9' })
    await say(nodeC, { ...claim, id: '01E9', installation: 'of-c' })

    const all = [
      'other: helloworld 0.1.2 install  by a, 1',
      'technosophos.helloworld: helloworld 0.2.0 upgrade failed by a, 2',
      'result 01E9 succeeded of nobody by a'
    ]
    await until(async () => expect(words(await listed(nodeB, { installations: true }))).toEqual(all))
    const history = [
      `claim ${first} install by a`,
      `result 01E2ZZ2FKSE0V41DCXFCSW5D1M succeeded of ${first} by a`,
      `claim ${second} upgrade by a`,
      `result 01E7 running of ${second} by a`,
      `result 01E8 failed of ${second} by a`
    ]
    expect(words(await listed(nodeB, { installation: 'technosophos.helloworld' }))).toEqual(history)
    await until(async () =>
      expect(words(await listed(nodeA, { installations: true }))).toContain('of-c: helloworld 0.1.2 install  by c, 1')
    )
    expect(words(await listed(nodeA, { installations: true, log: 'c' }))).toEqual(['of-c: helloworld 0.1.2 install  by c, 1'])
    await expect(listed(nodeB, { installation: 'of-c' })).rejects.toThrow('no claim here is about the installation "of-c"')

    // b lets c in, whose other claim has the ID of one of a
    await say(nodeC, { ...claim, installation: 'stolen' })
    writeTrust(b.root, 2, { a: a.did, c: c.did })
    await reload(nodeB)
    await until(async () =>
      expect(words(await listed(nodeB, { installation: 'stolen' }))).toEqual([
        `claim ${first} install by c disputed`,
        `result 01E2ZZ2FKSE0V41DCXFCSW5D1M succeeded of ${first} by a`
      ])
    )
    expect(words(await listed(nodeB, { installation: 'technosophos.helloworld' }))[0]).toBe(
      `claim ${first} install by a disputed`
    )

    // the same document once more is no other claim, and what is no claim says so
    await say(nodeA, claim)
    const digest = await say(nodeA, '{"installation":5,"action":"x","revision":"y","bundle":{}}', { type: 'cnab-claim' })
    expect(words(await listed(nodeA, { installation: 'technosophos.helloworld' }))).toEqual([
      `${history[0]} disputed`,
      ...history.slice(1),
      'unread: no claim and no result'
    ])
    await nodeA.node.blobs.remove(digest as never)
    expect(words(await listed(nodeA, { installation: 'other' })).at(-1)).toBe('unread: not here')

    // a push to the registry, or a layout, says only that a manifest was published
    const folder = join(nodeA.root, 'tmp', 'layout')
    const bytes = utf8(JSON.stringify({ ...claim, id: '01EA', installation: 'pushed' }))
    const layer = { mediaType: 'application/vnd.cnab.claim.v1+json', digest: digestOf(bytes), size: bytes.length }
    const manifest = artifactManifest({ artifactType: layer.mediaType, layer })
    const blobs = new Map([bytes, manifest.bytes, emptyConfig.bytes].map((one): [string, Uint8Array] => [digestOf(one), one]))
    layoutFolder(folder, { v1: { ...manifest, size: manifest.bytes.length, config: '', blobs } })
    await Array.fromAsync(publish(nodeA.node, [folder], {}))
    rmSync(folder, { recursive: true })
    expect(words(await listed(nodeA, { installation: 'pushed' }))[0]).toBe('claim 01EA install by a')
  })
})
