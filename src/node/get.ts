import { readManifest } from '../artifact/index.ts'
import { type Digest, isDigest, RejoinError, textOf } from '../core/index.ts'
import type { VerbRecord } from './control.ts'
import { authorOf } from './log-view.ts'
import { eventAt } from './entry.ts'
import { closureOf, findDigest, findEvent } from './find.ts'
import type { Node } from './node.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin get` asks for. */
export interface GetArgs {
  readonly what: string
  readonly manifest?: boolean
}

const maxManifestBytes = 16 * 1024 * 1024

function isManifestBytes(bytes: Uint8Array): boolean {
  try {
    readManifest(bytes)
    return true
  } catch {
    return false
  }
}

async function readIfManifest(node: Node, digest: Digest): Promise<Uint8Array | undefined> {
  if ((node.blobs.size(digest) ?? Number.POSITIVE_INFINITY) > maxManifestBytes) return undefined
  const bytes = await node.blobs.readBytes(digest, maxManifestBytes)
  return isManifestBytes(bytes) ? bytes : undefined
}

/**
 * Yields where the bytes of an artifact are: `blob` for one document (or the manifest), or `folder` with every blob of the closure.
 * Blobs that are missing are fetched first, where the node is up. @throws E_NOT_FOUND E_INCOMPLETE where some are missing
 */
export async function* getArtifact({ node, live, args, signal }: VerbContext<GetArgs>): AsyncGenerator<VerbRecord> {
  const digest = await findDigest(node, args.what)
  // only what an event names that the rules let in is fetched
  if (live !== undefined && !node.blobs.has(digest) && (await node.store.index.bySubject(digest)).length > 0)
    await live.fetch([{ digest }], signal)
  const size = node.blobs.size(digest)
  if (size === undefined)
    throw new RejoinError('E_NOT_FOUND', `${digest} is not here`, {
      hint: 'a node that is up fetches it from its peers: rejoin up'
    })
  const manifestBytes = await readIfManifest(node, digest)
  if (manifestBytes === undefined || args.manifest === true) {
    yield { kind: 'blob', digest, size, path: node.blobs.pathOf(digest) } as VerbRecord
    return
  }
  let { here, missing } = await closureOf(node, digest)
  while (live !== undefined && missing.length > 0) {
    const wants = missing.map((one) => ({ digest: one.digest, sizeBytes: one.size }))
    if ((await live.fetch(wants, signal)).fetched === 0) break
    ;({ here, missing } = await closureOf(node, digest))
  }
  if (missing.length > 0)
    throw new RejoinError(
      'E_INCOMPLETE',
      `${missing.length} blobs of ${digest} are not here, the first is ${missing[0]?.digest ?? ''}`,
      { hint: 'connect to a peer that has them: rejoin sync PEER' }
    )
  const manifest = readManifest(manifestBytes)
  const [layer] = manifest.layers
  if (manifest.layers.length === 1 && layer !== undefined && manifest.artifactType !== undefined) {
    const name = layer.annotations?.['org.opencontainers.image.title']
    yield {
      kind: 'blob',
      digest: layer.digest,
      size: layer.size,
      path: node.blobs.pathOf(layer.digest),
      ...(name !== undefined && { name })
    } as VerbRecord
    return
  }
  const blobs = here.map((one) => ({ digest: one, path: node.blobs.pathOf(one) }))
  yield { kind: 'folder', digest, mediaType: manifest.mediaType, size, blobs } as VerbRecord
}

/** Yields all that is known of an event, an artifact or a reference. @throws E_NOT_FOUND */
export async function* showThing({ node, args }: VerbContext<{ readonly what: string }>): AsyncGenerator<VerbRecord> {
  const { log, index, event, line, verdict } = await findEvent(node, args.what)
  const author = authorOf(node, log)
  yield { kind: 'event', log, index, author, event, line: textOf(line), verdict } as VerbRecord
  const { subject } = event
  if (subject === undefined || !isDigest(subject)) return
  if (node.blobs.has(subject)) {
    const bytes = await readIfManifest(node, subject)
    if (bytes !== undefined) {
      const manifest = readManifest(bytes)
      const { missing } = await closureOf(node, subject)
      const warnings = manifest.annotations?.['dev.rejoin.warnings']?.split('\n') ?? []
      yield {
        kind: 'artifact',
        digest: subject,
        artifactType: manifest.artifactType,
        layers: manifest.layers,
        complete: missing.length === 0,
        missing: missing.length,
        warnings
      } as VerbRecord
    }
  }
  for (const ref of await node.store.index.referrers(subject)) {
    const referrer = eventAt(node, ref)
    yield {
      kind: 'referrer',
      log: ref.log,
      index: ref.index,
      author: authorOf(node, ref.log),
      type: referrer.event.type,
      digest: referrer.event.subject
    } as VerbRecord
  }
}
