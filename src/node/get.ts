import { configOfBundle, type Manifest, readManifest, recognise } from '../artifact/index.ts'
import { type Digest, isDigest, RejoinError, textOf } from '../core/index.ts'
import { openBundle } from './bundle.ts'
import type { VerbRecord } from './control.ts'
import { authorOf } from './log-view.ts'
import { eventAt } from './entry.ts'
import { closureOf, findDigest, findEvent } from './find.ts'
import { type GetFormat, getFormat, getFormats } from './get-format.ts'
import type { Node } from './node.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin get` asks for. */
export interface GetArgs {
  readonly what: string
  readonly manifest?: boolean
  /** one of getFormats; where it is left out the document as it is, or an OCI layout */
  readonly format?: string
  /** of an image for several, with `docker-archive` */
  readonly platform?: string
  /** with `cnab-relocation-map`: where the runtime reaches this node's registry */
  readonly registry?: string
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
 * Yields where the bytes of an artifact are: `blob` for one document (or the manifest), `files` of an image's layout or of another format, or a relocation `map`.
 * Blobs that are missing are fetched first, where the node is up. @throws E_NOT_FOUND E_INCOMPLETE where some are missing, E_USAGE E_DOCUMENT
 */
export async function* getArtifact(context: VerbContext<GetArgs>): AsyncGenerator<VerbRecord> {
  const { node, live, args, signal } = context
  const format = formatOf(args.format)
  const digest = await findDigest(node, args.what)
  const bring = async (wanted: Digest): Promise<void> => {
    // only what an event names that the rules let in is fetched
    if (live !== undefined && !node.blobs.has(wanted) && (await node.store.index.bySubject(digest)).length > 0)
      await live.fetch([{ digest: wanted }], signal)
  }
  await bring(digest)
  const size = node.blobs.size(digest)
  if (size === undefined)
    throw new RejoinError('E_NOT_FOUND', `${digest} is not here`, {
      hint: 'a node that is up fetches it from its peers: rejoin up'
    })
  const manifestBytes = await readIfManifest(node, digest)
  if ((manifestBytes === undefined && format === undefined) || args.manifest === true) {
    yield { kind: 'blob', digest, size, path: node.blobs.pathOf(digest) } as VerbRecord
    return
  }
  if (manifestBytes === undefined)
    throw new RejoinError('E_DOCUMENT', `${digest} is no manifest, and only what has one has the format ${format}`)
  const bringAll = async (wanted: Digest): Promise<void> => await bringClosure(context, wanted)
  const manifest = readManifest(manifestBytes)
  const [layer] = manifest.layers
  if (format === undefined && manifest.layers.length === 1 && layer !== undefined && manifest.artifactType !== undefined) {
    await bringAll(digest)
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
  const { what: word, platform, registry } = args
  yield* getFormat(node, digest, { format: format ?? 'oci-layout', word, platform, registry, bring, bringAll })
}

function formatOf(word: string | undefined): GetFormat | undefined {
  const format = getFormats.find((one) => one === word)
  if (word !== undefined && format === undefined)
    throw new RejoinError('E_USAGE', `not a format: ${JSON.stringify(word.slice(0, 40))}`, { hint: getFormats.join(', ') })
  return format
}

/** Brings all blobs of an artifact here. @throws E_INCOMPLETE where some are not to be had */
async function bringClosure({ node, live, signal }: VerbContext<GetArgs>, digest: Digest): Promise<void> {
  let { missing } = await closureOf(node, digest)
  while (live !== undefined && missing.length > 0) {
    const wants = missing.map((one) => ({ digest: one.digest, sizeBytes: one.size }))
    if ((await live.fetch(wants, signal)).fetched === 0) break
    ;({ missing } = await closureOf(node, digest))
  }
  if (missing.length > 0)
    throw new RejoinError(
      'E_INCOMPLETE',
      `${missing.length} blobs of ${digest} are not here, the first is ${missing[0]?.digest ?? ''}`,
      { hint: 'connect to a peer that has them: rejoin sync PEER' }
    )
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
      const bundle = await bundleHere(node, subject, manifest)
      const warnings = manifest.annotations?.['dev.rejoin.warnings']?.split('\n') ?? bundle?.warnings ?? []
      yield {
        kind: 'artifact',
        digest: subject,
        artifactType: manifest.artifactType,
        layers: manifest.layers,
        complete: missing.length === 0,
        missing: missing.length,
        warnings,
        ...(bundle && { images: bundle.images })
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

/** Returns what a bundle's images are, and the faults of its bundle.json; undefined where it is none, or can't be read here. */
async function bundleHere(
  node: Node,
  digest: Digest,
  manifest: Manifest
): Promise<{ readonly images: readonly object[]; readonly warnings: readonly string[] } | undefined> {
  if (configOfBundle(manifest) === undefined) return undefined
  try {
    const { bytes, images } = await openBundle(node, digest, async () => await Promise.resolve())
    return {
      images: images.map(({ image, descriptor }) => ({ image, digest: descriptor.digest })),
      warnings: recognise(bytes, { type: 'cnab-bundle' }).warnings.map(({ message }) => message)
    }
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}
