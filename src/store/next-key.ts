import { existsSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { base64, type Digest, fromBase64, nextKeyDigest, RejoinError, signerOf, textOf, utf8 } from '../core/index.ts'
import { replaceFileSync, syncFolderSync } from './file.ts'
import { readSeed, writeSeed } from './keys.ts'

/** A file with an encrypted next key is never longer than this; one has some 500 bytes. */
export const maxNextKeyFileBytes: number = 64 * 1024
const firstLine = 'rejoin/next-key/v1'

/** How a next key is encrypted: by a passphrase, or for an age recipient (`age1…`). */
export type NextKeyLock =
  /** workFactor: log2 of scrypt's cost, 18 where it is left out: about a second */
  { readonly passphrase: string; readonly workFactor?: number } | { readonly recipient: string }

/** How it is decrypted: by the passphrase, or with the recipient's age identity (`AGE-SECRET-KEY-…`). */
export type NextKeyUnlock = { readonly passphrase: string } | { readonly identity: string }

function nextSeed(root: string): Uint8Array {
  const seed = readSeed(root, 'keys/next')
  if (seed === undefined)
    throw new RejoinError('E_NOT_FOUND', `the next key is not in ${root}`, { hint: 'bring it in with rejoin trust key import' })
  return seed
}

/** Returns the digest of the public key that a seed gives, as a log's first line commits to it. */
export function nextDigestOf(seed: Uint8Array): Digest {
  return nextKeyDigest(signerOf(seed).publicKey)
}

/**
 * Returns the next key of a data folder as an age file in its text form, for keeping it elsewhere. It stays in the folder until dropNextKey.
 * Decrypted by any age, it is three lines: `rejoin/next-key/v1`, `next sha256:…`, `seed <base64>`.
 * @throws E_NOT_FOUND where the next key is not here · E_KEY for a malformed recipient · E_USAGE for an empty passphrase
 * @see age-encryption.org/v1
 */
export async function exportNextKey(root: string, lock: NextKeyLock): Promise<Uint8Array> {
  const seed = nextSeed(root)
  // loaded only here: most commands need no age
  const { armor, Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  if ('passphrase' in lock) {
    if (lock.passphrase === '') throw new RejoinError('E_USAGE', 'the passphrase is empty')
    encrypter.setPassphrase(lock.passphrase)
    if (lock.workFactor !== undefined) encrypter.setScryptWorkFactor(lock.workFactor)
  } else {
    try {
      encrypter.addRecipient(lock.recipient)
    } catch (cause) {
      throw new RejoinError('E_KEY', 'the recipient is no age recipient', { cause, hint: 'it begins with age1' })
    }
  }
  const text = `${firstLine}\nnext ${nextDigestOf(seed)}\nseed ${base64(seed)}\n`
  return utf8(armor.encode(await encrypter.encrypt(utf8(text))))
}

/**
 * Returns the seed in a file that exportNextKey made, after it was compared with the digest that is expected.
 * @param expected what the first line of the log commits to
 * @throws E_KEY where the passphrase or identity does not open it, or it holds another key · E_TOO_LARGE E_UTF8
 */
export async function nextSeedOfFile(file: Uint8Array, unlock: NextKeyUnlock, expected: Digest): Promise<Uint8Array> {
  if (file.length > maxNextKeyFileBytes)
    throw new RejoinError('E_TOO_LARGE', `a key file of ${file.length} bytes is over ${maxNextKeyFileBytes}`)
  const armored = textOf(file)
  const { armor, Decrypter } = await import('age-encryption')
  let text: string
  try {
    const decrypter = new Decrypter()
    if ('passphrase' in unlock) decrypter.addPassphrase(unlock.passphrase)
    else decrypter.addIdentity(unlock.identity)
    text = textOf(await decrypter.decrypt(armor.decode(armored)))
  } catch (cause) {
    throw new RejoinError('E_KEY', 'the key file can not be decrypted', { cause, hint: 'check the passphrase or the identity' })
  }
  const match = /^([^\n]+)\nnext ([^\n]+)\nseed ([^\n]+)\n$/.exec(text)
  const seed = fromBase64(match?.[3] ?? '')
  if (match?.[1] !== firstLine || seed?.length !== 32 || nextDigestOf(seed) !== match[2])
    throw new RejoinError('E_KEY', 'the file does not hold a next key')
  return checked(seed, expected)
}

function checked(seed: Uint8Array, expected: Digest): Uint8Array {
  if (nextDigestOf(seed) !== expected)
    throw new RejoinError('E_KEY', 'this is another key than the one that the log commits to', {
      hint: 'it may belong to another node, or to an earlier log of this one'
    })
  return seed
}

/**
 * Returns the next key of a data folder as 24 English words (BIP-39: 256 bits and a check sum of 8), for keeping it on paper.
 * @throws E_NOT_FOUND where the next key is not here
 */
export async function nextKeyWords(root: string): Promise<string> {
  return wordsOfSeed(nextSeed(root))
}

/** Returns the 24 words of a seed. @see BIP-39 */
export async function wordsOfSeed(seed: Uint8Array): Promise<string> {
  const [{ entropyToMnemonic }, { wordlist }] = await loadWords()
  return entropyToMnemonic(seed, wordlist)
}

async function loadWords(): Promise<[typeof import('@scure/bip39'), typeof import('@scure/bip39/wordlists/english.js')]> {
  return Promise.all([import('@scure/bip39'), import('@scure/bip39/wordlists/english.js')])
}

/**
 * Returns the seed that 24 words spell, in whatever case and with whatever blanks, after it was compared with the digest that is expected:
 * the words' own check sum lets one wrong set of words in 256 pass.
 * @param expected what the first line of the log commits to
 * @throws E_KEY where a word is unknown, they are not 24, or they spell another key
 */
export async function nextSeedOfWords(words: string, expected: Digest): Promise<Uint8Array> {
  if (words.length > 1024) throw new RejoinError('E_KEY', `${words.length} characters are too long for 24 words`)
  const list = words
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  if (list.length !== 24) throw new RejoinError('E_KEY', `a key is 24 words, not ${list.length}`)
  const [{ mnemonicToEntropy }, { wordlist }] = await loadWords()
  // the word itself is part of a secret, so only its place is named
  const unknown = list.findIndex((word) => !wordlist.includes(word))
  if (unknown >= 0) throw new RejoinError('E_KEY', `word ${unknown + 1} is not in the list of BIP-39`)
  let seed: Uint8Array
  try {
    seed = mnemonicToEntropy(list.join(' '), wordlist)
  } catch (cause) {
    throw new RejoinError('E_KEY', 'the check sum of the words is wrong', { cause, hint: 'compare each word, and their order' })
  }
  return checked(seed, expected)
}

/**
 * Puts a next key that was kept elsewhere back into a data folder.
 * @param expected what the first line of the log commits to
 * @throws E_KEY where the seed is another key's
 */
export function importNextKey(root: string, seed: Uint8Array, expected: Digest): void {
  writeSeed(root, 'keys/next', checked(seed, expected))
}

/**
 * Takes the next key out of a data folder: only its digest stays. The caller must have it safely elsewhere. A flash drive may keep
 * the bytes of the deleted file for some time.
 */
export function dropNextKey(root: string): void {
  const digest = nextDigestOf(nextSeed(root))
  replaceFileSync(join(root, 'keys/next.digest'), utf8(`${digest}\n`), { durable: true, mode: 0o600 })
  unlinkSync(join(root, 'keys/next'))
  syncFolderSync(join(root, 'keys'))
}

/** Returns whether the next key itself, and not only its digest, is in a data folder. */
export function hasNextKey(root: string): boolean {
  return existsSync(join(root, 'keys/next'))
}
