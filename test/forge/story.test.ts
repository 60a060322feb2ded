import { readdirSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { eventually, Lab, type Printed } from '../e2e/process.ts'
import { DockerRegistry } from '../registry/docker-registry.ts'
import { layout, tool } from '../registry/tools.ts'

const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/** Returns the digest that a tag has at a registry. */
async function digestAt(url: string, repository: string, tag: string): Promise<string | null> {
  const accept = `${manifestType}, application/vnd.oci.image.index.v1+json`
  const answer = await fetch(`${url}/v2/${repository}/manifests/${tag}`, { method: 'HEAD', headers: { accept } })
  return answer.headers.get('docker-content-digest')
}

it('a site follows a forge, works on while it is away, and rejoins it: both converge, the conflict is listed, nothing is lost', async () => {
  await using lab = new Lab()
  await using forge = await DockerRegistry.open()
  const source = await layout(lab.root, 'regclient-testrepo')
  const copy = async (tag: string, url: string, name: string): Promise<void> =>
    void (await tool(
      'skopeo',
      'copy',
      '--all',
      '--quiet',
      '--dest-tls-verify=false',
      `oci:${source}:${tag}`,
      `docker://${url.replace('http://', '')}/${name}`
    ))
  await copy('a1', forge.url, 'apps/web:v1')
  await copy('a2', forge.url, 'apps/web:v2')
  await lab.init('site')
  const running = lab.start([
    'up',
    '--data',
    lab.path('site'),
    '--json',
    '--no-mdns',
    '--listen',
    '/ip4/127.0.0.1/tcp/0',
    '--http',
    '127.0.0.1:0'
  ])
  const site = String((JSON.parse(await running.line(() => true)) as Printed)['http'])
  await lab.ask('site', 'forge', 'add', forge.url, '--pull', 'apps/**', '--push', 'apps/**', '--interval', '1')
  const listed = async (): Promise<Printed> => (await lab.ask('site', 'forge', 'list'))[0] as Printed
  await eventually(
    async () => [await digestAt(site, 'apps/web', 'v1'), await digestAt(site, 'apps/web', 'v2')],
    (both) => both.every((one) => one !== null)
  )

  await forge.stop()
  await eventually(listed, ({ awaySince }) => awaySince !== undefined)
  // the site goes on: a new tag, one moved, and a document
  await copy('a3', site, 'apps/web:v3')
  await copy('b1', site, 'apps/web:v1')
  writeFileSync(lab.path('notes.txt'), 'what changed')
  await lab.ask('site', 'publish', lab.path('notes.txt'), '--type', 'text/plain', '--repo', 'apps/notes', '--tag', 'one')
  // skopeo pushes the manifests of an index before it, without tags
  const waiting = (await lab.ask('site', 'forge', 'outbox', 'list')).filter(({ tag }) => tag !== undefined)
  expect(waiting.map(({ repository, tag }) => `${String(repository)}:${String(tag)}`)).toEqual([
    'apps/web:v3',
    'apps/web:v1',
    'apps/notes:one'
  ])
  expect(readdirSync(lab.path('site/outbox')).every((name) => /^\d{12}-[a-z0-9._-]+\.json$/.test(name))).toBe(true)
  // and so does the forge, where nobody at the site sees it: the same tag moved, and one of its own
  {
    await using other = await forge.beside()
    await copy('b2', other.url, 'apps/web:v1')
    await copy('b3', other.url, 'apps/other:v9')
  }
  await forge.start()
  await eventually(listed, ({ awaySince, waiting: left }) => awaySince === undefined && left === 1)
  await eventually(
    async () => await digestAt(site, 'apps/other', 'v9'),
    (digest) => digest !== null
  )

  // both have what moved on one side alone
  for (const [repository, tag] of [
    ['apps/web', 'v2'],
    ['apps/web', 'v3'],
    ['apps/other', 'v9']
  ] as const) {
    const [here, there] = [await digestAt(site, repository, tag), await digestAt(forge.url, repository, tag)]
    expect([repository, tag, here]).toEqual([repository, tag, there])
    expect(here).not.toBeNull()
  }
  // what moved on both is shown and not overwritten; what waits behind it in its repository waits on, and each side can be had by its digest
  const state = await listed()
  const [here, there] = [await digestAt(site, 'apps/web', 'v1'), await digestAt(forge.url, 'apps/web', 'v1')]
  expect(here).not.toBe(there)
  expect(state['conflicts']).toMatchObject([{ repository: 'apps/web', tag: 'v1', here, there }])
  expect(await digestAt(site, 'apps/web', String(there))).toBe(there)
  const shown = await lab.run(['status', '--data', lab.path('site')])
  expect(shown.stdout).toContain('apps/web:v1')

  // somebody settles it: the forge's word counts
  const [request] = (await lab.ask('site', 'forge', 'outbox', 'list')).filter(({ tag }) => tag === 'v1')
  await lab.ask('site', 'forge', 'outbox', 'drop', String(request?.['id']))
  await eventually(listed, ({ waiting: left, conflicts }) => left === 0 && (conflicts as readonly unknown[]).length === 0)
  await eventually(
    async () => await digestAt(site, 'apps/web', 'v1'),
    (digest) => digest === there
  )
  expect(await digestAt(forge.url, 'apps/notes', 'one')).toBe(await digestAt(site, 'apps/notes', 'one'))
  // a second run moves nothing
  const [last] = (await lab.ask('site', 'forge', 'sync')).slice(-1)
  expect(last).toMatchObject({ kind: 'result', complete: true, taken: 0, sent: 0, waiting: 0, conflicts: 0 })
  expect(await running.stop()).toBe(0)
  await lab.ask('site', 'verify')
})
