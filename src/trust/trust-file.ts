import { join } from 'node:path'
import { Document, isMap, LineCounter, parseDocument } from 'yaml'
import { didOf, isName, parseKey, RejoinError, type Rules, textOf, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'

const maxFileBytes = 1024 * 1024
const fileName = 'trust.yaml'
const topMembers = ['apiVersion', 'kind', 'name', 'version', 'keys', 'identities', 'mediaTypes', 'eventTypes', 'default'] as const

/** One identity of the trust file. */
export interface Identity {
  readonly name: string
  /** did:key of each of its keys */
  readonly keys: readonly string[]
}

/** A trust file that was read and checked. */
export interface Trust {
  readonly identities: readonly Identity[]
  readonly rules: Rules
}

interface Shape {
  readonly apiVersion?: unknown
  readonly kind?: unknown
  readonly keys?: Readonly<Record<string, { readonly did?: string; readonly vkey?: string }>>
  readonly identities?: Readonly<Record<string, { readonly keys?: readonly string[] }>>
  readonly mediaTypes?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }
  readonly eventTypes?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] }
  readonly default?: unknown
}

function fail(message: string, at?: string): never {
  throw new RejoinError('E_TRUST_FILE', `${fileName}: ${message}`, {
    ...(at !== undefined && { at }),
    hint: 'correct the file; the rules that were in force stay in force'
  })
}

function parse(text: string): Document {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    fail(`${error.message} at line ${line}, column ${col}`, `${line}:${col}`)
  }
  if (document.contents !== null && !isMap(document.contents)) fail('the file is not a mapping')
  return document
}

function texts(value: unknown, what: string): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) fail(`${what} is not a list of texts`)
  return value as readonly string[]
}

function check(shape: Shape): Trust {
  const unknown = Object.keys(shape).find((key) => !(topMembers as readonly string[]).includes(key))
  if (unknown !== undefined) fail(`unknown member ${JSON.stringify(unknown)}; known are ${topMembers.join(', ')}`)
  if (shape.apiVersion !== 'rejoin/v1' || shape.kind !== 'TrustPolicy')
    fail('apiVersion is not rejoin/v1 or kind is not TrustPolicy')
  if (shape.default !== undefined && shape.default !== 'refuse') fail('default can only be refuse so far')
  const keys = new Map<string, string>()
  for (const [name, key] of Object.entries(shape.keys ?? {})) keys.set(name, didOf(parseKey(key.did ?? key.vkey ?? '')))
  const authors = new Map<string, string>()
  const identities = Object.entries(shape.identities ?? {}).map(([name, identity]) => {
    const dids = texts(identity?.keys, `keys of ${name}`).map(
      (key) => keys.get(key) ?? fail(`identity ${name} names the unknown key ${key}`)
    )
    for (const did of dids) authors.set(did, name)
    return { name, keys: dids }
  })
  const lists = (value: Shape['mediaTypes'], what: string): Rules['mediaTypes'] => ({
    allow: texts(value?.allow, `${what}.allow`),
    deny: texts(value?.deny, `${what}.deny`)
  })
  return {
    identities,
    rules: { authors, mediaTypes: lists(shape.mediaTypes, 'mediaTypes'), eventTypes: lists(shape.eventTypes, 'eventTypes') }
  }
}

function readText(root: string): string {
  const bytes = readFileRangeSync(join(root, fileName), 0, maxFileBytes + 1)
  if (bytes === undefined) return 'apiVersion: rejoin/v1\nkind: TrustPolicy\nversion: 1\nkeys: {}\nidentities: {}\n'
  if (bytes.length > maxFileBytes) fail(`the file is over ${maxFileBytes} bytes`)
  return textOf(bytes)
}

/**
 * Reads trust.yaml of a data folder; a missing file trusts nobody.
 * @throws E_TRUST_FILE with line and column
 */
export function loadTrust(root: string): Trust {
  try {
    return check((parse(readText(root)).toJS() ?? {}) as Shape)
  } catch (cause) {
    if (cause instanceof RejoinError && cause.code === 'E_TRUST_FILE') throw cause
    fail((cause as Error).message)
  }
}

function save(root: string, document: Document): Trust {
  const text = document.toString()
  const trust = check(document.toJS() as Shape)
  replaceFileSync(join(root, fileName), utf8(text), { durable: true })
  return trust
}

/** Writes a trust file that trusts nobody yet. */
export function createTrust(root: string, name: string): void {
  const text = `# Who may write to this node. Change it with an editor, or: rejoin trust add NAME KEY
apiVersion: rejoin/v1
kind: TrustPolicy
name: ${JSON.stringify(name)}
version: 1
keys: {}
identities: {}
`
  replaceFileSync(join(root, fileName), utf8(text), { durable: true })
}

/**
 * Adds an identity with a key, or a key to an identity that is there; a person's comments stay.
 * @throws E_USAGE for a bad name · E_KEY · E_TRUST_FILE
 */
export function addIdentity(root: string, name: string, key: string): Trust {
  if (!isName(name))
    throw new RejoinError('E_USAGE', `not a name: ${JSON.stringify(name)}`, {
      hint: 'a name is 1 to 64 letters, digits, blanks and . _ @ -'
    })
  const did = didOf(parseKey(key))
  const document = parse(readText(root))
  const current = check(document.toJS() as Shape)
  const owner = current.rules.authors.get(did)
  if (owner === name) return current
  if (owner !== undefined)
    throw new RejoinError('E_EXISTS', `this key belongs to ${owner} already`, { hint: `rejoin trust remove ${owner}` })
  let keyName = name
  for (let i = 2; document.hasIn(['keys', keyName]); i++) keyName = `${name}-${i}`
  for (const member of ['keys', 'identities']) if (!isMap(document.get(member))) document.set(member, document.createNode({}))
  document.setIn(['keys', keyName], document.createNode({ did }))
  const before =
    current.identities.find((identity) => identity.name === name) === undefined
      ? []
      : texts(
          document.getIn(['identities', name, 'keys'], false) === undefined
            ? []
            : (document.toJS() as Shape).identities?.[name]?.keys,
          'keys'
        )
  document.setIn(
    ['identities', name],
    document.createNode({ ...((document.toJS() as Shape).identities?.[name] ?? {}), keys: [...before, keyName] })
  )
  document.set('version', Number((document.toJS() as { version?: number }).version ?? 0) + 1)
  for (const member of ['keys', 'identities']) {
    const map = document.get(member)
    if (isMap(map)) map.flow = false
  }
  return save(root, document)
}

/** Removes an identity and its keys. @throws E_NOT_FOUND where the file has none of that name */
export function removeIdentity(root: string, name: string): Trust {
  const document = parse(readText(root))
  const shape = document.toJS() as Shape
  check(shape)
  const identity = shape.identities?.[name]
  if (identity === undefined)
    throw new RejoinError('E_NOT_FOUND', `${fileName} has no identity ${JSON.stringify(name)}`, {
      hint: 'rejoin trust show lists them'
    })
  document.deleteIn(['identities', name])
  const used = new Set(
    Object.entries(shape.identities ?? {}).flatMap(([other, { keys }]) => (other === name ? [] : (keys ?? [])))
  )
  for (const key of identity.keys ?? []) if (!used.has(key)) document.deleteIn(['keys', key])
  document.set('version', Number((shape as { version?: number }).version ?? 0) + 1)
  return save(root, document)
}
