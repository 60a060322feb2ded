import { join } from 'node:path'
import {
  chunkBytes,
  chunkCount,
  type Digest,
  equal,
  isDigest,
  isObject,
  type Json,
  type JsonObject,
  leavesPath,
  partsPath,
  RejoinError,
  sha256
} from '../core/index.ts'
import { openRegular } from './blob-file.ts'
import { hashFile } from './blob-hash.ts'
import { findBlob, pathOfBlob } from './blob-place.ts'
import { readLeaves } from './dag.ts'
import { readFileRangeSync } from './file.ts'
import { type Fault, faultOf, type FsckRun, isTemporary, namesIn } from './fsck-run.ts'
import { parseJson } from './fsck-settings.ts'
import { maxIndexBytes } from './oci-index.ts'
import { Outside } from './outside.ts'
import { partsOf } from './parts.ts'

const algorithms = ['sha256', 'sha512'] as const
const maxManifestBytes = 4 * 1024 * 1024
const indexType = 'application/vnd.oci.image.index.v1+json'
const tagKey = 'org.opencontainers.image.ref.name'

/** Checks the OCI image layout, each blob's bytes, and the leaf lists that were kept of them. */
export async function* checkBlobs(run: FsckRun): AsyncGenerator<Fault, void, void> {
  yield* checkLayout(run.root)
  yield* checkIndex(run.root)
  for (const [place, folder] of [
    ['shared', 'blobs'],
    ['private', 'private/blobs']
  ] as const) {
    for (const name of namesIn(run.root, folder))
      if (!(algorithms as readonly string[]).includes(name))
        yield { path: `${folder}/${name}`, offset: 0, reason: 'it is no folder of blobs', code: 'E_DAMAGED' }
    for (const algorithm of algorithms) {
      for (const name of namesIn(run.root, `${folder}/${algorithm}`)) {
        const digest = `${algorithm}:${name}`
        if (isDigest(digest)) yield* checkBlob(run, digest, pathOfBlob('', digest, place))
        else if (!isTemporary(name))
          yield { path: `${folder}/${algorithm}/${name}`, offset: 0, reason: 'the name is not a digest', code: 'E_DIGEST' }
        await run.step()
      }
    }
  }
  for (const algorithm of algorithms)
    for (const name of namesIn(run.root, `private/leaves/${algorithm}`)) yield* checkLeaves(run.root, `${algorithm}:${name}`)
}

async function* checkBlob({ root, counts }: FsckRun, digest: Digest, path: string): AsyncGenerator<Fault, void, void> {
  const file = await openRegular(join(root, path))
  if (file === undefined) return
  try {
    const { size } = await file.stat()
    const found = await hashFile(file, size, path, digest.startsWith('sha512:') ? 'sha512' : 'sha256')
    counts.blobs++
    counts.bytes += size
    const leaves = readLeaves(root, digest, size)
    const bad = leaves === undefined ? undefined : firstDifference(leaves, found.leaves)
    if (found.digest !== digest) {
      const offset = (bad ?? 0) * chunkBytes
      yield { path, offset, reason: `its bytes have the digest ${found.digest}`, code: 'E_BAD_OBJECT' }
    } else if (bad !== undefined) {
      yield {
        path: leavesPath(digest),
        offset: bad * 32,
        reason: 'the hash of a chunk is another than that of the blob',
        code: 'E_DAMAGED'
      }
    }
  } catch (error) {
    yield faultOf(error, path, 0)
  } finally {
    await file.close()
  }
}

function firstDifference(expected: Uint8Array, found: Uint8Array): number | undefined {
  for (let at = 0; at < expected.length; at += 32)
    if (!equal(expected.subarray(at, at + 32), found.subarray(at, at + 32))) return at / 32
  return undefined
}

/** A leaf list ends with a check sum over itself. */
function* checkLeaves(root: string, name: string): Generator<Fault, void, void> {
  if (!isDigest(name)) return
  const path = leavesPath(name)
  const bytes = readFileRangeSync(join(root, path), 0, Number.MAX_SAFE_INTEGER) ?? new Uint8Array(0)
  const length = bytes.length - 32
  const sizeBytes = findBlob(root, name)?.sizeBytes
  const right = length >= 0 && length % 32 === 0 && equal(sha256(bytes.subarray(0, length)), bytes.subarray(length))
  if (!right || (sizeBytes !== undefined && length !== chunkCount(sizeBytes) * 32))
    yield { path, offset: 0, reason: 'its check sum or length is another; it may be deleted', code: 'E_DAMAGED' }
}

function* checkLayout(root: string): Generator<Fault, void, void> {
  const path = 'oci-layout'
  const bytes = readFileRangeSync(join(root, path), 0, maxManifestBytes)
  if (bytes === undefined) return
  try {
    const value = parseJson(bytes)
    if (!isObject(value) || value['imageLayoutVersion'] !== '1.0.0')
      throw new RejoinError('E_VERSION', 'imageLayoutVersion is not 1.0.0')
  } catch (error) {
    yield faultOf(error, path, 0)
  }
}

function* checkIndex(root: string): Generator<Fault, void, void> {
  const path = 'index.json'
  const bytes = readFileRangeSync(join(root, path), 0, maxIndexBytes + 1)
  if (bytes === undefined) return
  try {
    const value = parseJson(bytes)
    const manifests = isObject(value) ? value['manifests'] : undefined
    if (!isObject(value) || !Array.isArray(manifests) || value['schemaVersion'] !== 2)
      throw new RejoinError('E_DAMAGED', 'it is not an OCI index')
    if (value['mediaType'] !== undefined && value['mediaType'] !== indexType)
      throw new RejoinError('E_DAMAGED', `mediaType is not ${indexType}`)
    refuseMisspelled(value, ['schemaVersion', 'mediaType', 'artifactType', 'manifests', 'subject', 'annotations'])
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    let at = 0
    for (const descriptor of manifests as readonly Json[]) {
      const digest = isObject(descriptor) ? descriptor['digest'] : undefined
      if (typeof digest === 'string') at = Math.max(at, text.lastIndexOf('{', text.indexOf(digest, at)))
      const reason = rootFault(root, descriptor)
      if (reason !== undefined) yield { path, offset: at, reason, code: 'E_DAMAGED' }
    }
  } catch (error) {
    yield faultOf(error, path, 0)
  }
}

/** Returns what is wrong with a root that index.json lists. */
function rootFault(root: string, descriptor: Json): string | undefined {
  if (!isObject(descriptor)) return 'a root is not an object'
  const { digest, size, mediaType, annotations } = descriptor
  if (typeof digest !== 'string' || !isDigest(digest) || typeof mediaType !== 'string')
    return 'a root is not {mediaType, digest, size}'
  refuseMisspelled(descriptor, ['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'artifactType', 'platform'])
  if (isObject(annotations)) refuseMisspelled(annotations, [tagKey])
  const found = sharedBlob(root, digest)
  if (found === undefined) return `the root ${digest} is not here`
  if (found.sizeBytes !== size) return `the root ${digest} has ${found.sizeBytes} bytes, not ${JSON.stringify(size)}`
  const said = mediaTypeIn(found.path, found.sizeBytes)
  return said === undefined || said === mediaType ? undefined : `the root ${digest} says that it is ${said}`
}

/** Returns the file of a blob that is passed on: that of `blobs/`, or on a medium the first one of `parts/`, with the size of all of them. */
function sharedBlob(root: string, digest: Digest): { readonly path: string; readonly sizeBytes: number } | undefined {
  const found = findBlob(root, digest)
  if (found !== undefined) return found.place === 'shared' ? found : undefined
  const parts = partsOf(new Outside(root), digest)
  return parts && { path: join(root, partsPath(digest, 0)), sizeBytes: parts.sizeBytes }
}

function mediaTypeIn(path: string, sizeBytes: number): string | undefined {
  if (sizeBytes > maxManifestBytes) return undefined
  try {
    const value = JSON.parse(Buffer.from(readFileRangeSync(path, 0, sizeBytes) ?? []).toString()) as {
      readonly mediaType?: unknown
    }
    return typeof value.mediaType === 'string' ? value.mediaType : undefined
  } catch {
    return undefined
  }
}

/** Other programs may add members of their own; one that differs from ours in a single letter is damage. @throws E_DAMAGED */
function refuseMisspelled(value: JsonObject, known: readonly string[]): void {
  for (const member of Object.keys(value)) {
    const like = known.find((word) => word.length === member.length && word !== member && differences(word, member) === 1)
    if (like !== undefined) throw new RejoinError('E_DAMAGED', `the member ${JSON.stringify(member)} should be ${like}`)
  }
}

function differences(a: string, b: string): number {
  let count = 0
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++
  return count
}
