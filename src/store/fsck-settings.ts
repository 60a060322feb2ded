import { join } from 'node:path'
import { isMap, LineCounter, parseDocument, visit } from 'yaml'
import { isObject, type Json, parseStrict, RejoinError, textOf, utf8 } from '../core/index.ts'
import { type Fault, faultOf, isTemporary, namesIn } from './fsck-run.ts'
import { readFileRangeSync } from './file.ts'
import { folderVersion } from './folder-version.ts'
import { isSealed } from './seal.ts'

const maxBytes = 512 * 1024 * 1024
const replicaMembers: ReadonlySet<string> = new Set(['format', 'version', 'network', 'store', 'limits', 'check'])

/** Returns the value of a JSON file of ours. @throws E_JSON and what else parseStrict throws */
export function parseJson(bytes: Uint8Array): Json {
  return parseStrict(bytes, { maxBytes, maxDepth: 16 })
}

/** Checks replica.json: what it must say, nothing that it may not, and its check sum where it has one. */
export function* checkReplica(root: string): Generator<Fault, void, void> {
  const path = 'replica.json'
  const bytes = readFileRangeSync(join(root, path), 0, maxBytes)
  if (bytes === undefined) {
    yield { path, offset: 0, reason: 'the file is missing', code: 'E_NO_DATA' }
    return
  }
  try {
    const value = parseJson(bytes)
    if (!isObject(value) || value['format'] !== 'rejoin' || typeof value['network'] !== 'string')
      throw new RejoinError('E_DAMAGED', 'it does not say format rejoin and a network')
    if (value['version'] !== folderVersion)
      throw new RejoinError('E_VERSION', `format version ${JSON.stringify(value['version'])} is not ${folderVersion}`)
    const unknown = Object.keys(value).find((member) => !replicaMembers.has(member))
    if (unknown !== undefined) throw new RejoinError('E_DAMAGED', `it has the unknown member ${JSON.stringify(unknown)}`)
    if (value['check'] !== undefined && !isSealed(value)) throw new RejoinError('E_DAMAGED', 'its check sum is another')
  } catch (error) {
    yield faultOf(error, path, 0)
  }
}

interface YamlFile {
  readonly path: string
  readonly code: 'E_CONFIG' | 'E_TRUST_FILE'
  /** a longer one is not read by the node either */
  readonly maxBytes: number
  /** whether a file that says nothing means something */
  readonly mayBeEmpty: boolean
}
const yamlFiles: readonly YamlFile[] = [
  { path: 'config.yaml', code: 'E_CONFIG', maxBytes: 256 * 1024, mayBeEmpty: true },
  // nobody writes an empty one: it was cut off, and the node does not start with it
  { path: 'trust.yaml', code: 'E_TRUST_FILE', maxBytes: 1024 * 1024, mayBeEmpty: false }
]

/** Checks that what people and the node write beside the logs can be parsed: settings, rules, peers and verdicts. */
export function* checkSettings(root: string): Generator<Fault, void, void> {
  for (const file of yamlFiles) yield* checkYaml(root, file)
  yield* checkLines(root, 'peers')
  for (const name of namesIn(root, 'verdicts')) if (!isTemporary(name)) yield* checkLines(root, `verdicts/${name}`)
}

function* checkYaml(root: string, { path, code, maxBytes: limit, mayBeEmpty }: YamlFile): Generator<Fault, void, void> {
  const bytes = readFileRangeSync(join(root, path), 0, limit + 1)
  if (bytes === undefined) return
  const fault = (offset: number, reason: string): Fault => ({ path, offset, reason, code })
  if (bytes.length > limit) return yield fault(limit, `the file is over ${limit} bytes`)
  const badByte = firstBadByte(bytes)
  if (badByte !== undefined) return yield fault(badByte, 'a byte is not of a text in UTF-8')
  const text = textOf(bytes)
  const lineCounter = new LineCounter()
  const at = (position: number, message: string): Fault => {
    const { line, col } = lineCounter.linePos(position)
    return fault(Buffer.byteLength(text.slice(0, position)), `${message} at line ${line}, column ${col}`)
  }
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  for (const { pos, message } of document.errors) yield at(pos[0], message)
  if (document.errors.length > 0) return
  if (!isMap(document.contents) && !(document.contents === null && mayBeEmpty)) yield fault(0, 'the file is not a mapping')
  const loose: Fault[] = []
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) === undefined) loose.push(at(alias.range?.[0] ?? 0, `nothing is named &${alias.source}`))
    }
  })
  yield* loose
}

const lenient = new TextDecoder('utf-8', { ignoreBOM: true })

/** Returns where a text has a byte that is not UTF-8, or a control character that YAML does not allow, as the zeros of a power cut. */
function firstBadByte(bytes: Uint8Array): number | undefined {
  // what is not UTF-8 is decoded as a replacement character, so that it comes out as other bytes
  const again = utf8(lenient.decode(bytes))
  const bad = bytes.findIndex(
    (byte, at) => byte !== again[at] || byte === 0x7f || (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13)
  )
  return bad < 0 ? undefined : bad
}

/** Checks that each line of a file is a JSON object. A last line without its end was torn by a crash. */
function* checkLines(root: string, path: string): Generator<Fault, void, void> {
  const bytes = readFileRangeSync(join(root, path), 0, maxBytes) ?? new Uint8Array(0)
  let start = 0
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    try {
      if (!isObject(parseJson(bytes.subarray(start, end)))) throw new RejoinError('E_JSON', 'the line is not a JSON object')
    } catch (error) {
      yield faultOf(error, path, start)
    }
    start = end + 1
  }
}
