import { createHash } from 'node:crypto'
import { type ThickMember, thickMemberOf } from '../artifact/index.ts'
import { concat, type Digest, digestParts, RejoinError, tarBlockBytes } from '../core/index.ts'
import { ArchiveReader, readWhole, type RefusedFile, type StreamedFile, unpack, type Unpacked } from '../replica/index.ts'
import type { Node } from './node.ts'

/** What came out of the archive of a thick bundle: its two documents; its blobs are in the store, not passed on yet. */
export interface ThickArchive {
  readonly bundle: Uint8Array
  readonly index: Uint8Array
  /** and their bytes, counted */
  readonly blobs: ReadonlyMap<Digest, number>
}

const maxDocumentBytes = 64 * 1024 * 1024
const asItIs = 'a file of another kind is published as it is with its media type: --type application/gzip'

/**
 * Reads the archive of a thick bundle once, from its beginning to its end, and stores its blobs, each verified, where they are not passed on.
 * @param fresh is told each digest that was not here before, so that the caller can take it away again
 * @throws E_ARCHIVE for an archive that is damaged, cut off or over a limit, or has a link, a device, an absolute path or `..` · E_BAD_OBJECT for a blob
 * with another digest · E_DOCUMENT where it has no bundle.json or no layout · E_NO_SPACE E_IO
 */
export async function takeThickArchive(node: Node, path: string, fresh: (digest: Digest) => void): Promise<ThickArchive> {
  const { limits } = node.gate.rules.file
  const unpacked: Unpacked = {}
  const refused: RefusedFile[] = []
  const reader = new ArchiveReader<ThickMember>(
    unpack(readWhole(path), { maxRatio: limits.unpackRatio, gzip: true }, unpacked),
    { memberOf: thickMemberOf, of: 'a thick bundle' },
    { maxFiles: limits.parcelFiles, maxFileBytes: limits.blobBytes },
    (one) => {
      if (one.isForeign !== true && refused.length === 0) refused.push(one)
    }
  )
  const mustBeSound = (): void => {
    const [first] = refused
    if (first !== undefined)
      throw new RejoinError('E_ARCHIVE', `the archive has ${JSON.stringify(first.path.slice(0, 60))}: ${first.reason}`)
  }
  const documents = new Map<'bundle' | 'index' | 'oci-layout', Uint8Array>()
  const blobs = new Map<Digest, number>()
  for await (const file of reader.files()) {
    mustBeSound()
    const { member } = file
    if (member.kind !== 'blob') {
      if (documents.has(member.kind)) throw new RejoinError('E_ARCHIVE', `the archive has ${file.path} twice`)
      documents.set(member.kind, await readDocument(file))
    } else {
      await takeBlob(node, file, member.digest, fresh, unpacked)
      blobs.set(member.digest, file.sizeBytes)
    }
  }
  mustBeSound()
  if (unpacked.fault !== undefined) throw new RejoinError('E_ARCHIVE', `the archive can't be read: ${unpacked.fault.reason}`)
  if (reader.end?.kind === 'damaged' && reader.end.atByte <= tarBlockBytes)
    throw new RejoinError('E_DOCUMENT', 'there is no tar archive in it, so it is no thick bundle', { hint: asItIs })
  if (reader.end?.kind !== 'whole') throw new RejoinError('E_ARCHIVE', `the archive can't be read: ${reader.end?.reason ?? ''}`)
  const [bundle, index] = [documents.get('bundle'), documents.get('index')]
  if (bundle === undefined)
    throw new RejoinError('E_DOCUMENT', 'the archive has no bundle.json, so it is no thick bundle', {
      hint: asItIs
    })
  if (index === undefined)
    throw new RejoinError('E_DOCUMENT', 'the archive has no artifacts/layout/index.json, so it has no images', {
      hint: 'a thin bundle is its bundle.json alone: publish that'
    })
  return { bundle, index, blobs }
}

async function readDocument({ path, sizeBytes, body }: StreamedFile<ThickMember>): Promise<Uint8Array> {
  if (sizeBytes > maxDocumentBytes)
    throw new RejoinError('E_TOO_LARGE', `${path} has ${sizeBytes} bytes; it may have up to ${maxDocumentBytes}`)
  const pieces: Uint8Array[] = []
  for await (const piece of body) pieces.push(piece.slice())
  return concat(pieces)
}

async function takeBlob(
  node: Node,
  { path, sizeBytes, body }: StreamedFile<ThickMember>,
  digest: Digest,
  fresh: (digest: Digest) => void,
  unpacked: Unpacked
): Promise<void> {
  const isHere = node.blobs.size(digest) === sizeBytes
  const { algorithm, hex } = digestParts(digest)
  const hash = isHere ? createHash(algorithm) : undefined
  let length = 0
  const counted = async function* (): AsyncGenerator<Uint8Array, void, void> {
    for await (const piece of body) {
      length += piece.length
      hash?.update(piece)
      yield piece
    }
  }
  const shortfall = (): RejoinError | undefined =>
    length < sizeBytes
      ? new RejoinError(
          'E_ARCHIVE',
          `the archive can't be read: ${unpacked.fault?.reason ?? `it ends inside ${path.slice(0, 100)}`}`
        )
      : undefined
  try {
    if (hash === undefined) {
      if (!node.blobs.has(digest)) fresh(digest)
      await node.blobs.put(counted(), { digest, sizeBytes, private: true })
      return
    }
    for await (const _ of counted());
    if (hash.digest('hex') !== hex) throw new RejoinError('E_BAD_OBJECT', `the bytes of ${digest} have another digest`)
  } catch (error) {
    throw shortfall() ?? error
  }
}
