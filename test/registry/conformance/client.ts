import { createHash, randomBytes } from 'node:crypto'
import { Agent, type IncomingHttpHeaders, request as httpRequest } from 'node:http'
import { expect } from 'vitest'

/** An answer, all of it. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** What a request has beside its method and path. */
export interface Asked {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** sent without Content-Length, one piece after the other */
  readonly pieces?: readonly Uint8Array[]
}

/** What names a blob. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly [member: string]: unknown
}

/** A manifest's bytes and what names them. */
export interface Made {
  readonly bytes: Buffer
  readonly digest: string
  readonly descriptor: Descriptor
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json'
export const indexType = 'application/vnd.oci.image.index.v1+json'
export const configType = 'application/vnd.oci.image.config.v1+json'
export const layerType = 'application/vnd.oci.image.layer.v1.tar'
export const emptyType = 'application/vnd.oci.empty.v1+json'
/** what clients that know all of these ask for */
const accepted = [
  manifestType,
  indexType,
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json'
].join(', ')
const agent = new Agent({ keepAlive: true, maxSockets: 8 })

/** Returns the digest of bytes. */
export function digestOf(bytes: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** Returns bytes that nobody has pushed yet. */
export function fresh(sizeBytes = 64): Buffer {
  return randomBytes(sizeBytes)
}

/** Returns a manifest or index as JSON, and what names it. */
export function made(content: Readonly<Record<string, unknown>>, algorithm: 'sha256' | 'sha512' = 'sha256'): Made {
  const bytes = Buffer.from(JSON.stringify(content))
  const digest = digestOf(bytes, algorithm)
  const mediaType = typeof content['mediaType'] === 'string' ? content['mediaType'] : manifestType
  return { bytes, digest, descriptor: { mediaType, digest, size: bytes.length } }
}

/** A registry under test: any that is at a base URL. */
export class Registry {
  readonly base: string

  constructor(base: string) {
    this.base = base
  }

  /** Returns the name of a repository that nobody has used. */
  name(): string {
    return `conformance/${randomBytes(6).toString('hex')}`
  }

  /** Makes a request. @param path a path, or a whole URL as Location headers may have it */
  async ask(method: string, path: string, { headers = {}, body, pieces }: Asked = {}): Promise<Answer> {
    const url = new URL(path, this.base)
    const length =
      body === undefined
        ? pieces === undefined && method !== 'GET' && method !== 'HEAD'
          ? 0
          : undefined
        : Buffer.byteLength(body)
    return await new Promise((resolve, reject) => {
      const sent = httpRequest(
        url,
        {
          method,
          agent,
          headers: {
            ...(url.pathname.includes('/manifests/') && { accept: accepted }),
            ...(length !== undefined && { 'content-length': String(length) }),
            ...headers
          }
        },
        (response) => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('error', reject)
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) })
          )
        }
      )
      sent.on('error', reject)
      for (const piece of pieces ?? []) sent.write(piece)
      sent.end(body)
    })
  }

  /** Begins an upload; returns its location. */
  async begin(name: string, query = ''): Promise<string> {
    const answer = await this.ask('POST', `/v2/${name}/blobs/uploads/${query}`)
    expect(answer.status).toBe(202)
    return this.location(answer)
  }

  /** Returns the location of an answer, which must have one. */
  location({ headers }: Answer): string {
    const { location } = headers
    if (location === undefined) throw new Error('the answer has no Location')
    return location
  }

  /** Adds a query to a location, which may have one already. */
  with(location: string, query: string): string {
    return `${location}${location.includes('?') ? '&' : '?'}${query}`
  }

  /** Pushes a blob with POST and PUT. */
  async blob(name: string, bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): Promise<string> {
    const digest = digestOf(bytes, algorithm)
    const location = await this.begin(name, algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`)
    const answer = await this.ask('PUT', this.with(location, `digest=${digest}`), {
      headers: { 'content-type': 'application/octet-stream' },
      body: bytes
    })
    expect(answer.status).toBe(201)
    return digest
  }

  /** Pushes a blob and returns what names it. */
  async described(
    name: string,
    bytes: Uint8Array,
    mediaType: string,
    algorithm: 'sha256' | 'sha512' = 'sha256'
  ): Promise<Descriptor> {
    return { mediaType, digest: await this.blob(name, bytes, algorithm), size: bytes.length }
  }

  /** Makes an image manifest, whose config and one layer are pushed. @param more members of the manifest */
  async image(name: string, more: Readonly<Record<string, unknown>> = {}): Promise<Made> {
    const config = await this.described(
      name,
      Buffer.from(JSON.stringify({ os: 'linux', made: fresh(8).toString('hex') })),
      configType
    )
    const layer = await this.described(name, fresh(), layerType)
    return made({ schemaVersion: 2, mediaType: manifestType, config, layers: [layer], ...more })
  }

  /** Makes a manifest of an artifact that is about another manifest. */
  async referrer(
    name: string,
    subject: Descriptor,
    artifactType: string,
    more: Readonly<Record<string, unknown>> = {}
  ): Promise<Made> {
    const config = await this.described(name, Buffer.from('{}'), emptyType)
    const layer = await this.described(name, fresh(), 'text/plain')
    return made({ schemaVersion: 2, mediaType: manifestType, artifactType, config, layers: [layer], subject, ...more })
  }

  /** Pushes a manifest. @param reference its digest where it is left out */
  async put(name: string, manifest: Made, reference: string = manifest.digest): Promise<Answer> {
    return await this.ask('PUT', `/v2/${name}/manifests/${reference}`, {
      headers: { 'content-type': manifest.descriptor.mediaType },
      body: manifest.bytes
    })
  }

  /** Pushes a manifest that must be taken. */
  async mustPut(name: string, manifest: Made, reference?: string): Promise<Answer> {
    const answer = await this.put(name, manifest, reference)
    expect(answer.status, answer.body.toString()).toBe(201)
    return answer
  }

  /** Pushes an image and returns its manifest. */
  async pushed(name: string, reference?: string): Promise<Made> {
    const manifest = await this.image(name)
    await this.mustPut(name, manifest, reference)
    return manifest
  }

  /** Returns the tags of a repository. */
  async tags(name: string, query = ''): Promise<readonly string[]> {
    const answer = await this.ask('GET', `/v2/${name}/tags/list${query}`)
    expect(answer.status).toBe(200)
    return (JSON.parse(answer.body.toString()) as { readonly tags: readonly string[] | null }).tags ?? []
  }

  /** Returns the referrers of a digest. */
  async referrers(name: string, digest: string, query = ''): Promise<readonly Descriptor[]> {
    const answer = await this.ask('GET', `/v2/${name}/referrers/${digest}${query}`)
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe(indexType)
    const index = JSON.parse(answer.body.toString()) as { readonly manifests: readonly Descriptor[] }
    expect(index).toMatchObject({ schemaVersion: 2, mediaType: indexType })
    return index.manifests
  }
}

/** Checks that an answer is a fault with a body of the specified form. */
export function expectFault({ status, headers, body }: Answer, statuses: readonly number[], code?: string): void {
  expect(statuses).toContain(status)
  expect(headers['content-type']).toMatch(/^application\/json/)
  const { errors } = JSON.parse(body.toString()) as { readonly errors: readonly { readonly code: string }[] }
  expect(errors.length).toBeGreaterThan(0)
  for (const error of errors) expect(error.code).toMatch(/^[A-Z_]+$/)
  if (code !== undefined) expect(errors.map((error) => error.code)).toContain(code)
}

/** One case of the suite. */
export interface Case {
  /** of the specification */
  readonly section: string
  readonly title: string
  readonly run: (registry: Registry) => Promise<void>
}

/** Returns cases of one section. */
export function section(name: string, cases: Readonly<Record<string, Case['run']>>): readonly Case[] {
  return Object.entries(cases).map(([title, run]) => ({ section: name, title, run }))
}
