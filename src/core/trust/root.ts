import { base64, fromHex } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import type { PublicKey, Signer } from '../key.ts'
import { encodeNote, parseNote, signNote, verifyNote } from '../log/note.ts'
import type { TrustFile } from './file.ts'
import type { TrustProblem } from './problem.ts'

/** The name under which root keys sign: no checkpoint's origin, and no witness's. */
export const rootKeyName = 'rejoin/trust'

/** The keys that must sign the next trust file. */
export interface RootKeys {
  readonly threshold: number
  readonly keys: readonly { readonly name: string; readonly publicKey: PublicKey }[]
}

type Signed = Pick<TrustFile, 'name' | 'version' | 'digest'>

/**
 * Returns the text that root keys sign: `rejoin/trust/v1\n<name>\n<version>\n<base64 SHA-256 of trust.yaml>\n`.
 * @see protocols/trust.md#TRUST-23
 */
export function rootNoteText({ name, version, digest }: Signed): string {
  const hash = fromHex(digest)
  if (hash?.length !== 32) throw new Error('bug: the digest of a trust file is no SHA-256')
  return `rejoin/trust/v1\n${name}\n${version}\n${base64(hash)}\n`
}

/** Returns the bytes of trust.yaml.sigs, signed by some keys. */
export function signRootNote(file: Signed, signers: readonly Signer[]): Uint8Array {
  const text = rootNoteText(file)
  return encodeNote({ text, signatures: signers.flatMap((signer) => signNote(text, rootKeyName, signer).signatures) })
}

/**
 * Returns the root keys of a file that may sign at a time, or undefined where it has no root. A key with a revokedFrom signs no rules any more.
 * @param atMs Unix milliseconds
 */
export function rootKeysOf(file: Pick<TrustFile, 'root' | 'keys'>, atMs: number): RootKeys | undefined {
  if (file.root === undefined) return undefined
  const keys = file.root.keys.flatMap((name) => {
    const key = file.keys.get(name)
    if (key === undefined || key.revokedFrom !== undefined) return []
    const { fromMs = -Infinity, untilMs = Infinity, publicKey } = key
    return fromMs <= atMs && atMs < untilMs ? [{ name, publicKey }] : []
  })
  return { threshold: file.root.threshold, keys }
}

/**
 * Returns the names of the root keys that signed a trust file.
 * @param note bytes of trust.yaml.sigs
 * @param root the keys in force: of the file before it, and for a new root of this file too
 * @throws E_SIGNATURE where fewer than the threshold signed, or one's signature is bad · E_NOTE where it is of another file · E_TOO_LARGE E_UTF8
 */
export function verifyRootNote(note: Uint8Array, file: Signed, root: RootKeys): readonly string[] {
  const parsed = parseNote(note)
  if (parsed.text !== rootNoteText(file)) throw new RejoinError('E_NOTE', 'the signatures are not of this trust file')
  const signed = root.keys.filter(({ publicKey }) => {
    try {
      verifyNote(parsed, rootKeyName, publicKey)
      return true
    } catch (error) {
      if (error instanceof RejoinError && error.code === 'E_SIGNATURE') return false
      throw error
    }
  })
  if (signed.length < root.threshold)
    throw new RejoinError('E_SIGNATURE', `${signed.length} root keys signed the trust file, ${root.threshold} must`)
  return signed.map(({ name }) => name)
}

/**
 * Returns why a trust file may not come after the one in force. Without a root a person may edit the file and leave its version;
 * with one, two files of one version would be two histories.
 * @see protocols/trust.md#TRUST-24
 */
export function checkSuccession(before: TrustFile, after: TrustFile): readonly TrustProblem[] {
  const problems: TrustProblem[] = []
  if (after.version < before.version)
    problems.push({
      path: ['version'],
      message: `version ${after.version} is below ${before.version}, which is in force`,
      suggestion: `write version: ${before.version + 1}`
    })
  if (before.root === undefined) return problems
  if (after.root === undefined)
    problems.push({ path: ['root'], message: 'root is gone, but the file in force has one', suggestion: 'put root back' })
  if (after.name !== before.name)
    problems.push({
      path: ['name'],
      message: `the file is called ${JSON.stringify(after.name)}, but the one in force ${JSON.stringify(before.name)}`,
      suggestion: 'a file with a root keeps its name'
    })
  if (after.version === before.version && after.digest !== before.digest)
    problems.push({
      path: ['version'],
      message: `another file of version ${after.version} is in force`,
      suggestion: `write version: ${before.version + 1} and sign it`
    })
  return problems
}
