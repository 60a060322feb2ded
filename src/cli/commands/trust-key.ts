import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { RejoinError, textOf } from '../../core/index.ts'
import { type KeyArgs, keyVerb, type NextKeySource } from '../../node/index.ts'
import type { NextKeyUnlock } from '../../store/index.ts'
import { type AnyRecord, printAll } from '../ask.ts'
import type { Context } from '../context.ts'
import { notice, print } from '../output.ts'

/** The options of `rejoin trust key`, of all its actions together. */
export interface KeyFlags {
  readonly nextFile?: string
  readonly nextWords?: string
  readonly passphraseFile?: string
  readonly identityFile?: string
  readonly recipient?: string
  readonly words?: boolean
  readonly output?: string
  readonly drop?: boolean
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return path === '-' ? await buffer(process.stdin) : await readFile(path)
  } catch (cause) {
    throw new RejoinError('E_NOT_FOUND', `can't read ${path}`, { cause })
  }
}

/** A secret stands in a file or comes in by a pipe: what is in a command's arguments, every user of the machine can read. */
async function secretIn(path: string): Promise<string> {
  return textOf(await bytesOf(path)).replace(/\r?\n$/, '')
}

async function unlockOf({ passphraseFile, identityFile }: KeyFlags): Promise<NextKeyUnlock> {
  if (identityFile !== undefined) {
    const lines = textOf(await bytesOf(identityFile)).split('\n')
    return { identity: lines.find((line) => line.startsWith('AGE-SECRET-KEY-'))?.trim() ?? '' }
  }
  if (passphraseFile !== undefined) return { passphrase: await secretIn(passphraseFile) }
  throw new RejoinError('E_USAGE', 'the key file is encrypted', { hint: 'add --passphrase-file FILE or --identity-file FILE' })
}

async function sourceOf(flags: KeyFlags): Promise<NextKeySource | undefined> {
  const { nextFile, nextWords } = flags
  if (nextFile !== undefined && nextWords !== undefined)
    throw new RejoinError('E_USAGE', 'the next key comes from a file or from words, not from both')
  if (nextFile !== undefined) return { kind: 'file', bytes: await bytesOf(nextFile), unlock: await unlockOf(flags) }
  return nextWords === undefined ? undefined : { kind: 'words', words: await secretIn(nextWords) }
}

async function exportOf(flags: KeyFlags): Promise<KeyArgs> {
  const { words, output, recipient, passphraseFile, drop = false } = flags
  if (words === true) return { action: 'export', to: 'words', drop }
  if (output === undefined)
    throw new RejoinError('E_USAGE', 'where to?', { hint: 'add --output FILE, or --words for 24 words on paper' })
  if (recipient === undefined && passphraseFile === undefined)
    throw new RejoinError('E_USAGE', 'for whom?', { hint: 'add --passphrase-file FILE or --recipient age1…' })
  const to = recipient === undefined ? { passphrase: await secretIn(passphraseFile as string) } : { recipient }
  return { action: 'export', to, drop, keep: (file) => keepFile(output, file) }
}

function keepFile(path: string, file: Uint8Array): void {
  try {
    writeFileSync(path, file, { flag: 'wx', mode: 0o600, flush: true })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
      throw new RejoinError('E_EXISTS', `${path} is there already`, { cause })
    throw new RejoinError('E_IO', `can't write ${path}`, { cause })
  }
}

function sizeOf(word: string | undefined): number {
  if (word === undefined || !/^[1-9][0-9]{0,12}$/.test(word))
    throw new RejoinError('E_USAGE', 'revoke needs the number of events that stay valid', {
      hint: 'rejoin log --last 20 lists them'
    })
  return Number(word)
}

async function argsOf(action: KeyArgs['action'], word: string | undefined, flags: KeyFlags): Promise<KeyArgs> {
  const next = await sourceOf(flags)
  switch (action) {
    case 'export':
      return await exportOf(flags)
    case 'import':
      if (next === undefined)
        throw new RejoinError('E_USAGE', 'where from?', { hint: 'add --next-file FILE or --next-words FILE' })
      return { action, next }
    case 'rotate':
      return { action, ...(next && { next }) }
    case 'revoke':
      return { action, size: sizeOf(word), ...(next && { next }) }
    default:
      return { action }
  }
}

/** Shows, changes or moves the keys of the node in the data folder. */
export async function trustKey(
  context: Context,
  action: KeyArgs['action'],
  word: string | undefined,
  flags: KeyFlags
): Promise<number> {
  const args = await argsOf(action, word, flags)
  await printAll(context, keyVerb(context.root, args) as AsyncIterable<AnyRecord>, (record) => {
    const say = (member: string): string => String(record[member])
    if (record.kind === 'words') print(say('words'))
    else if (record.kind === 'rotated') {
      print(`log        ${say('closed')} ends at ${say('size')} events`)
      if (record['voided'] !== 0) print(`void       ${say('voided')} events beyond`)
      print(`goes on in ${say('log')}`)
      print(`key        ${say('did')}`)
      print(`node       ${say('nodeId')}`)
      if (!context.quiet) notice('the peer ID is another one now: peers that dial this node by its old one need the new address')
    } else if (action === 'show' || action === 'witness') {
      print(`log        ${say('logId')}`)
      print(`key        ${say('did')}`)
      print(`next key   ${say('nextKey')}  ${record['nextKeyHere'] === true ? 'here' : 'not here'}`)
      if (record['witness'] !== null) print(`witness    ${say('witness')}`)
    } else if (!context.quiet) print(`next key   ${say('nextKey')}  ${record['nextKeyHere'] === true ? 'here' : 'not here'}`)
  })
  return 0
}
