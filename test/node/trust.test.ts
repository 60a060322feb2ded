import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseDigest } from '../../src/core/index.ts'
import { publish } from '../../src/node/index.ts'
import { faultsOf, filesWith, type LabNode, NodeLab, publishText, reload, until, usedAt, writeTrust } from './lab.ts'

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'
let lab = new NodeLab()
beforeEach(() => {
  lab = new NodeLab()
})
afterEach(async () => await lab[Symbol.asyncDispose]())

const sbom = (name: string): string =>
  JSON.stringify({
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    components: [
      { type: 'library', name, version: '1.0.0', purl: `pkg:npm/${name}@1.0.0`, licenses: [{ license: { id: 'MIT' } }] }
    ]
  })

/** Three nodes in a row, a – b – c, each trusting the other two, with rules of their own. */
async function row(rules: Readonly<Record<'a' | 'b' | 'c', string>>): Promise<Readonly<Record<'a' | 'b' | 'c', LabNode>>> {
  const folders = { a: await lab.folder('a'), b: await lab.folder('b'), c: await lab.folder('c') }
  const dids = { a: folders.a.did, b: folders.b.did, c: folders.c.did }
  for (const name of ['a', 'b', 'c'] as const) writeTrust(folders[name].root, 1, dids, rules[name])
  const nodes = {
    a: await lab.up('a', folders.a.root),
    b: await lab.up('b', folders.b.root),
    c: await lab.up('c', folders.c.root)
  }
  await lab.connect(nodes.b, nodes.a)
  await lab.connect(nodes.c, nodes.b)
  return nodes
}

const none = { a: '', b: '', c: '' }

describe('rules, on every path', () => {
  it('VERDICT-2 a refused event leaves no text, by gossip and by sync, does not travel on, and the log verifies behind it', async () => {
    const { a, b, c } = await row({ ...none, b: 'mediaTypes: {deny: ["text/x-secret"]}\n' })
    await publishText(a, 'before they meet SECRET-1', { type: 'text/x-secret' })
    await publishText(a, 'an open text OPEN-1', { type: 'text/x-open' })
    await until(() => expect(usedAt(c, a.node.log).filter((event) => event !== undefined)).toHaveLength(2))
    await publishText(a, 'by gossip SECRET-2', { type: 'text/x-secret' })
    await publishText(a, 'by gossip OPEN-2', { type: 'text/x-open' })
    await until(() => expect(usedAt(c, a.node.log)).toHaveLength(5))
    await until(() => expect(filesWith(c.root, 'OPEN-2')).not.toEqual([]))
    for (const node of [b, c]) {
      expect(usedAt(node, a.node.log).map((event) => event?.type ?? 'withheld')).toEqual([
        'log.opened',
        'withheld',
        'artifact.published',
        'withheld',
        'artifact.published'
      ])
      for (const secret of ['SECRET-1', 'SECRET-2', 'text/x-secret'])
        expect(
          filesWith(node.root, secret).filter((path) => path !== 'trust.yaml' && path !== 'private/trust.last.yaml')
        ).toEqual([])
      expect(await faultsOf(node.root)).toEqual([])
    }
  })

  it('VERDICT-20 other rules fetch what was refused, pass it on, and take it back again', async () => {
    const { a, b, c } = await row({ ...none, b: 'mediaTypes: {deny: ["text/x-secret"]}\n' })
    const { digest } = await publishText(a, 'for later LATER-1', { type: 'text/x-secret' })
    await until(() => expect(usedAt(c, a.node.log)).toHaveLength(2))
    expect(filesWith(b.root, 'LATER-1')).toEqual([])
    const dids = { a: a.node.did, b: b.node.did, c: c.node.did }
    writeTrust(b.root, 2, dids)
    await reload(b)
    for (const node of [b, c]) {
      await until(() => expect(usedAt(node, a.node.log)[1]?.subject).toBe(digest))
      await until(() => expect(filesWith(node.root, 'LATER-1')).toHaveLength(1))
    }
    writeTrust(b.root, 3, dids, 'mediaTypes: {deny: ["text/x-secret"]}\n')
    await reload(b)
    expect(usedAt(b, a.node.log)[1]).toBe(undefined)
    expect(filesWith(b.root, 'LATER-1')).toEqual([])
    // b gives neither line nor blob to somebody new
    const d = await lab.folder('d')
    writeTrust(d.root, 1, dids)
    writeTrust(b.root, 4, { ...dids, d: d.did }, 'mediaTypes: {deny: ["text/x-secret"]}\n')
    await reload(b)
    const late = await lab.up('d', d.root)
    await lab.connect(late, b)
    await until(() => expect(usedAt(late, a.node.log)).toHaveLength(2))
    expect(usedAt(late, a.node.log)[1]).toBe(undefined)
    for (const node of [b, c, late]) expect(await faultsOf(node.root)).toEqual([])
  })

  it('VERDICT-15 holds what a rule on content must look into, fetches it into quarantine, and then decides', async () => {
    const rules = `rules:
  - {id: relevant, when: 'event.type == "sbom.published" && content.components.exists(c, c.name == "wanted")', verdict: relay}
  - {id: other, when: 'event.type == "sbom.published"', verdict: keep}
default: relay
`
    const { a, b, c } = await row({ ...none, b: rules })
    const wanted = await publishText(a, sbom('wanted'), {})
    const other = await publishText(a, sbom('other'), {})
    await until(() =>
      expect(usedAt(b, a.node.log).map((event) => event?.subject)).toEqual([undefined, wanted.digest, other.digest])
    )
    await until(() => expect(usedAt(c, a.node.log)[1]?.subject).toBe(wanted.digest))
    // what is kept is used at b and goes no further
    await until(() => expect(filesWith(b.root, 'pkg:npm/other').every((path) => path.startsWith('private/'))).toBe(true))
    expect(filesWith(b.root, 'pkg:npm/other')).toHaveLength(1)
    expect(filesWith(c.root, 'pkg:npm/other')).toEqual([])
    expect(usedAt(c, a.node.log)[2]).toBe(undefined)
    const latest = b.node.verdicts.latest(a.node.log, () => true)
    expect([...latest.values()].map(({ rule, verdict }) => `${rule} ${verdict}`)).toEqual([
      'log relay',
      'relevant relay',
      'other keep'
    ])
    for (const node of [b, c]) expect(await faultsOf(node.root)).toEqual([])
  })

  it('VERDICT-21 the node itself publishes nothing that its rules refuse, and stores nothing of it', async () => {
    const { a } = await row({ ...none, a: 'mediaTypes: {deny: ["text/x-secret"]}\ngates: {license: {deny: ["MIT"]}}\n' })
    await expect(publishText(a, 'MINE-1', { type: 'text/x-secret' })).rejects.toThrow(/E_REFUSED.*mediaTypes/)
    await expect(publishText(a, sbom('mine'), {})).rejects.toThrow(/E_REFUSED.*gate:license/)
    expect(a.node.writer.folder.size).toBe(1)
    expect(filesWith(a.root, 'pkg:npm/mine').filter((path) => !path.startsWith('tmp/'))).toEqual([])
  })

  it('VERDICT-21 nor a layout in which a document is that they refuse, also below an index', async () => {
    const [strict, free] = [await lab.folder('strict'), await lab.folder('free')]
    writeTrust(strict.root, 1, {}, 'gates: {license: {deny: ["MIT"]}}\n')
    const [a, b] = [await lab.up('strict', strict.root), await lab.up('free', free.root)]
    const bad = await publishText(b, sbom('theirs'), {})
    const [of] = await Array.fromAsync(publish(a.node, [b.root], {}))
    expect(of).toMatchObject({ kind: 'error', code: 'E_REFUSED' })
    const nested = {
      manifests: [{ mediaType: manifestType, digest: bad.digest, size: b.node.blobs.size(parseDigest(bad.digest)) ?? 0 }]
    }
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, ...nested }))
    const digest = createHash('sha256').update(index).digest('hex')
    writeFileSync(join(b.root, 'blobs/sha256', digest), index)
    const root = { mediaType: indexType, digest: `sha256:${digest}`, size: index.length }
    writeFileSync(join(b.root, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [root] }))
    const [below] = await Array.fromAsync(publish(a.node, [b.root], { repository: 'apps/web', tag: 'v1' }))
    expect(below).toMatchObject({ kind: 'error', code: 'E_REFUSED' })
    expect((below as { readonly error: string }).error).toMatch(/the manifest sha256:.* \(gate:license\)/)
    expect(a.node.writer.folder.size).toBe(1)
    expect(filesWith(a.root, 'pkg:npm/theirs')).toEqual([])
    // what no rule looks into goes as it is
    const [taken] = await Array.fromAsync(publish(b.node, [b.root], {}))
    expect(taken).toMatchObject({ kind: 'result', digest: root.digest })
  })

  it('peers are held to what the trust file says, also after it changed', async () => {
    const { a, b } = await row({ ...none, a: 'reputation: {malformed: -10, graylistBelow: -15}\n' })
    const peer = b.node.nodeId
    a.node.scores.fault(peer, 'E_FRAME')
    expect(a.node.scores.isDenied(peer)).toBe(false)
    a.node.scores.fault(peer, 'E_FRAME')
    expect(a.node.scores.isDenied(peer)).toBe(true)
    writeTrust(a.root, 2, { b: b.node.did }, 'reputation: {malformed: -10, graylistBelow: -50}\n')
    await reload(a)
    expect(a.node.scores.isDenied(peer)).toBe(false)
  })

  it('TRUST-24 a file with a lower version, or one that is wrong, leaves the rules that were in force, also over a restart', async () => {
    const { a, b } = await row({ ...none, b: 'mediaTypes: {deny: ["text/x-secret"]}\n' })
    const dids = { a: a.node.did, b: b.node.did }
    const { digest } = b.node.gate.rules.file
    writeTrust(b.root, 0, dids)
    expect(() => b.node.reloadTrust()).toThrow(/version 0 is below 1/)
    writeTrust(b.root, 2, dids, 'surprise: 1\n')
    expect(() => b.node.reloadTrust()).toThrow(/line \d+, column \d+/)
    expect(b.node.gate.rules.file.digest).toBe(digest)
    await lab.down(b)
    const again = await lab.up('b', b.root)
    expect(again.node.gate.rules.file.digest).toBe(digest)
    expect(again.notices.join('\n')).toMatch(/stay in force/)
  })
})
