import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { digestOf } from '../../src/core/index.ts'
import { openHttp } from '../../src/http/index.ts'
import { publish, runVerb } from '../../src/node/index.ts'
import { filesOfTar } from '../artifact/tar.ts'
import { tool } from '../registry/tools.ts'
import { both, bundle, images, installer, large, names, tarOfFiles, thickFiles, thickOf } from './cnab-lab.ts'
import { NodeLab, until, writeTrust } from './lab.ts'

const never = new AbortController().signal

describe('a bundle that was published at another node', () => {
  it('CNAB-5 CNAB-7: comes with its images; its map has the names that these have here, and they are pulled from here', async () => {
    await using lab = new NodeLab()
    const [a, b] = [await lab.folder('a'), await lab.folder('b')]
    writeTrust(b.root, 1, { a: a.did })
    const [nodeA, nodeB] = [await lab.up('a', a.root), await lab.up('b', b.root)]
    const path = join(a.root, 'tmp', 'hello.tgz')
    writeFileSync(path, thickOf(thickFiles(bundle, images)))
    const [said] = await Array.fromAsync(publish(nodeA.node, [path], { repository: 'apps/hello', tag: '1' }))
    const digest = said?.kind === 'result' ? said.digest : expect.unreachable()
    await lab.connect(nodeB, nodeA)

    await using http = await openHttp(nodeB.node, '127.0.0.1:0', { live: nodeB.live })
    const host = http.url.replace('http://', '')
    const ask = async (args: object): Promise<Readonly<Record<string, unknown>>> => {
      const [record] = await Array.fromAsync(runVerb(nodeB.node, nodeB.live, 'get', args, never))
      return (record ?? expect.unreachable()) as never
    }
    await until(async () => expect(await ask({ what: 'a/apps/hello:1', manifest: true })).toMatchObject({ digest }))
    const { map } = await ask({ what: 'a/apps/hello:1', format: 'cnab-relocation-map' })
    expect(map).toEqual({
      [names.installer]: `${host}/a/apps/hello@${installer.digest}`,
      [names.large]: `${host}/a/apps/hello@${large.digest}`,
      [names.both]: `${host}/a/apps/hello@${both.digest}`
    })
    const copy = join(b.root, 'tmp', 'copy')
    const from = `docker://${host}/a/apps/hello@${large.digest}`
    await tool('skopeo', 'copy', '-q', '--preserve-digests', '--src-tls-verify=false', from, `dir:${copy}`)
    expect(digestOf(readFileSync(join(copy, 'manifest.json')))).toBe(large.digest)

    const thick = await ask({ what: digest, format: 'cnab-thick' })
    const files = thick['files'] as readonly {
      readonly path: string
      readonly text?: string
      readonly blob?: { readonly path: string }
    }[]
    const read = ({ text: short, blob }: (typeof files)[number]): string | Uint8Array => short ?? readFileSync(blob?.path ?? '')
    const tar = filesOfTar(tarOfFiles(files.map((file) => [file.path, read(file)])))
    expect(Buffer.from(tar.get('bundle.json') ?? []).toString()).toBe(bundle)
    expect([...tar.keys()].filter((one) => one.includes('/blobs/'))).toHaveLength(
      new Set(Object.values(images).flatMap(({ blobs }) => [...blobs.keys()])).size
    )
  })
})
