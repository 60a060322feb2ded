import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { Lab, type Running } from '../e2e/process.ts'
import { type Descriptor, emptyType, made, manifestType, Registry } from './conformance/client.ts'
import { tool } from './tools.ts'

const [sbomType, signatureType] = ['application/vnd.cyclonedx+json', 'application/vnd.dev.cosign.simplesigning.v1+json']

/** Brings a site up with its registry. */
async function up(
  lab: Lab,
  name: string
): Promise<{ readonly running: Running; readonly registry: Registry; readonly host: string }> {
  const args = ['--json', '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0', '--http', '127.0.0.1:0']
  const running = lab.start(['up', '--data', lab.path(name), ...args])
  const { http } = JSON.parse(await running.line(() => true)) as { readonly http: string }
  return { running, registry: new Registry(http), host: http.replace('http://', '') }
}

/** Pushes an artifact of one document that is about an image, as oras and cosign do. */
async function attach(registry: Registry, name: string, subject: Descriptor, type: string, text: Uint8Array): Promise<string> {
  const config = await registry.described(name, Buffer.from('{}'), emptyType)
  const layer = await registry.described(name, text, type)
  const manifest = made({ schemaVersion: 2, mediaType: manifestType, artifactType: type, config, layers: [layer], subject })
  const answer = await registry.mustPut(name, manifest)
  expect(answer.headers['oci-subject']).toBe(subject.digest)
  return manifest.digest
}

/** Returns the document of the only referrer of a type. */
async function attached(
  registry: Registry,
  name: string,
  subject: string,
  type: string
): Promise<{ readonly digest: string; readonly text: Buffer }> {
  const [found, ...more] = await registry.referrers(name, subject, `?artifactType=${encodeURIComponent(type)}`)
  expect([found?.['artifactType'], more]).toEqual([type, []])
  const digest = String(found?.digest)
  const { body } = await registry.ask('GET', `/v2/${name}/manifests/${digest}`)
  const { layers } = JSON.parse(body.toString()) as { readonly layers: readonly [Descriptor] }
  return { digest, text: (await registry.ask('GET', `/v2/${name}/blobs/${layers[0].digest}`)).body }
}

it('an image built with buildah at one site and carried on a stick is pulled at the other with skopeo: same digest, with its SBOM and signature as referrers', async () => {
  await using lab = new Lab()
  const stick = lab.path('stick')
  const [a] = await Promise.all([lab.init('a'), lab.init('b')])
  const [here] = await Promise.all([up(lab, 'a'), lab.ask('b', 'trust', 'add', 'a', String(a['did']))])
  const { registry, host } = here
  // built and pushed with what people have
  const storage = ['--root', lab.path('buildah'), '--runroot', lab.path('run-buildah'), '--storage-driver', 'vfs']
  const buildah = async (...args: readonly string[]): Promise<string> => (await tool('buildah', ...storage, ...args)).trim()
  writeFileSync(lab.path('greeting'), 'hello from site a\n')
  const container = await buildah('from', 'scratch')
  await buildah('copy', '-q', container, lab.path('greeting'), '/greeting')
  await buildah('commit', '-q', '--rm', container, 'built')
  await buildah('push', '-q', '--tls-verify=false', 'built', `docker://${host}/team/app:1.0`)
  const pushed = await registry.ask('GET', '/v2/team/app/manifests/1.0')
  const digest = String(pushed.headers['docker-content-digest'])
  const subject = { mediaType: String(pushed.headers['content-type']), digest, size: pushed.body.length }
  const sbom = Buffer.from(
    JSON.stringify({
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      version: 1,
      metadata: { component: { type: 'container', name: 'app', version: '1.0' } }
    })
  )
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const sbomDigest = await attach(registry, 'team/app', subject, sbomType, sbom)
  const signatureDigest = await attach(
    registry,
    'team/app',
    subject,
    signatureType,
    sign(undefined, Buffer.from(digest), privateKey)
  )
  // another image, which is not asked for, stays here
  await registry.pushed('team/other', 'v1')

  await lab.ask('a', 'export', stick, '--repo', 'team/app')
  const [there] = await Promise.all([up(lab, 'b'), here.running.stop()])
  await lab.ask('b', 'import', stick)

  await tool(
    'skopeo',
    'copy',
    '-q',
    '--preserve-digests',
    '--src-tls-verify=false',
    `docker://${there.host}/a/team/app:1.0`,
    `oci:${lab.path('pulled')}:1.0`
  )
  const { manifests } = JSON.parse(readFileSync(lab.path('pulled/index.json'), 'utf8')) as {
    readonly manifests: readonly Descriptor[]
  }
  expect(manifests.map((one) => one.digest)).toEqual([digest])
  await tool('umoci', 'unpack', '--rootless', '--image', `${lab.path('pulled')}:1.0`, lab.path('bundle'))
  expect(readFileSync(lab.path('bundle/rootfs/greeting'), 'utf8')).toBe('hello from site a\n')
  const foundSbom = await attached(there.registry, 'a/team/app', digest, sbomType)
  expect([foundSbom.digest, foundSbom.text.equals(sbom)]).toEqual([sbomDigest, true])
  const foundSignature = await attached(there.registry, 'a/team/app', digest, signatureType)
  expect(foundSignature.digest).toBe(signatureDigest)
  expect(verify(undefined, Buffer.from(digest), publicKey, foundSignature.text)).toBe(true)
  expect((await there.registry.ask('GET', '/v2/a/team/other/manifests/v1')).status).toBe(404)
  await lab.ask('b', 'verify')
})
