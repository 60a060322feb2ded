import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Digest,
  equal,
  isDigest,
  isNodePath,
  keyOfNodePath,
  maxFrontierBytes,
  maxReceiptBytes,
  RejoinError,
  verifyFrontier,
  verifyImportReceipt
} from '../core/index.ts'
import { readFileRangeSync } from './file.ts'
import { type Fault, faultOf, type FsckRun, isTemporary, namesIn } from './fsck-run.ts'
import { Outside } from './outside.ts'
import { partsOf } from './parts.ts'
import { sumsNames } from './sums.ts'

const maxSumsBytes = 256 * 1024 * 1024

/** Checks what a medium has beside a node's folder: signed frontiers and receipts, blobs in parts, and that the list of sums is true. */
export async function* checkMedium(run: FsckRun): AsyncGenerator<Fault, void, void> {
  yield* checkSigned(run.root)
  for (const algorithm of ['sha256', 'sha512'] as const)
    for (const two of namesIn(run.root, `parts/${algorithm}`))
      for (const name of namesIn(run.root, `parts/${algorithm}/${two}`)) {
        const digest = `${algorithm}:${name}`
        if (isDigest(digest) && name.startsWith(two)) yield* checkParts(run, digest)
        else yield { path: `parts/${algorithm}/${two}/${name}`, offset: 0, reason: 'the name is not a digest', code: 'E_DIGEST' }
        await run.step()
      }
  for (const name of sumsNames(new Outside(run.root))) yield* checkSums(run.root, name)
}

function* checkSigned(root: string): Generator<Fault, void, void> {
  for (const name of namesIn(root, 'frontiers')) {
    const path = `frontiers/${name}`
    if (isTemporary(name)) continue
    try {
      const { node } = verifyFrontier(readFileRangeSync(join(root, path), 0, maxFrontierBytes + 1) ?? new Uint8Array(0))
      if (!isNodePath(name) || !equal(keyOfNodePath(name), node)) throw new RejoinError('E_ORIGIN', 'it is of another node')
    } catch (error) {
      yield faultOf(error, path, 0)
    }
  }
  for (const name of namesIn(root, 'receipts'))
    for (const number of namesIn(root, `receipts/${name}`)) {
      const path = `receipts/${name}/${number}`
      if (isTemporary(number)) continue
      try {
        const { key, seq } = verifyImportReceipt(readFileRangeSync(join(root, path), 0, maxReceiptBytes + 1) ?? new Uint8Array(0))
        if (!isNodePath(name) || !equal(keyOfNodePath(name), key) || Number(number) !== seq)
          throw new RejoinError('E_ORIGIN', 'it is of another node, or of another import')
      } catch (error) {
        yield faultOf(error, path, 0)
      }
    }
}

async function* checkParts(run: FsckRun, digest: Digest): AsyncGenerator<Fault, void, void> {
  const [algorithm = '', hex = ''] = digest.split(':')
  const path = `parts/${algorithm}/${hex.slice(0, 2)}/${hex}`
  try {
    const parts = partsOf(new Outside(run.root), digest)
    if (parts === undefined) return
    const hash = createHash(algorithm)
    for (const part of parts.paths) for await (const bytes of createReadStream(join(run.root, part))) hash.update(bytes as Buffer)
    run.counts.blobs++
    run.counts.bytes += parts.sizeBytes
    const found = hash.digest('hex')
    if (found !== hex) throw new RejoinError('E_BAD_OBJECT', `its parts have the digest ${algorithm}:${found}`)
  } catch (error) {
    yield faultOf(error, path, 0)
  }
}

/** Each file that is listed must have the sum that is listed; those of blobs were read already. */
function* checkSums(root: string, list: string): Generator<Fault, void, void> {
  const bytes = readFileRangeSync(join(root, list), 0, maxSumsBytes)
  if (bytes === undefined) return
  let offset = 0
  for (const line of Buffer.from(bytes).toString('latin1').split('\n')) {
    const [, sum, path] = /^([0-9a-f]{64}) {2}([a-z0-9._/-]+|README\.txt)$/.exec(line) ?? []
    if (line !== '' && (sum === undefined || path === undefined || path.split('/').includes('..')))
      yield { path: list, offset, reason: 'the line is no sum of a file', code: 'E_DAMAGED' }
    else if (path !== undefined && !isRight(root, path, sum ?? ''))
      yield { path: list, offset, reason: `${path} is missing or has another sum`, code: 'E_DAMAGED' }
    offset += line.length + 1
  }
}

function isRight(root: string, path: string, sum: string): boolean {
  if (path.startsWith('parts/')) return existsSync(join(root, path))
  const [, name] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path) ?? []
  if (name !== undefined) return name === sum && existsSync(join(root, path))
  const bytes = readFileRangeSync(join(root, path), 0, Number.MAX_SAFE_INTEGER)
  return bytes !== undefined && createHash('sha256').update(bytes).digest('hex') === sum
}
