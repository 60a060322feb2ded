import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OutputFile, runVerb } from '../../src/node/index.ts'
import { tarOfFiles } from '../node/cnab-lab.ts'
import { until } from '../node/lab.ts'
import { Registry } from './conformance/client.ts'
import { Site } from './site.ts'
import { layout, tool, skopeoCopy } from './tools.ts'

let site: Site
let folder: string
beforeAll(async () => {
  site = await Site.open('engines')
  folder = mkdtempSync(join(tmpdir(), 'rejoin-engines-'))
  writeFileSync(join(folder, 'greeting'), 'hello from a container\n')
})
afterAll(async () => {
  // what the engines mounted or made read-only goes with their own tools
  rmSync(folder, { recursive: true, force: true })
  await site[Symbol.asyncDispose]()
})

/** What an engine needs to keep all that it has below a folder of the test. */
const storage = (name: string): readonly string[] => [
  '--root',
  join(folder, name, 'root'),
  '--runroot',
  join(folder, name, 'run'),
  '--storage-driver',
  'vfs'
]
const buildah = async (...args: readonly string[]): Promise<string> =>
  (await tool('buildah', ...storage('buildah'), ...args)).trim()
const podman = async (...args: readonly string[]): Promise<string> => (await tool('podman', ...storage('podman'), ...args)).trim()
const image = (tag: string): string => `${site.host}/team/engine:${tag}`

async function digestAt(tag: string): Promise<string> {
  const { headers, status } = await new Registry(site.url).ask('HEAD', `/v2/team/engine/manifests/${tag}`)
  expect(status).toBe(200)
  return String(headers['docker-content-digest'])
}

/** Builds an image of one file with buildah and pushes it. */
async function built(tag: string): Promise<void> {
  const container = await buildah('from', 'scratch')
  await buildah('copy', '-q', container, join(folder, 'greeting'), '/greeting')
  await buildah('config', '--cmd', '/greeting', container)
  await buildah('commit', '-q', '--rm', container, 'built')
  await buildah('push', '-q', '--tls-verify=false', 'built', `docker://${image(tag)}`)
}

/** Writes an image as the docker archive that `rejoin get` makes of it; returns its path. */
async function archived(tag: string): Promise<string> {
  const args = { what: `team/engine:${tag}`, format: 'docker-archive' }
  const [record] = await Array.fromAsync(runVerb(site.node, undefined, 'get', args, new AbortController().signal))
  const { files } = record as unknown as { readonly files: readonly OutputFile[] }
  const path = join(folder, `${tag}.tar`)
  writeFileSync(path, tarOfFiles(files.map(({ path: name, blob, text }) => [name, text ?? readFileSync(blob?.path ?? '')])))
  return path
}

/** The Docker engine, with no network of its own, its storage in a folder. */
class Engine implements AsyncDisposable {
  readonly socket: string
  private readonly child: ChildProcess

  private constructor(socket: string, child: ChildProcess) {
    this.socket = socket
    this.child = child
  }

  static async open(root: string): Promise<Engine> {
    mkdirSync(root)
    const socket = join(root, 'engine.sock')
    const child = spawn(
      'dockerd',
      [
        '--data-root',
        join(root, 'data'),
        '--exec-root',
        join(root, 'exec'),
        '--pidfile',
        join(root, 'pid'),
        '--host',
        `unix://${socket}`
      ].concat(['--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver=vfs']),
      { stdio: 'ignore' }
    )
    const engine = new Engine(socket, child)
    await until(async () => {
      expect(existsSync(socket)).toBe(true)
      await engine.docker('version')
    })
    return engine
  }

  async docker(...args: readonly string[]): Promise<string> {
    return (await tool('docker', '--host', `unix://${this.socket}`, ...args)).trim()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    await ended
  }
}

describe('engines of Debian', () => {
  it('buildah pushes, podman pulls, builds on it in chroot isolation, and pushes', async () => {
    await built('1')
    const digest = await digestAt('1')
    await podman('pull', '-q', '--tls-verify=false', image('1'))
    expect(await podman('image', 'inspect', '--format', '{{.Digest}}', image('1'))).toBe(digest)
    await podman('push', '-q', '--tls-verify=false', image('1'), image('again'))
    writeFileSync(join(folder, 'Containerfile'), `FROM ${image('1')}\nCOPY greeting /second\n`)
    await podman(
      'build',
      '-q',
      '--isolation',
      'chroot',
      '--tls-verify=false',
      '-f',
      join(folder, 'Containerfile'),
      '-t',
      image('2'),
      folder
    )
    await podman('push', '-q', '--tls-verify=false', image('2'))
    const { body } = await new Registry(site.url).ask('GET', '/v2/team/engine/manifests/2')
    expect((JSON.parse(body.toString()) as { readonly layers: readonly unknown[] }).layers).toHaveLength(2)
  })

  it('CNAB-10: the Docker engine pulls what podman pushed, and pushes it: schema 2, byte for byte what the engine says; it loads archives', async () => {
    await built('engine')
    await using engine = await Engine.open(join(folder, 'docker'))
    const pulled = await engine.docker('pull', image('engine'))
    expect(pulled).toContain(`Digest: ${await digestAt('engine')}`)
    await engine.docker('tag', image('engine'), image('docker'))
    const pushed = await engine.docker('push', image('docker'))
    expect(pushed).toContain(`digest: ${await digestAt('docker')}`)
    const { headers, body } = await new Registry(site.url).ask('GET', '/v2/team/engine/manifests/docker')
    expect(headers['content-type']).toBe('application/vnd.docker.distribution.manifest.v2+json')
    expect(pushed).toContain(`size: ${body.length}`)
    await engine.docker('pull', `${site.host}/team/engine@${await digestAt('docker')}`)

    // without the registry: as archives
    const id = await engine.docker('image', 'inspect', '--format', '{{.Id}}', image('docker'))
    await engine.docker('image', 'rm', '-f', id)
    for (const tag of ['engine', 'docker']) {
      await engine.docker('load', '-i', await archived(tag))
      expect(await engine.docker('image', 'inspect', '--format', '{{.Id}} {{.RepoTags}}', `team/engine:${tag}`)).toContain(
        `${id} [`
      )
    }
  })

  it('umoci unpacks what skopeo copied into a layout', async () => {
    await built('umoci')
    const to = join(folder, 'layout')
    await tool(
      'skopeo',
      'copy',
      '-q',
      '--preserve-digests',
      '--src-tls-verify=false',
      `docker://${image('umoci')}`,
      `oci:${to}:umoci`
    )
    await tool('umoci', 'unpack', '--rootless', '--image', `${to}:umoci`, join(folder, 'bundle'))
    expect(readFileSync(join(folder, 'bundle/rootfs/greeting'), 'utf8')).toBe('hello from a container\n')
  })

  it('skopeo syncs, inspects and deletes; curl reads', async () => {
    const from = await layout(folder, 'regclient-testrepo')
    const remote = `${site.host}/sync/repo`
    for (const tag of ['a1', 'ai']) await skopeoCopy(`oci:${from}:${tag}`, `docker://${remote}:${tag}`)
    const synced = join(folder, 'synced')
    mkdirSync(synced)
    await tool('skopeo', 'sync', '--all', '--src-tls-verify=false', '--src', 'docker', '--dest', 'dir', remote, synced)
    expect(existsSync(join(synced, 'repo:a1', 'manifest.json'))).toBe(true)
    await tool(
      'skopeo',
      'sync',
      '--all',
      '--dest-tls-verify=false',
      '--src',
      'dir',
      '--dest',
      'docker',
      synced,
      `${site.host}/back`
    )
    const registry = new Registry(site.url)
    expect(await registry.tags('back/repo')).toEqual(['a1', 'ai'])
    const raw = await tool('skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${remote}:a1`)
    const read = await tool('curl', '-fsS', `${site.url}/v2/back/repo/manifests/a1`)
    expect(read).toBe(raw)
    await tool('skopeo', 'delete', '--tls-verify=false', `docker://${remote}:a1`)
    expect(await registry.tags('sync/repo')).toEqual(['ai'])
    await expect(tool('curl', '-fsS', `${site.url}/v2/sync/repo/manifests/a1`)).rejects.toThrow('404')
  })
})
