import { lstat, open, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { artifactManifest, emptyConfig, readManifest, type Recognised, recognise } from '../artifact/index.ts'
import {
  chunkBytes,
  type Digest,
  digestOf,
  isRepository,
  isTag,
  type JsonObject,
  parseDigest,
  RejoinError
} from '../core/index.ts'
import { type Descriptor, type Draft, ioError, type StoredBlob, type Written } from '../store/index.ts'
import type { Node } from './node.ts'
import { relocationOf } from './relocation.ts'
import { mustMayPublish } from './publish-check.ts'
import { draftOf, type PublishOptions, rootChange, type Staged } from './publish-draft.ts'
import { stageLayout } from './publish-layout.ts'
import { isThickBundle, stageThick } from './publish-thick.ts'
import { afterOthers } from './tags.ts'

/** What became of one file. */
export type PublishedFile =
  | {
      readonly kind: 'result'
      readonly file: string
      readonly digest: Digest
      readonly artifactType: string
      readonly format: string
      readonly log: string
      readonly index: number
      readonly warnings: readonly string[]
      /** of a bundle: its images, and what to call them at this node's registry, where that is known */
      readonly images?: Staged['images']
      readonly relocation?: Readonly<Record<string, string>>
    }
  | { readonly kind: 'error'; readonly file: string; readonly error: string; readonly code: string; readonly hint?: string }

const maxDocumentBytes = 64 * 1024 * 1024
const filesAtOnce = 512

function checkOptions({ repository, tag, subject }: PublishOptions): void {
  if (repository !== undefined && !isRepository(repository))
    throw new RejoinError('E_USAGE', `not a repository name: ${JSON.stringify(repository)}`, {
      hint: 'lower-case words joined by . _ - and /'
    })
  if (tag !== undefined && !isTag(tag)) throw new RejoinError('E_USAGE', `not a tag: ${JSON.stringify(tag)}`)
  if (tag !== undefined && repository === undefined)
    throw new RejoinError('E_USAGE', 'a tag needs a repository', { hint: 'add --repo NAME' })
  if (subject !== undefined) parseDigest(subject)
}

/**
 * Publishes files: stores each as an OCI artifact and appends one event for each, all of a group with one fsync of the log.
 * A file that is refused does not stop the others.
 */
export async function* publish(node: Node, files: readonly string[], options: PublishOptions): AsyncGenerator<PublishedFile> {
  checkOptions(options)
  if (options.tag !== undefined && files.length > 1) throw new RejoinError('E_USAGE', 'one tag can only name one file')
  const subject = options.subject === undefined ? undefined : await subjectOf(node, parseDigest(options.subject))
  for (let at = 0; at < files.length; at += filesAtOnce)
    yield* await node.blobs.turn.shared(
      async () => await Array.fromAsync(publishGroup(node, files.slice(at, at + filesAtOnce), options, subject))
    )
}

async function subjectOf(node: Node, digest: Digest): Promise<Descriptor> {
  if (!node.blobs.has(digest))
    throw new RejoinError('E_NOT_FOUND', `the subject ${digest} is not here`, { hint: 'publish or sync it first' })
  const bytes = await node.blobs.readBytes(digest, maxDocumentBytes)
  return { mediaType: readManifest(bytes).mediaType, digest, size: bytes.length }
}

async function* publishGroup(
  node: Node,
  files: readonly string[],
  options: PublishOptions,
  subject: Descriptor | undefined
): AsyncGenerator<PublishedFile> {
  const results = new Map<string, PublishedFile>()
  const staged: Staged[] = []
  const small: { readonly bytes: Uint8Array; readonly digest: Digest }[] = []
  for (const file of files) {
    try {
      if ((await statOf(file)).isDirectory()) staged.push(...(await stageLayout(node, file, options)))
      else if (await isThickBundle(file, options.type)) staged.push(await stageThick(node, file, options))
      else staged.push(await stageFile(node, file, options, subject, small))
    } catch (error) {
      if (!(error instanceof RejoinError) || error.code === 'E_NO_SPACE') throw error
      results.set(file, {
        kind: 'error',
        file,
        error: error.message,
        code: error.code,
        ...(error.hint !== undefined && { hint: error.hint })
      })
    }
  }
  const unique = [...new Map(small.map((blob) => [blob.digest, blob])).values()].filter(({ digest }) => !node.blobs.has(digest))
  await node.blobs.putMany(unique)
  if (staged.length > 0) {
    node.blobs.index.change(staged.map(({ root }) => root))
    const drafts = await Promise.all(staged.map(async ({ draft }) => await afterOthers(node, draft)))
    const written = await appendOwn(node, drafts)
    for (const [i, { file, format, artifactType, descriptor, warnings, images }] of staged.entries()) {
      const index = written[i]?.index ?? -1
      const relocation = images && relocationOf(node, options.repository, images)
      yield {
        kind: 'result',
        file,
        digest: descriptor.digest,
        artifactType,
        format,
        log: node.log,
        index,
        warnings,
        ...(images && { images }),
        ...(relocation && { relocation })
      }
    }
  }
  yield* results.values()
}

/** Appends events to this node's own log and tells its listeners; resolves once they are durable. @throws as Writer.append */
export async function appendOwn(node: Node, drafts: readonly Draft[]): Promise<readonly Written[]> {
  const written = await node.writer.append(drafts)
  node.tell(
    written.map(({ index, event }) => ({ log: node.log, index, event, withheld: undefined, verdict: 'relay', rule: 'own' }))
  )
  return written
}

async function statOf(file: string): ReturnType<typeof lstat> extends Promise<infer S> ? Promise<S> : never {
  try {
    const stat = await lstat(file)
    if (!stat.isFile() && !stat.isDirectory()) throw new RejoinError('E_DOCUMENT', `${file} is neither a file nor a folder`)
    return stat
  } catch (cause) {
    throw ioError(cause, 'read', file)
  }
}

async function stageFile(
  node: Node,
  file: string,
  options: PublishOptions,
  subject: Descriptor | undefined,
  small: { bytes: Uint8Array; digest: Digest }[]
): Promise<Staged> {
  const opaque = options.type?.includes('/') === true
  const { size } = await statOf(file)
  if (size > maxDocumentBytes && !opaque)
    throw new RejoinError('E_TOO_LARGE', `${file} has ${size} bytes; documents may have up to ${maxDocumentBytes}`, {
      hint: 'give its media type with --type to publish it as it is'
    })
  const large = size > chunkBytes
  const bytes =
    large && opaque ? undefined : await readFile(file).catch((cause: unknown) => Promise.reject(ioError(cause, 'read', file)))
  const facts: Recognised = recognise(bytes ?? new Uint8Array(0), {
    ...(options.type !== undefined && { type: options.type }),
    fileName: basename(file)
  })
  const warnings = facts.warnings.map(({ message }) => message)
  const annotations = {
    ...(warnings.length > 0 && { 'dev.rejoin.warnings': warnings.join('\n').slice(0, 4000) }),
    ...options.annotations
  }
  const more: JsonObject = { title: basename(file).slice(0, 200), ...(subject && { refers: subject.digest }) }
  const describe = (digest: Digest, blobs: readonly StoredBlob[]): Described => {
    const manifest = artifactManifest({
      artifactType: facts.artifactType,
      layer: {
        mediaType: facts.mediaType,
        digest,
        size: Number(size),
        annotations: { 'org.opencontainers.image.title': basename(file) }
      },
      ...(subject && { subject }),
      ...(Object.keys(annotations).length > 0 && { annotations })
    })
    const descriptor: Descriptor = {
      mediaType: manifest.mediaType,
      digest: manifest.digest,
      size: manifest.bytes.length,
      artifactType: facts.artifactType
    }
    return { manifest, descriptor, draft: draftOf(facts.eventType, descriptor, facts.artifactType, options, blobs, more) }
  }
  const known = bytes && digestOf(bytes)
  const planned = describe(known ?? unknownDigest, [])
  if (bytes !== undefined)
    node.known.learn(planned.manifest.digest, planned.manifest.bytes, [{ mediaType: facts.mediaType, bytes }])
  mustMayPublish(node, planned.draft, file)
  const stored = large ? await (bytes === undefined ? node.blobs.putFile(file) : node.blobs.put(bytes)) : undefined
  const digest = stored?.digest ?? (known as Digest)
  const { manifest, descriptor, draft } = describe(digest, stored === undefined ? [] : [stored])
  if (stored === undefined) small.push({ bytes: bytes as Uint8Array, digest })
  small.push({ bytes: manifest.bytes, digest: manifest.digest }, { bytes: emptyConfig.bytes, digest: emptyConfig.digest })
  return {
    file,
    format: facts.format,
    artifactType: facts.artifactType,
    descriptor,
    draft,
    root: rootChange(descriptor, options),
    warnings
  }
}

/** A file's manifest, and what is said of it. */
interface Described {
  readonly manifest: ReturnType<typeof artifactManifest>
  readonly descriptor: Descriptor
  readonly draft: Draft
}

/** stands for the digest of a file that is only read when it is stored */
const unknownDigest = parseDigest(`sha256:${'0'.repeat(64)}`)

/** Copies what comes from a stream into a file of the data folder's tmp/, for publishing it; the caller deletes it. */
export async function spool(source: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const chunk of source) await file.write(chunk)
  } catch (cause) {
    throw ioError(cause, 'write', path)
  } finally {
    await file.close()
  }
}
