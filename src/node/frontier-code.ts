import { wordlist } from '@scure/bip39/wordlists/english.js'
import {
  codeOfFrontier,
  codeOfWords,
  codeWordCount,
  type FrontierLine,
  frontierOfCode,
  nearest,
  nearestCode,
  RejoinError,
  wordsOfCode
} from '../core/index.ts'
import type { Node } from './node.ts'

function spelt(numbers: readonly number[]): string {
  return numbers.map((number) => wordlist[number] ?? '').join(' ')
}

/**
 * Returns what a node holds of others' logs as six words to read over a telephone. Its own logs are left out: nobody on the far side of a diode knows
 * them.
 */
export function codeWords(node: Node): string {
  const own = (log: FrontierLine['log']): boolean =>
    node.store.opened(log).publicKey.every((byte, i) => byte === node.keys.signer.publicKey[i])
  return spelt(wordsOfCode(codeOfFrontier(node.store.listHeads().filter(({ log }) => !own(log)))))
}

/** Returns the numbers of words; of each its first four letters are enough. @throws E_CODE for one that is none, with the nearest */
export function numbersOfWords(text: string): readonly number[] {
  const words = text
    .toLowerCase()
    .split(/[\s,-]+/)
    .filter((word) => word !== '')
  const numbers = words.map((word) => {
    const exact = wordlist.indexOf(word)
    const at = exact >= 0 ? exact : word.length >= 4 ? wordlist.findIndex((one) => one.startsWith(word)) : -1
    if (at >= 0) return at
    const near = nearest(word, wordlist)
    throw new RejoinError(
      'E_CODE',
      `${JSON.stringify(word.slice(0, 40))} is no word of a code`,
      near === undefined ? {} : { hint: `did you mean ${near}?` }
    )
  })
  if (numbers.length !== codeWordCount)
    throw new RejoinError('E_CODE', `a code has ${codeWordCount} words, and these are ${numbers.length}`, {
      hint: '--match "one two three four five six"'
    })
  return numbers
}

/**
 * Returns which of the frontiers that were sent six words stand for.
 * @throws E_CODE where a word is none or was misheard, with the nearest; or where nothing that was sent comes to it
 */
export function matchWords(text: string, sent: readonly (readonly FrontierLine[])[]): readonly FrontierLine[] {
  const numbers = numbersOfWords(text)
  const value = codeOfWords(numbers)
  if (value !== undefined) {
    const found = frontierOfCode(value, sent)
    if (found !== undefined) return found
    throw new RejoinError('E_CODE', 'the words are a code, and nothing that was exported comes to it', {
      hint: 'is it the code of another node, or did that node take logs from elsewhere? without --match everything unconfirmed is repeated'
    })
  }
  const near = nearestCode(numbers, sent)
  const which = near?.differs.map(
    (at) =>
      `word ${at + 1} may be ${JSON.stringify(wordlist[near.words[at] ?? 0])} and not ${JSON.stringify(wordlist[numbers[at] ?? 0])}`
  )
  throw new RejoinError('E_CODE', 'the words don’t fit together: one of them was misheard'.replace('’', "'"), {
    hint: which === undefined ? 'ask for all six once more' : which.join(', ')
  })
}
