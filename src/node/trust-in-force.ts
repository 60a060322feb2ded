import { join } from 'node:path'
import {
  basisOf,
  checkSuccession,
  codeOf,
  type Compiled,
  hex,
  RejoinError,
  rootKeysOf,
  sha256,
  textOf,
  utf8,
  verifyRootNote
} from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'
import { checkedShape } from './checked-shape.ts'
import { compileTrustBytes, maxTrustFileBytes, type ReadBeside, readBeside, readTrustBytes } from '../trust/index.ts'

const lastFile = 'private/trust.last.yaml'
const lastKeysFile = 'private/trust.last.keys.json'
const judgedByFile = 'private/judged-by'
const signaturesFile = 'trust.yaml.sigs'
const maxLastKeysBytes = 512 * 1024 * 1024
const maxSignaturesBytes = 64 * 1024

/** @param now the rules of the file as it is: where they are the same ones, and name no other file, they need not be read twice */
function lastInForce(root: string, now?: Compiled): Compiled | undefined {
  const bytes = readFileRangeSync(join(root, lastFile), 0, maxTrustFileBytes + 1)
  if (bytes !== undefined && now?.file.issuers === undefined && now?.file.digest === hex(sha256(bytes))) return now
  try {
    return bytes === undefined ? undefined : compileTrustBytes(bytes, lastFile, readLastKeys(root))
  } catch (error) {
    // an older program wrote it, or it is damaged: then there is nothing to compare with
    if (codeOf(error) !== undefined) return undefined
    throw error
  }
}

/** The key sets as they were then, since the files may be others now, or gone. */
function readLastKeys(root: string): ReadBeside {
  const bytes = readFileRangeSync(join(root, lastKeysFile), 0, maxLastKeysBytes)
  try {
    const known = bytes === undefined ? {} : (JSON.parse(textOf(bytes)) as Readonly<Record<string, string>>)
    return (path) => (Object.hasOwn(known, path) ? utf8(String(known[path])) : undefined)
  } catch {
    return () => undefined
  }
}

function keepKeys(root: string, read: ReadonlyMap<string, Uint8Array>): void {
  const known = Object.fromEntries([...read].map(([path, bytes]) => [path, textOf(bytes)]))
  replaceFileSync(join(root, lastKeysFile), utf8(`${JSON.stringify(known)}\n`), { durable: true, mode: 0o600 })
}

function refuse(message: string, hint: string): never {
  throw new RejoinError('E_TRUST_FILE', `trust.yaml: ${message}`, { hint })
}

function checkSignatures(root: string, file: Compiled['file'], before: Compiled['file'] | undefined, nowMs: number): void {
  for (const keys of [before && rootKeysOf(before, nowMs), rootKeysOf(file, nowMs)]) {
    if (keys === undefined) continue
    const note = readFileRangeSync(join(root, signaturesFile), 0, maxSignaturesBytes)
    if (note === undefined)
      refuse(`its root must sign it, and ${signaturesFile} is missing`, `let ${keys.threshold} of its root keys sign it`)
    try {
      verifyRootNote(note, { ...file, digest: file.digest }, keys)
    } catch (error) {
      if (!(error instanceof RejoinError)) throw error
      refuse(error.message, `let ${keys.threshold} of its root keys sign it`)
    }
  }
}

/**
 * Reads the trust file, and checks that it may come after the one that was in force: its version never goes down, and where it has a
 * root, that root signed it.
 * @throws E_TRUST_FILE
 */
export function readTrustInForce(root: string, nowMs: number): Compiled {
  const bytes = readTrustBytes(root)
  const read = new Map<string, Uint8Array>()
  const fromDisk = readBeside(root)
  const readNoting: ReadBeside = (path) => {
    const found = fromDisk(path)
    if (found !== undefined) read.set(path, found)
    return found
  }
  const compiled = compileTrustBytes(bytes, undefined, readNoting, checkedShape(root))
  const before = lastInForce(root, compiled)
  const unchanged = before?.file.digest === compiled.file.digest
  if (before !== undefined && !unchanged) {
    const [problem] = checkSuccession(before.file, compiled.file)
    if (problem !== undefined) refuse(problem.message, problem.suggestion ?? 'put the newer file back')
  }
  checkSignatures(root, compiled.file, unchanged ? undefined : before?.file, nowMs)
  if (before === undefined || basisOf(before.file) !== basisOf(compiled.file)) {
    if (read.size > 0) keepKeys(root, read)
    replaceFileSync(join(root, lastFile), bytes, { durable: true, mode: 0o600 })
  }
  return compiled
}

/**
 * Returns the rules to start with: those of trust.yaml, else, with a notice, those that were in force last.
 * @throws E_TRUST_FILE where there are none
 */
export function startingTrust(root: string, nowMs: number, onNotice: (text: string) => void): Compiled {
  try {
    return readTrustInForce(root, nowMs)
  } catch (error) {
    const before = codeOf(error) === 'E_TRUST_FILE' ? lastInForce(root) : undefined
    if (before === undefined) throw error
    onNotice(`${(error as Error).message}; the rules that were in force before stay in force`)
    return before
  }
}

/** Returns the digest of the trust file by which everything here was judged, where it was. */
export function judgedBy(root: string): string | undefined {
  const bytes = readFileRangeSync(join(root, judgedByFile), 0, 128)
  return bytes && Buffer.from(bytes).toString('latin1').trim()
}

/** Takes note that everything here was judged by a trust file. */
export function writeJudgedBy(root: string, digest: string): void {
  replaceFileSync(join(root, judgedByFile), Buffer.from(`${digest}\n`, 'latin1'), { durable: false })
}
