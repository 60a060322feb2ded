import { isManifestType, maxManifestBytes } from '../artifact/index.ts'
import {
  type Digest,
  digestOf,
  hasDigest,
  isDigest,
  isObject,
  isRepository,
  isTag,
  type Json,
  parseStrict,
  RejoinError
} from '../core/index.ts'
import type { ForgePlace } from './forge-url.ts'
import { parseChallenges, RegistryAuth } from './registry-auth.ts'

/** A manifest as a registry gave it: its bytes have the digest. */
export interface FetchedManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** What a reference stands for at a registry, without its bytes. */
export interface ManifestHead {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
}

/** A request to a registry. */
export interface Request {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | (() => ReadableStream<Uint8Array>)
  /** `pull`, or `pull,push` */
  readonly actions?: string
  readonly signal: AbortSignal
}

const answerMs = 30_000
/** a body that brings nothing for so long is given up, in milliseconds */
const idleMs = 30_000
const maxListBytes = 4 * 1024 * 1024
/** pages of a list that are read */
const maxPages = 1000
const maxTags = 100_000
const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json'
].join(', ')

/** An OCI registry, spoken to as OCI Distribution 1.1 has it. Everything that it says is checked before it counts. */
export class RegistryClient {
  readonly origin: string
  readonly host: string
  private readonly auth: RegistryAuth
  /** requests that were sent, for tests and figures */
  requests = 0

  constructor(place: Pick<ForgePlace, 'origin' | 'host'>, { credentialFolder }: { readonly credentialFolder?: string } = {}) {
    this.origin = place.origin
    this.host = place.host
    this.auth = new RegistryAuth(place, credentialFolder)
  }

  /**
   * Sends a request, with what the registry wants to be shown. The caller reads or cancels the body.
   * @param path below the origin, or a whole URL that the registry gave
   * @throws E_UNREACHABLE also for 429 and 5xx · E_PERMISSION for 401 and 403
   */
  async send(repository: string | undefined, path: string, request: Request): Promise<Response> {
    const scope = repository === undefined ? 'registry:catalog:*' : `repository:${repository}:${request.actions ?? 'pull'}`
    const url = new URL(path, this.origin)
    const isOwn = url.origin === new URL(this.origin).origin
    let authorization = isOwn ? this.auth.headerFor(scope, Date.now()) : undefined
    let response = await this.once(url, request, authorization)
    if (response.status === 401 && isOwn) {
      const challenges = parseChallenges(response.headers.get('www-authenticate') ?? '')
      await response.body?.cancel()
      authorization = await this.auth.answer(challenges, scope, request.signal)
      if (authorization === undefined) throw this.denied(401)
      response = await this.once(url, request, authorization)
    }
    if (response.status === 401 || response.status === 403) {
      await response.body?.cancel()
      throw this.denied(response.status)
    }
    if (response.status === 429 || response.status >= 500) {
      await response.body?.cancel()
      throw new RejoinError('E_UNREACHABLE', `${this.host} answered ${response.status}`)
    }
    return response
  }

  private async once(
    url: URL,
    { method = 'GET', headers = {}, body, signal }: Request,
    authorization?: string
  ): Promise<Response> {
    this.requests++
    const answer = new AbortController()
    const timer = setTimeout(() => answer.abort(), answerMs)
    try {
      return await fetch(url, {
        method,
        headers: { ...headers, ...(authorization !== undefined && { authorization }), 'accept-encoding': 'identity' },
        signal: AbortSignal.any([signal, answer.signal]),
        ...(body !== undefined &&
          (typeof body === 'function' ? { body: body(), duplex: 'half' as const } : { body: body as never }))
      })
    } catch (cause) {
      signal.throwIfAborted()
      if (answer.signal.aborted) throw new RejoinError('E_TIMEOUT', `${this.host} did not answer`, { cause })
      const { code } = ((cause as Error).cause ?? {}) as { readonly code?: string }
      throw new RejoinError('E_UNREACHABLE', `${this.host} could not be reached${code === undefined ? '' : ` (${code})`}`, {
        cause
      })
    } finally {
      // a body that is uploaded may take longer than any answer
      clearTimeout(timer)
    }
  }

  private denied(status: number): RejoinError {
    return new RejoinError('E_PERMISSION', `${this.host} does not let this node in (${status})`, {
      hint: `docker login ${this.host}, as the user who runs this node`
    })
  }

  /** Returns all repositories that the registry lists. @throws E_NOT_FOUND where it has no catalog */
  async repositories(signal: AbortSignal): Promise<readonly string[]> {
    const names = await this.list(undefined, '/v2/_catalog?n=1000', 'repositories', signal)
    return names.filter(isRepository)
  }

  /** Returns the tags of a repository; none where it is not there. */
  async tags(repository: string, signal: AbortSignal): Promise<readonly string[]> {
    const tags = await this.list(repository, `/v2/${repository}/tags/list?n=1000`, 'tags', signal)
    return tags.filter(isTag)
  }

  private async list(
    repository: string | undefined,
    first: string,
    member: string,
    signal: AbortSignal
  ): Promise<readonly string[]> {
    const found: string[] = []
    let path: string | undefined = first
    for (let page = 0; path !== undefined && page < maxPages && found.length < maxTags; page++) {
      const response = await this.send(repository, path, { signal, headers: { accept: 'application/json' } })
      if (response.status === 404) {
        await response.body?.cancel()
        if (repository === undefined) throw new RejoinError('E_NOT_FOUND', `${this.host} does not list its repositories`)
        return found
      }
      const document = parseStrict(await this.whole(response, maxListBytes), { maxBytes: maxListBytes, maxDepth: 8 })
      const values = isObject(document) ? document[member] : undefined
      for (const value of Array.isArray(values) ? (values as readonly Json[]) : [])
        if (typeof value === 'string') found.push(value)
      path = this.nextPage(response)
    }
    return found
  }

  /** Returns the path of the next page, which must be at this registry. */
  private nextPage({ headers, url }: Response): string | undefined {
    const target = /<([^>]*)>\s*;[^,]*rel="?next"?/.exec(headers.get('link') ?? '')?.[1]
    if (target === undefined || !URL.canParse(target, url)) return undefined
    const next = new URL(target, url)
    return next.origin === new URL(this.origin).origin ? `${next.pathname}${next.search}` : undefined
  }

  /** Returns what a tag or digest stands for, or undefined where it is not there. @throws E_PROTOCOL */
  async head(repository: string, reference: string, signal: AbortSignal): Promise<ManifestHead | undefined> {
    const response = await this.send(repository, `/v2/${repository}/manifests/${reference}`, {
      method: 'HEAD',
      headers: { accept: manifestTypes },
      signal
    })
    await response.body?.cancel()
    if (response.status === 404) return undefined
    const digest = response.headers.get('docker-content-digest') ?? ''
    // some registries leave the digest out of answers to HEAD
    if (!response.ok || !isDigest(digest)) {
      const manifest = await this.manifest(repository, reference, signal)
      return manifest && { digest: manifest.digest, mediaType: manifest.mediaType, size: manifest.bytes.length }
    }
    return { digest, mediaType: mediaTypeOf(response), size: Number(response.headers.get('content-length') ?? 0) }
  }

  /** Returns a manifest, verified where it is asked for by digest; undefined where it is not there. @throws E_BAD_OBJECT E_TOO_LARGE E_PROTOCOL */
  async manifest(repository: string, reference: string, signal: AbortSignal): Promise<FetchedManifest | undefined> {
    const response = await this.send(repository, `/v2/${repository}/manifests/${reference}`, {
      headers: { accept: manifestTypes },
      signal
    })
    if (response.status === 404) {
      await response.body?.cancel()
      return undefined
    }
    this.mustBe(response, [200], `the manifest ${repository}:${reference}`)
    const mediaType = mediaTypeOf(response)
    const bytes = await this.whole(response, maxManifestBytes)
    if (!isDigest(reference)) return { digest: digestOf(bytes), mediaType, bytes }
    if (!hasDigest(bytes, reference)) throw new RejoinError('E_BAD_OBJECT', `${this.host} gave other bytes than ${reference}`)
    return { digest: reference, mediaType, bytes }
  }

  /**
   * Yields a blob's bytes from a position on; the caller verifies them.
   * @throws E_NOT_FOUND · E_TIMEOUT where nothing comes for half a minute · E_PROTOCOL where the registry gives another part
   */
  async *blob(repository: string, digest: Digest, fromByte: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const response = await this.send(repository, `/v2/${repository}/blobs/${digest}`, {
      ...(fromByte > 0 && { headers: { range: `bytes=${fromByte}-` } }),
      signal
    })
    if (response.status === 404) {
      await response.body?.cancel()
      throw new RejoinError('E_NOT_FOUND', `${this.host} has no blob ${digest}`)
    }
    this.mustBe(response, [200, 206], `the blob ${digest}`)
    const begins = Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN)
    if (response.status === 206 && begins !== fromByte) {
      await response.body?.cancel()
      throw new RejoinError('E_PROTOCOL', `${this.host} gave another part of ${digest} than was asked for`)
    }
    // a registry without ranges begins anew
    let skip = response.status === 200 ? fromByte : 0
    for await (const chunk of this.body(response, signal)) {
      if (skip < chunk.length) yield skip === 0 ? chunk : chunk.subarray(skip)
      skip = Math.max(0, skip - chunk.length)
    }
  }

  private async *body({ body }: Response, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const reader = (body as ReadableStream<Uint8Array> | null)?.getReader()
    if (reader === undefined) return
    try {
      for (;;) {
        let timer: NodeJS.Timeout | undefined
        const idle = new Promise<never>((_, reject) => {
          timer = setTimeout(
            () => reject(new RejoinError('E_TIMEOUT', `${this.host} sent nothing for ${idleMs / 1000} s`)),
            idleMs
          )
        })
        const { value, done } = await Promise.race([reader.read(), idle]).finally(() => clearTimeout(timer))
        if (done) return
        yield value
      }
    } catch (cause) {
      signal.throwIfAborted()
      if (cause instanceof RejoinError) throw cause
      throw new RejoinError('E_GONE', `${this.host} went away in the middle`, { cause })
    } finally {
      await reader.cancel().catch(() => {})
    }
  }

  private async whole(response: Response, maxBytes: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of this.body(response, new AbortController().signal)) {
      length += chunk.length
      if (length > maxBytes)
        throw new RejoinError('E_TOO_LARGE', `${this.host} sent more than ${maxBytes} bytes where a list or manifest was to come`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  /** Checks the status of an answer. @throws E_PROTOCOL with what was asked for */
  mustBe({ status }: Response, good: readonly number[], what: string): void {
    if (!good.includes(status)) throw new RejoinError('E_PROTOCOL', `${this.host} answered ${status} about ${what}`)
  }

  /** Returns the digests of what refers to a manifest, by the referrers API or else by the tag that stands for it. */
  async referrers(repository: string, digest: Digest, signal: AbortSignal): Promise<readonly Digest[]> {
    const response = await this.send(repository, `/v2/${repository}/referrers/${digest}`, { signal })
    const isList = response.ok && (response.headers.get('content-type') ?? '').startsWith('application/vnd.oci.image.index')
    if (!isList) await response.body?.cancel()
    const bytes = isList
      ? await this.whole(response, maxManifestBytes)
      : (await this.manifest(repository, digest.replace(':', '-'), signal))?.bytes
    if (bytes === undefined) return []
    const document = parseStrict(bytes, { maxBytes: maxManifestBytes, maxDepth: 64 })
    const values = isObject(document) && Array.isArray(document['manifests']) ? (document['manifests'] as readonly Json[]) : []
    return values.flatMap((one) =>
      isObject(one) && typeof one['digest'] === 'string' && isDigest(one['digest']) ? [one['digest']] : []
    )
  }
}

function mediaTypeOf({ headers }: Response): string {
  const type = (headers.get('content-type') ?? '').split(';', 1)[0]?.trim() ?? ''
  return isManifestType(type) ? type : 'application/vnd.oci.image.manifest.v1+json'
}
