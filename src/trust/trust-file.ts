import { join } from 'node:path'
import { Document, isMap, parseDocument } from 'yaml'
import { type Compiled, didOf, isName, parseKey, RejoinError, type TrustFile, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'
import { compileRules, compileTrust } from './condition.ts'
import { type KnownShapes, maxTrustFileBytes, parseTrustFile, type ReadBeside, readBeside } from './load.ts'

const fileName = 'trust.yaml'
const emptyFile = 'apiVersion: rejoin/v1\nkind: TrustPolicy\nname: node\nversion: 1\nkeys: {}\nidentities: {}\n'

/** The parts of the file that are edited here. */
interface Shape {
  readonly version?: number
  readonly identities?: Readonly<Record<string, { readonly keys?: readonly string[] } | undefined>>
}

/** Returns the bytes of trust.yaml of a data folder; of one that trusts nobody where there is none. */
export function readTrustBytes(root: string): Uint8Array {
  return readFileRangeSync(join(root, fileName), 0, maxTrustFileBytes + 1) ?? utf8(emptyFile)
}

/**
 * Returns a trust file ready to judge by, from its bytes.
 * @param label what the file is called in messages
 * @param read reads the key sets that it names; without it no token binds anything
 * @param known trust files whose shape was found right before
 * @throws E_TRUST_FILE with line and column
 */
export function compileTrustBytes(bytes: Uint8Array, label: string = fileName, read?: ReadBeside, known?: KnownShapes): Compiled {
  return compileTrust(parseTrustFile(bytes, (rules) => compileRules(rules).problems, label, read, known))
}

/**
 * Reads trust.yaml of a data folder; a missing file trusts nobody.
 * @throws E_TRUST_FILE with line and column
 */
export function loadTrust(root: string): Compiled {
  return compileTrustBytes(readTrustBytes(root), fileName, readBeside(root))
}

function readDocument(root: string): { readonly document: Document; readonly file: TrustFile } {
  const bytes = readTrustBytes(root)
  const { file } = compileTrustBytes(bytes, fileName, readBeside(root))
  return { document: parseDocument(Buffer.from(bytes).toString('utf8')), file }
}

/** Writes a changed document, one version on. @throws E_TRUST_FILE where it would not load: then nothing is changed */
function save(root: string, document: Document, file: TrustFile): Compiled {
  document.set('version', file.version + 1)
  const bytes = utf8(document.toString())
  const compiled = compileTrustBytes(bytes, fileName, readBeside(root))
  replaceFileSync(join(root, fileName), bytes, { durable: true })
  return compiled
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
 * @throws E_USAGE for a bad name · E_KEY · E_EXISTS where the key is somebody else's · E_TRUST_FILE
 */
export function addIdentity(root: string, name: string, key: string): Compiled {
  if (!isName(name))
    throw new RejoinError('E_USAGE', `not a name: ${JSON.stringify(name)}`, {
      hint: 'a name is 1 to 64 letters, digits, blanks and . _ @ -'
    })
  const did = didOf(parseKey(key))
  const { document, file } = readDocument(root)
  const known = [...file.keys.values()].find((one) => one.did === did)
  const owner = known && [...file.identities.values()].find(({ keys }) => keys.includes(known.name))
  if (owner?.name === name) return loadTrust(root)
  if (owner !== undefined)
    throw new RejoinError('E_EXISTS', `this key belongs to ${owner.name} already`, { hint: `rejoin trust remove ${owner.name}` })
  let keyName = known?.name ?? name
  for (let i = 2; known === undefined && file.keys.has(keyName); i++) keyName = `${name}-${i}`
  for (const member of ['keys', 'identities']) if (!isMap(document.get(member))) document.set(member, document.createNode({}))
  if (known === undefined) document.setIn(['keys', keyName], document.createNode({ did }))
  const before = (document.toJS() as Shape).identities?.[name]
  document.setIn(['identities', name], document.createNode({ ...before, keys: [...(before?.keys ?? []), keyName] }))
  for (const member of ['keys', 'identities']) {
    const map = document.get(member)
    if (isMap(map)) map.flow = false
  }
  return save(root, document, file)
}

/**
 * Adds the identity of a forge, where the file has none for it; a person's comments stay.
 * @param origin https://host[:port]
 * @throws E_EXISTS where the name is somebody else's · E_TRUST_FILE, as for a file that a root must sign
 */
export function addForgeIdentity(root: string, name: string, origin: string): Compiled {
  const { document, file } = readDocument(root)
  if ([...file.identities.values()].some(({ forge }) => forge === origin)) return loadTrust(root)
  if (file.identities.has(name))
    throw new RejoinError('E_EXISTS', `${fileName} has another identity ${JSON.stringify(name)}`, {
      hint: 'choose another with --name'
    })
  if (!isMap(document.get('identities'))) document.set('identities', document.createNode({}))
  document.setIn(['identities', name], document.createNode({ forge: origin, roles: ['forge'] }))
  const map = document.get('identities')
  if (isMap(map)) map.flow = false
  return save(root, document, file)
}

/** Removes an identity and its keys. @throws E_NOT_FOUND where the file has none of that name · E_TRUST_FILE where others need it */
export function removeIdentity(root: string, name: string): Compiled {
  const { document, file } = readDocument(root)
  const identity = file.identities.get(name)
  if (identity === undefined)
    throw new RejoinError('E_NOT_FOUND', `${fileName} has no identity ${JSON.stringify(name)}`, {
      hint: 'rejoin trust show lists them'
    })
  document.deleteIn(['identities', name])
  const used = new Set([...file.identities.values()].flatMap((other) => (other.name === name ? [] : other.keys)))
  for (const key of identity.keys) if (!used.has(key) && file.root?.keys.includes(key) !== true) document.deleteIn(['keys', key])
  return save(root, document, file)
}
