import { wordlist } from '@scure/bip39/wordlists/english.js'
import { base64, sha256, type TreeHead, utf8 } from '../core/index.ts'

const wordCount = 6
const bitsAWord = 11

/**
 * Returns heads as six words to read over a telephone, 66 bits of a hash over the lines `<logId> <size> <root, base64>`, sorted. Who knows what the other side may
 * hold can find out for which of these the words stand.
 */
export function codeWords(heads: readonly TreeHead[]): string {
  const lines = heads.map(({ log, size, root }) => `${log} ${size} ${base64(root)}\n`).toSorted()
  let bits = ''
  for (const byte of sha256(utf8(lines.join(''))).subarray(0, 9)) bits += byte.toString(2).padStart(8, '0')
  return Array.from(
    { length: wordCount },
    (_, i) => wordlist[Number.parseInt(bits.slice(i * bitsAWord, (i + 1) * bitsAWord), 2)] ?? ''
  ).join(' ')
}
