import { textOf } from './bytes.ts'
import { RejoinError, type ErrorCode } from './error.ts'
import { type Json, type JsonLimits, tooLarge } from './json-value.ts'

const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
const plainRun = /[^"\\\u0000-\u001f]*/y
const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
const numberToken = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const blank = /[ \t\n\r]*/y

interface Cursor {
  readonly text: string
  at: number
}

function fail(code: ErrorCode, message: string, cursor: Cursor): never {
  const before = cursor.text.slice(0, cursor.at)
  const line = before.split('\n').length
  const column = cursor.at - before.lastIndexOf('\n')
  throw new RejoinError(code, `${message} at line ${line}, column ${column}`, { at: `${line}:${column}` })
}

function skipBlank(cursor: Cursor): void {
  blank.lastIndex = cursor.at
  blank.exec(cursor.text)
  cursor.at = blank.lastIndex
}

function take(cursor: Cursor, token: RegExp, what: string): string {
  token.lastIndex = cursor.at
  const match = token.exec(cursor.text)
  if (match === null) fail('E_JSON', `${what} expected`, cursor)
  cursor.at = token.lastIndex
  return match[0]
}

/** Takes a string run by run: one expression for the whole of it runs out of stack at some million escapes. */
function parseString(cursor: Cursor): string {
  const { text, at } = cursor
  if (text[at] !== '"') fail('E_JSON', 'a string expected', cursor)
  let escaped = false
  for (cursor.at++; ; escaped = true) {
    take(cursor, plainRun, 'a string')
    if (text[cursor.at] === '"') break
    take(cursor, escape, 'the rest of a string')
  }
  cursor.at++
  return escaped ? (JSON.parse(text.slice(at, cursor.at)) as string) : text.slice(at + 1, cursor.at - 1)
}

function parseLiteral<T extends Json>(cursor: Cursor, word: string, value: T): T {
  if (!cursor.text.startsWith(word, cursor.at)) fail('E_JSON', 'a value expected', cursor)
  cursor.at += word.length
  return value
}

function parseArray(cursor: Cursor, depthLeft: number): Json {
  const items: Json[] = []
  cursor.at++
  skipBlank(cursor)
  if (cursor.text[cursor.at] === ']') {
    cursor.at++
    return items
  }
  for (;;) {
    items.push(parseValue(cursor, depthLeft))
    const next = cursor.text[cursor.at]
    if (next !== ',' && next !== ']') fail('E_JSON', '"," or "]" expected', cursor)
    cursor.at++
    if (next === ']') return items
  }
}

function parseObject(cursor: Cursor, depthLeft: number): Json {
  const object: Record<string, Json> = {}
  const seen = new Set<string>()
  cursor.at++
  skipBlank(cursor)
  if (cursor.text[cursor.at] === '}') {
    cursor.at++
    return object
  }
  for (;;) {
    skipBlank(cursor)
    const start = cursor.at
    const key = parseString(cursor)
    if (seen.has(key))
      fail('E_DUPLICATE_KEY', `the key ${JSON.stringify(key.slice(0, 40))} comes twice`, { text: cursor.text, at: start })
    if (forbiddenKeys.has(key))
      fail('E_FORBIDDEN_KEY', `the key ${JSON.stringify(key)} is not allowed`, { text: cursor.text, at: start })
    seen.add(key)
    skipBlank(cursor)
    if (cursor.text[cursor.at] !== ':') fail('E_JSON', '":" expected', cursor)
    cursor.at++
    object[key] = parseValue(cursor, depthLeft)
    const next = cursor.text[cursor.at]
    if (next !== ',' && next !== '}') fail('E_JSON', '"," or "}" expected', cursor)
    cursor.at++
    if (next === '}') return object
  }
}

/** Parses one value and the blanks on both sides of it. */
function parseValue(cursor: Cursor, depthLeft: number): Json {
  skipBlank(cursor)
  const char = cursor.text[cursor.at]
  if ((char === '{' || char === '[') && depthLeft === 0) fail('E_TOO_DEEP', 'JSON is nested too deep', cursor)
  let value: Json
  if (char === '{') value = parseObject(cursor, depthLeft - 1)
  else if (char === '[') value = parseArray(cursor, depthLeft - 1)
  else if (char === '"') value = parseString(cursor)
  else if (char === 't') value = parseLiteral(cursor, 'true', true)
  else if (char === 'f') value = parseLiteral(cursor, 'false', false)
  else if (char === 'n') value = parseLiteral(cursor, 'null', null)
  else value = Number(take(cursor, numberToken, 'a value'))
  skipBlank(cursor)
  return value
}

/**
 * Returns the value of a JSON text of any layout, where JSON.parse would keep the last of two equal keys and parse 100,000 levels.
 * @throws E_TOO_LARGE over limits.maxBytes · E_UTF8 · E_TOO_DEEP over limits.maxDepth · E_DUPLICATE_KEY · E_FORBIDDEN_KEY
 * (`__proto__`, `constructor`, `prototype`) · E_JSON for any other syntax error, with line and column
 * @see RFC 8259
 */
export function parseStrict(bytes: Uint8Array, limits: JsonLimits): Json {
  if (bytes.length > limits.maxBytes) throw tooLarge(bytes.length, limits.maxBytes)
  const cursor: Cursor = { text: textOf(bytes), at: 0 }
  const value = parseValue(cursor, limits.maxDepth)
  if (cursor.at < cursor.text.length) fail('E_JSON', 'text after the end of the value', cursor)
  return value
}
