import { createHash } from 'node:crypto'
import {
  checkpointPath,
  codeOf,
  type Digest,
  digestOf,
  entriesPerFile,
  headsPath,
  isLogId,
  maxHeadsBytes,
  maxNoteBytes,
  memberOf,
  RejoinError,
  sealPath,
  type Signer,
  signSeal,
  verifySeal
} from '../core/index.ts'
import { Outside, replaceFileSync, sumsNames, sumsPath } from '../store/index.ts'
import { join } from 'node:path'
import { readWhole } from './archive-open.ts'
import { SealedSums } from './sealed-sums.ts'

const maxFileBytes = entriesPerFile * 65_536

/** The seal of a folder, with what it is to be of. */
export interface FolderSeal {
  readonly seal: Uint8Array
  readonly sums: Digest
  readonly heads: Digest
}

async function stateOf(files: Outside): Promise<{ readonly sums: SealedSums; readonly heads: Digest } | undefined> {
  const heads = files.read(headsPath, maxHeadsBytes)
  if (heads === undefined || files.size(sumsPath) === undefined) return undefined
  const sums = new SealedSums()
  for (const name of sumsNames(files)) await sums.read(readWhole(join(files.root, name)))
  return { sums, heads: digestOf(heads) }
}

/** Vouches for all that a folder lists in SHA256SUMS; one that already has this node's seal of it keeps that. */
export async function sealFolder(root: string, network: string, signer: Signer, nowMs: number): Promise<void> {
  const files = new Outside(root)
  const state = await stateOf(files)
  if (state === undefined) return
  const old = files.read(sealPath, maxNoteBytes)
  if (old !== undefined && isOf(old, state.sums.digest, state.heads, signer)) return
  const time = `${new Date(nowMs).toISOString().slice(0, 19)}Z`
  replaceFileSync(join(root, sealPath), signSeal({ network, time, heads: state.heads, files: state.sums.digest }, signer), {
    durable: true
  })
}

function isOf(bytes: Uint8Array, sums: Digest, heads: Digest, signer: Signer): boolean {
  try {
    const seal = verifySeal(bytes)
    return seal.files === sums && seal.heads === heads && seal.author.every((byte, i) => byte === signer.publicKey[i])
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return false
  }
}

/**
 * Returns the seal of a folder after everything that is listed but blobs, which verify by themselves, was compared with the list.
 * @throws E_SEAL where there is none, or something is there that the list does not say
 */
export async function readFolderSeal(files: Outside): Promise<FolderSeal> {
  const seal = files.read(sealPath, maxNoteBytes)
  const state = seal && (await stateOf(files))
  if (seal === undefined || state === undefined)
    throw new RejoinError('E_SEAL', `${files.root} has no seal, and trust.yaml asks for one`, {
      hint: 'rejoin export writes one; import.requireSeal asks for it'
    })
  const { sums, heads } = state
  for (const [path, sum] of sums.files()) {
    if (memberOf(path) === undefined) continue
    const bytes = files.read(path, maxFileBytes)
    if (bytes === undefined || createHash('sha256').update(bytes).digest('hex') !== sum)
      throw new RejoinError('E_SEAL', `${join(files.root, path)} is not what the seal says`)
  }
  for (const log of files.names('logs').filter(isLogId)) {
    for (const path of [checkpointPath(log), ...files.names(`logs/${log}/entries`).map((name) => `logs/${log}/entries/${name}`)])
      if (files.size(path) !== undefined && !sums.lists(path))
        throw new RejoinError('E_SEAL', `${join(files.root, path)} is not under the seal`)
  }
  return { seal, sums: sums.digest, heads }
}
