import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GetFlags, get as write } from '../../src/cli/commands/get.ts'
import { digestOf, RejoinError } from '../../src/core/index.ts'
import { Node, publish } from '../../src/node/index.ts'
import { filesOfTar } from '../artifact/tar.ts'
import { tool } from '../registry/tools.ts'
import { bundleJson, type LabImage, labImage, labIndex, layoutFolder } from './cnab-lab.ts'
import { main } from '../command-line.ts'

const run = promisify(execFile)

const image = labImage('hello.txt', 'hello from the image\n')
const arm = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const both = labIndex([
  { ...labImage('a', 'for s390x', { os: 'linux', architecture: 's390x' }), platform: { os: 'linux', architecture: 's390x' } },
  { ...labImage('b', 'for arm64', arm), platform: arm }
])

const evilName = 'example/\u202etxt.x:1'

let lab: string
let root: string

beforeAll(async () => {
  lab = mkdtempSync(join(tmpdir(), 'rejoin-formats-'))
  root = join(lab, 'alice')
  await Node.init(root, 'alice', 'test')
  await using node = await Node.open(root)
  const put = async (name: string, what: LabImage): Promise<void> => {
    const folder = join(lab, name)
    layoutFolder(folder, { '1': what })
    await Array.fromAsync(publish(node, [folder], { repository: `apps/${name}`, tag: '1' }))
  }
  await put('image', image)
  await put('both', both)
  const evil = join(lab, 'bundle.json')
  writeFileSync(evil, bundleJson({ invocation: { image: evilName, contentDigest: image.digest }, components: {} }))
  await Array.fromAsync(publish(node, [evil], { repository: 'docs/evil', tag: '1' }))
  const sbom = join(lab, 'note.txt')
  writeFileSync(sbom, 'a note')
  await Array.fromAsync(publish(node, [sbom], { type: 'text/plain', repository: 'docs/note', tag: '1' }))
})
afterAll(() => rmSync(lab, { recursive: true, force: true }))

async function get(what: string, flags: GetFlags): Promise<void> {
  expect(await write({ root, json: false, quiet: true, signal: new AbortController().signal }, what, flags)).toBe(0)
}

/** Returns what the command prints. */
async function printed(...args: readonly string[]): Promise<Buffer> {
  const { stdout } = await run(execPath, [main, 'get', '--data', root, ...args], { encoding: 'buffer', maxBuffer: 64 << 20 })
  return stdout
}

async function refusal(what: string, flags: GetFlags): Promise<RejoinError> {
  const error: unknown = await get(what, flags).catch((thrown: unknown) => thrown)
  return error instanceof RejoinError ? error : expect.unreachable()
}

describe('docker-archive', () => {
  it('CNAB-10: is what skopeo reads: the same config, the same layers, its name', async () => {
    const path = join(lab, 'image.tar')
    await get('apps/image:1', { format: 'docker-archive', output: path })
    const files = filesOfTar(readFileSync(path))
    const hex = image.config.slice(7)
    const layer = [...image.blobs.keys()][2]?.slice(7) ?? expect.unreachable()
    expect(JSON.parse(Buffer.from(files.get('manifest.json') ?? expect.unreachable()).toString())).toEqual([
      { Config: `${hex}.json`, RepoTags: ['apps/image:1'], Layers: [`${layer}.tar.gz`] }
    ])
    expect([...files.keys()]).toEqual(['manifest.json', `${hex}.json`, `${layer}.tar.gz`])
    const copy = join(lab, 'copied')
    await tool('skopeo', 'copy', '-q', `docker-archive:${path}:apps/image:1`, `dir:${copy}`)
    const manifest = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8')) as {
      readonly config: { readonly digest: string }
    }
    expect(manifest.config.digest).toBe(image.config)
    expect((await printed('apps/image:1', '--format', 'docker-archive', '-o', '-')).equals(readFileSync(path))).toBe(true)
  })

  it('CNAB-10: of an image for several platforms is the one that is asked for', async () => {
    const path = join(lab, 'arm.tar')
    await get('apps/both:1', { format: 'docker-archive', platform: 'linux/arm64', output: path })
    const told = JSON.parse(await tool('skopeo', 'inspect', '--config', `docker-archive:${path}`)) as {
      readonly architecture: string
    }
    expect(told.architecture).toBe('arm64')
    expect(await refusal('apps/both:1', { format: 'docker-archive', platform: 'linux/ppc64le', output: path })).toMatchObject({
      code: 'E_DOCUMENT',
      message: 'the image has nothing for the platform linux/ppc64le',
      hint: '--platform linux/s390x, linux/arm64/v8'
    })
    expect((await refusal('docs/note:1', { format: 'docker-archive', output: path })).message).toMatch(/is no container image$/)
  })
})

describe('oci-layout', () => {
  it('CNAB-9: is a folder that skopeo and umoci read, with the manifest untouched', async () => {
    const folder = join(lab, 'out')
    await get('apps/image:1', { format: 'oci-layout', output: folder })
    await tool('skopeo', 'copy', '-q', '--preserve-digests', `oci:${folder}:1`, `dir:${join(lab, 'from-layout')}`)
    expect(digestOf(readFileSync(join(lab, 'from-layout/manifest.json')))).toBe(image.digest)
    await tool('umoci', 'unpack', '--rootless', '--image', `${folder}:1`, join(lab, 'unpacked'))
    expect(readFileSync(join(lab, 'unpacked/rootfs/hello.txt'), 'utf8')).toBe('hello from the image\n')
    expect(readdirSync(join(folder, 'blobs/sha256')).toSorted()).toEqual(
      [...image.blobs.keys()].map((one) => one.slice(7)).toSorted()
    )
  })

  it('CNAB-9: as FILE.tar or on standard output is an archive that skopeo reads', async () => {
    const path = join(lab, 'layout.tar')
    await get('apps/both:1', { format: 'oci-layout', output: path })
    await tool('skopeo', 'copy', '-q', '--all', '--preserve-digests', `oci-archive:${path}:1`, `dir:${join(lab, 'from-archive')}`)
    expect(digestOf(readFileSync(join(lab, 'from-archive/manifest.json')))).toBe(both.digest)
    expect((await printed('apps/both:1', '--format', 'oci-layout', '-o', '-')).equals(readFileSync(path))).toBe(true)
  })
})

describe('what is written', () => {
  it('CNAB-11: has its name only when all of it is there, and nothing that is there is overwritten', async () => {
    const config = join(root, 'blobs/sha256', image.config.slice(7))
    const bytes = readFileSync(config)
    const { mode } = statSync(config)
    rmSync(config)
    writeFileSync(config, Buffer.alloc(bytes.length, 32), { mode })
    const out = join(lab, 'damaged')
    mkdirSync(out)
    for (const [format, name] of [
      ['oci-layout', 'folder'],
      ['oci-layout', 'layout.tar'],
      ['docker-archive', 'image.tar']
    ] as const)
      expect((await refusal('apps/image:1', { format, output: join(out, name) })).code).toBe('E_BAD_OBJECT')
    expect(readdirSync(out)).toEqual([])
    writeFileSync(config, bytes)
    writeFileSync(join(out, 'mine'), 'mine')
    for (const format of ['oci-layout', 'docker-archive'])
      expect((await refusal('apps/image:1', { format, output: join(out, 'mine') })).code).toBe('E_EXISTS')
    expect(readFileSync(join(out, 'mine'), 'utf8')).toBe('mine')
    await get('apps/image:1', { output: join(out, 'plain') })
    expect(existsSync(join(out, 'plain/index.json'))).toBe(true)
  })
})

describe('a relocation map on a terminal', () => {
  it('CLI-20 CNAB-7: steers nothing, and has the very references of bundle.json as keys', async () => {
    const text = (await printed('docs/evil:1', '--format', 'cnab-relocation-map', '--registry', 'depot:5000')).toString()
    expect(text).toBe(`{"example/\\u202etxt.x:1":"depot:5000/apps/image@${image.digest}"}\n`)
    expect(JSON.parse(text)).toEqual({ [evilName]: `depot:5000/apps/image@${image.digest}` })
  })
})
