import {
  type Digest,
  didOf,
  encodeVerifierKey,
  type LogId,
  type Opened,
  parseOpenedLine,
  entriesPath,
  peerIdOf,
  RejoinError
} from '../core/index.ts'
import {
  createWitness,
  dropNextKey,
  exportNextKey,
  hasNextKey,
  importNextKey,
  nextKeyWords,
  type NextKeyUnlock,
  nextSeedOfFile,
  nextSeedOfWords,
  readFileRangeSync,
  readOwnLog,
  readSeed,
  readWitness
} from '../store/index.ts'
import type { VerbRecord } from './control.ts'
import { rotateKeys } from './rotate.ts'

/** Where a next key comes from that is not in the data folder: a file for age, or 24 words. */
export type NextKeySource =
  | { readonly kind: 'file'; readonly bytes: Uint8Array; readonly unlock: NextKeyUnlock }
  | { readonly kind: 'words'; readonly words: string }

/** What `rejoin trust key` asks for. */
export type KeyArgs =
  | { readonly action: 'show' | 'witness' }
  | { readonly action: 'rotate' | 'revoke'; readonly size?: number; readonly next?: NextKeySource }
  | { readonly action: 'export'; readonly to: 'words'; readonly drop: boolean }
  | {
      readonly action: 'export'
      readonly to: { readonly passphrase: string } | { readonly recipient: string }
      /** called with the encrypted key; the key is dropped only after it returns */
      readonly keep: (file: Uint8Array) => void
      readonly drop: boolean
    }
  | { readonly action: 'import'; readonly next: NextKeySource }

const maxLineBytes = 64 * 1024

/** Returns what the own log's first line says, without opening the folder: a node that is up has it. @throws E_NO_DATA */
function ownOpened(root: string): { readonly log: LogId; readonly opened: Opened } {
  const log = readOwnLog(root)
  const bytes = log && readFileRangeSync(`${root}/${entriesPath(log, 0)}`, 0, maxLineBytes + 1)
  const end = bytes?.indexOf(10) ?? -1
  if (log === undefined || bytes === undefined || end < 0)
    throw new RejoinError('E_NO_DATA', `there is no node in ${root}`, {
      hint: `rejoin init --data ${root} --name NAME makes one`
    })
  return { log, opened: parseOpenedLine(bytes.subarray(0, end)) }
}

async function seedOf(root: string, source: NextKeySource | undefined, expected: Digest): Promise<Uint8Array> {
  if (source?.kind === 'file') return await nextSeedOfFile(source.bytes, source.unlock, expected)
  if (source?.kind === 'words') return await nextSeedOfWords(source.words, expected)
  const seed = readSeed(root, 'keys/next')
  if (seed === undefined)
    throw new RejoinError('E_NOT_FOUND', `the next key is not in ${root}`, { hint: 'name it with --next-file or --next-words' })
  return seed
}

function shown(root: string): VerbRecord & Readonly<Record<string, unknown>> {
  const { log, opened } = ownOpened(root)
  const witness = readWitness(root)
  return {
    kind: 'key',
    logId: log,
    did: didOf(opened.publicKey),
    nodeId: peerIdOf(opened.publicKey),
    nextKey: opened.nextKey,
    nextKeyHere: hasNextKey(root),
    witness: witness === undefined ? null : encodeVerifierKey(witness.key)
  }
}

/**
 * Shows or changes the keys of a node. It works on the data folder and not on an open node: the old key may be lost, and a node that is up can't
 * change its peer ID.
 * @throws E_NO_DATA E_NOT_FOUND E_KEY E_LOCKED E_USAGE E_EXISTS
 */
export async function* keyVerb(root: string, args: KeyArgs): AsyncGenerator<VerbRecord> {
  const { opened } = ownOpened(root)
  switch (args.action) {
    case 'show':
      break
    case 'witness':
      if (readWitness(root) === undefined) createWitness(root)
      break
    case 'import':
      importNextKey(root, await seedOf(root, args.next, opened.nextKey), opened.nextKey)
      break
    case 'export':
      if (args.to === 'words') yield { kind: 'words', words: await nextKeyWords(root) } as VerbRecord
      else if ('keep' in args) args.keep(await exportNextKey(root, args.to))
      if (args.drop) dropNextKey(root)
      break
    case 'rotate':
    case 'revoke': {
      const nextSeed = await seedOf(root, args.next, opened.nextKey)
      const rotated = await rotateKeys(root, { nextSeed, ...(args.size !== undefined && { size: args.size }) })
      yield { kind: 'rotated', ...rotated } as VerbRecord
      return
    }
  }
  yield shown(root)
}
