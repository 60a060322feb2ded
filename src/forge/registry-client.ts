import { isManifestType, maxManifestBytes } from '../artifact/index.ts'
import { type Digest, digestOf, hasDigest, isDigest, RejoinError } from '../core/index.ts'
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
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>)
  /** `pull`, or `pull,push` */
  readonly actions?: string
  readonly signal: AbortSignal
}

const answerMs = 30_000
/** a body that brings nothing for so long is given up, in milliseconds */
const idleMs = 30_000
/** what a registry, or a proxy before it, says when it can't be worked with for now */
const awayStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504])
const overCodes: ReadonlySet<string> = new Set(['E_UNREACHABLE', 'E_TIMEOUT', 'E_GONE', 'E_NO_SPACE', 'E_IO'])
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
  /** whether it has the referrers API, once that is known */
  hasReferrers: boolean | undefined

  constructor(place: Pick<ForgePlace, 'origin' | 'host'>, { credentialFolder }: { readonly credentialFolder?: string } = {}) {
    this.origin = place.origin
    this.host = place.host
    this.auth = new RegistryAuth(place, credentialFolder)
  }

  /**
   * Sends a request, with what the registry wants to be shown. The caller reads or cancels the body.
   * @param path below the origin, or a whole URL that the registry gave
   * @throws E_UNREACHABLE also for 429 and what a proxy says of a registry that is down · E_PERMISSION for 401 and 403 · E_NOT_FOUND for what it knows and can't get
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
      response = await this.once(url, request, authorization)
      if (response.status === 401) this.auth.denied(authorization)
    }
    if (response.status === 401 || response.status === 403) {
      await response.body?.cancel()
      throw new RejoinError('E_PERMISSION', `${this.host} does not let this node in (${response.status})`, {
        hint: `docker login ${this.host}, as the user who runs this node`
      })
    }
    if (awayStatuses.has(response.status)) {
      // an answer to HEAD has no body to tell
      if (response.status === 503 && request.method === 'HEAD')
        response = await this.once(url, { ...request, method: 'GET' }, authorization)
      const isUnknown = response.status === 503 && (await this.isUnknown(response))
      await response.body?.cancel().catch(() => {})
      if (isUnknown) throw new RejoinError('E_NOT_FOUND', `${this.host} knows ${path.slice(0, 160)} and can't get it now`)
      throw new RejoinError('E_UNREACHABLE', `${this.host} answered ${response.status}`)
    }
    return response
  }

  /** A node of ours says 503 also of one thing that it knows and that none of its peers has. */
  private async isUnknown(response: Response): Promise<boolean> {
    if (!(response.headers.get('content-type') ?? '').startsWith('application/json')) return false
    const text = Buffer.from(await this.whole(response, maxManifestBytes)).toString()
    return /"code":"(?:MANIFEST|BLOB)_UNKNOWN"/.test(text)
  }

  /** Returns whether an error ends all that is under way with this registry: it is away, lets nobody in as whom we come, or this node has a fault itself. */
  isOver(error: unknown): boolean {
    return !(error instanceof RejoinError) || error === this.auth.refusal || overCodes.has(error.code)
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
          (typeof body === 'function'
            ? { body: ReadableStream.from(watched(body(), timer)) as ReadableStream<Uint8Array>, duplex: 'half' as const }
            : { body: body as never }))
      })
    } catch (cause) {
      signal.throwIfAborted()
      if (answer.signal.aborted) throw new RejoinError('E_TIMEOUT', `${this.host} did not answer`, { cause })
      const { code } = ((cause as Error).cause ?? {}) as { readonly code?: string }
      throw new RejoinError('E_UNREACHABLE', `${this.host} could not be reached${code === undefined ? '' : ` (${code})`}`, {
        cause
      })
    } finally {
      clearTimeout(timer)
    }
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

  /** Reads all of a list or manifest. @throws E_TOO_LARGE · E_GONE E_TIMEOUT */
  async whole(response: Response, maxBytes: number): Promise<Uint8Array> {
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
}

/** A body that is uploaded may take longer than any answer, as long as it goes on. */
async function* watched(body: AsyncIterable<Uint8Array>, timer: NodeJS.Timeout): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of body) {
    timer.refresh()
    yield chunk
  }
}

function mediaTypeOf({ headers }: Response): string {
  const type = (headers.get('content-type') ?? '').split(';', 1)[0]?.trim() ?? ''
  return isManifestType(type) ? type : 'application/vnd.oci.image.manifest.v1+json'
}
