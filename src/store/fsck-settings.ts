import { join } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { isObject, type Json, parseStrict, RejoinError, textOf } from '../core/index.ts'
import { type Fault, faultOf, isTemporary, namesIn } from './fsck-run.ts'
import { readFileRangeSync } from './file.ts'
import { folderVersion } from './folder-version.ts'
import { isSealed } from './seal.ts'

const maxBytes = 512 * 1024 * 1024
const replicaMembers: ReadonlySet<string> = new Set(['format', 'version', 'network', 'limits', 'check'])

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

/** Checks that what people and the node write beside the logs can be parsed: settings, rules, peers and verdicts. */
export function* checkSettings(root: string): Generator<Fault, void, void> {
  for (const path of ['config.yaml', 'trust.yaml']) yield* checkYaml(root, path)
  yield* checkLines(root, 'peers')
  for (const name of namesIn(root, 'verdicts')) if (!isTemporary(name)) yield* checkLines(root, `verdicts/${name}`)
}

function* checkYaml(root: string, path: string): Generator<Fault, void, void> {
  const bytes = readFileRangeSync(join(root, path), 0, maxBytes)
  if (bytes === undefined) return
  const code = path === 'trust.yaml' ? 'E_TRUST_FILE' : 'E_CONFIG'
  let text: string
  try {
    text = textOf(bytes)
  } catch (error) {
    yield faultOf(error, path, 0)
    return
  }
  const lineCounter = new LineCounter()
  for (const { pos, message } of parseDocument(text, { lineCounter, prettyErrors: false }).errors) {
    const { line, col } = lineCounter.linePos(pos[0])
    yield { path, offset: Buffer.byteLength(text.slice(0, pos[0])), reason: `${message} at line ${line}, column ${col}`, code }
  }
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
