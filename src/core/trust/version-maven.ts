import { compareDigits, compareText, orderOf, type VersionOrder } from './version-order.ts'

/** A number as its digits, a qualifier, or what a "-" or a change between digits and letters opens. */
type Item = { readonly kind: 'number'; readonly digits: string } | { readonly kind: 'text'; readonly text: string } | List
interface List {
  readonly kind: 'list'
  readonly items: Item[]
}

/** Known qualifiers in their order; the empty one is the release itself. All others come after them, by their letters. */
const qualifiers: readonly string[] = ['alpha', 'beta', 'milestone', 'rc', 'snapshot', '', 'sp']
const aliases: Readonly<Record<string, string>> = { ga: '', final: '', release: '', cr: 'rc' }
const shortNames: Readonly<Record<string, string>> = { a: 'alpha', b: 'beta', m: 'milestone' }

function textItem(text: string, beforeDigit: boolean): Item {
  const long = beforeDigit && Object.hasOwn(shortNames, text) ? (shortNames[text] as string) : text
  return { kind: 'text', text: Object.hasOwn(aliases, long) ? (aliases[long] as string) : long }
}

function itemOf(text: string, isDigits: boolean): Item {
  return isDigits ? { kind: 'number', digits: text } : textItem(text, false)
}

function isNull(item: Item): boolean {
  if (item.kind === 'number') return /^0*$/.test(item.digits)
  return item.kind === 'text' ? item.text === '' : item.items.length === 0
}

/** Takes away what says nothing at the end, and before a list: 1.0-x is 1-x. */
function normalize(items: Item[]): void {
  for (let i = items.length - 1; i >= 0; i--) {
    const last = items[i] as Item
    if (isNull(last)) items.splice(i, 1)
    else if (last.kind !== 'list') break
  }
}

function parse(version: string): List | undefined {
  if (!/^[!-~]+$/.test(version)) return undefined
  const text = version.toLowerCase()
  const root: List = { kind: 'list', items: [] }
  const opened: List[] = [root]
  let list = root
  let start = 0
  let isDigits = false
  const open = (): void => {
    const inner: List = { kind: 'list', items: [] }
    list.items.push(inner)
    opened.push(inner)
    list = inner
  }
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string
    if (char === '.' || char === '-') {
      list.items.push(i === start ? { kind: 'number', digits: '0' } : itemOf(text.slice(start, i), isDigits))
      start = i + 1
      if (char === '-') open()
    } else if (char >= '0' && char <= '9') {
      if (!isDigits && i > start) {
        list.items.push(textItem(text.slice(start, i), true))
        start = i
        open()
      }
      isDigits = true
    } else {
      if (isDigits && i > start) {
        list.items.push(itemOf(text.slice(start, i), true))
        start = i
        open()
      }
      isDigits = false
    }
  }
  if (text.length > start) list.items.push(itemOf(text.slice(start), isDigits))
  for (const inner of opened.reverse()) normalize(inner.items)
  return root
}

function rankOf(text: string): string {
  const known = qualifiers.indexOf(text)
  return known === -1 ? `${qualifiers.length}-${text}` : String(known)
}

const absent: Item = { kind: 'text', text: '' }

function compareItem(a: Item, b: Item | undefined): number {
  if (a.kind === 'number') {
    if (b === undefined) return isNull(a) ? 0 : 1
    return b.kind === 'number' ? compareDigits(a.digits, b.digits) : 1
  }
  if (a.kind === 'text') {
    if (b === undefined || b.kind === 'text') return compareText(rankOf(a.text), rankOf((b ?? (absent as typeof a)).text))
    return -1
  }
  if (b === undefined) return a.items[0] === undefined ? 0 : compareItem(a.items[0], undefined)
  if (b.kind !== 'list') return b.kind === 'number' ? -1 : 1
  return compareLists(a, b)
}

function compareLists(a: List, b: List): number {
  for (let i = 0; i < Math.max(a.items.length, b.items.length); i++) {
    const [left, right] = [a.items[i], b.items[i]]
    let order = 0
    if (left !== undefined) order = compareItem(left, right)
    else if (right !== undefined) order = -compareItem(right, undefined)
    if (order !== 0) return order
  }
  return 0
}

/**
 * Maven's ComparableVersion, as the test cases of vers-spec have it. Maven 3.9 reads a qualifier after a dot as one after a dash,
 * which those do not.
 * @see https://maven.apache.org/pom.html#version-order-specification
 */
export const mavenOrder: VersionOrder = orderOf(parse, compareLists)
