import type { Config, ForgeSetting } from '../../src/node/index.ts'
import { forgeVerb } from '../../src/forge/index.ts'
import { type ForgeResult, syncForge } from '../../src/forge/sync-forge.ts'
import { Site } from '../registry/site.ts'

const never = new AbortController().signal
const oci = 'application/vnd.oci.image.manifest.v1+json'

/** A site that follows a forge; both are nodes of ours unless the forge is somewhere else. */
export class Followed implements AsyncDisposable {
  readonly site: Site
  readonly setting: ForgeSetting

  private constructor(site: Site, setting: ForgeSetting) {
    this.site = site
    this.setting = setting
  }

  /** Makes a site that follows the forge at an address. */
  static async open(
    url: string,
    more: Partial<ForgeSetting> = {},
    options: { readonly net?: boolean; readonly flags?: Partial<Config> } = {}
  ): Promise<Followed> {
    const site = await Site.open('site', options)
    const setting = { url, pull: ['apps/**'], push: ['apps/**'], intervalSeconds: 60, onConflict: 'show' as const, ...more }
    const args = { action: 'add' as const, ...setting, name: 'forge' }
    for await (const record of forgeVerb({ node: site.node, live: undefined, args, signal: never })) void record
    await site.node.settled()
    return new Followed(site, setting)
  }

  /** Syncs with the forge once. */
  async sync(more: { readonly credentialFolder?: string } = {}): Promise<ForgeResult> {
    return await syncForge({
      node: this.site.node,
      live: this.site.live,
      setting: this.setting,
      signal: never,
      say: () => {},
      ...more
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site[Symbol.asyncDispose]()
  }
}

/** Pushes an artifact of one layer to a registry; returns the digest of its manifest. */
export async function push(
  url: string,
  repository: string,
  tag: string,
  text: string,
  subject?: { readonly digest: string; readonly size: number }
): Promise<{ readonly digest: string; readonly size: number; readonly layer: string }> {
  const { createHash } = await import('node:crypto')
  const digestOf = (body: string): string => `sha256:${createHash('sha256').update(body).digest('hex')}`
  const upload = async (body: string): Promise<string> => {
    const begun = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
    const place = new URL(begun.headers.get('location') ?? '', url)
    place.searchParams.set('digest', digestOf(body))
    const sent = await fetch(place, { method: 'PUT', body, headers: { 'content-type': 'application/octet-stream' } })
    if (sent.status !== 201) throw new Error(`the blob was answered with ${sent.status}`)
    return digestOf(body)
  }
  const layer = await upload(text)
  const config = await upload('{}')
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: oci,
    artifactType: 'text/x-note',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: config, size: 2 },
    layers: [{ mediaType: 'text/plain', digest: layer, size: Buffer.byteLength(text) }],
    ...(subject && { subject: { mediaType: oci, ...subject } })
  })
  const answer = await fetch(`${url}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    body: manifest,
    headers: { 'content-type': oci }
  })
  if (answer.status !== 201) throw new Error(`the manifest was answered with ${answer.status}: ${await answer.text()}`)
  return { digest: digestOf(manifest), size: Buffer.byteLength(manifest), layer }
}

/** Returns the digest that a tag has at a registry, null where it has none. */
export async function digestAt(url: string, repository: string, reference: string): Promise<string | null> {
  const answer = await fetch(`${url}/v2/${repository}/manifests/${reference}`, { method: 'HEAD', headers: { accept: oci } })
  return answer.headers.get('docker-content-digest')
}
