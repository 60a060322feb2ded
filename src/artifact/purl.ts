import { parsePurl } from '../core/index.ts'

/** Returns what is wrong with a package URL, or undefined where it is one. @see ECMA-427 */
export function purlFault(text: string): string | undefined {
  const purl = parsePurl(text)
  return typeof purl === 'string' ? purl : undefined
}
