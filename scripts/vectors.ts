// Writes protocols/vectors/*.json: node scripts/vectors.ts. The same each time; test/core/vectors.test.ts holds it to that.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'
import * as core from '../src/core/index.ts'

const { base64, hex, textOf, utf8 } = core

/** A vector with the code that its reader throws; without one it is valid. */
interface Case {
  readonly name: string
  readonly code?: core.ErrorCode
  readonly [member: string]: core.Json | undefined
}

const signer = core.signerOf(core.sha256(utf8('rejoin vectors: writer')))
const thief = core.signerOf(core.sha256(utf8('rejoin vectors: thief')))
const next = core.signerOf(core.sha256(utf8('rejoin vectors: next')))
const did = core.didOf(signer.publicKey)
const size = 300

function makeEvent(index: number, hlc: core.Hlc): core.RejoinEvent {
  const stamp = { id: hex(core.sha256(utf8(`vector ${index}`))).slice(0, 32), time: '2026-11-20T10:00:00.000Z', hlc }
  if (index === 0) {
    return core.openedEvent({ publicKey: signer.publicKey, nextKey: core.nextKeyDigest(next.publicKey), name: 'vectors' }, stamp)
  }
  const digest = core.digestOf(utf8(`blob ${index}\n`))
  const data = { descriptor: { digest, mediaType: 'application/vnd.cyclonedx+json', size: 8 + index } }
  return { specversion: '1.0', ...stamp, source: did, subject: digest, type: 'sbom.published', data }
}

const lines: Uint8Array[] = []
for (let index = 0, hlc = core.firstHlc; index < size; index++) {
  hlc = core.tick(hlc, Date.UTC(2026, 10, 20, 10))
  lines.push(core.encodeEvent(makeEvent(index, hlc)))
}
const lineAt = (index: number): Uint8Array => lines[index] as Uint8Array
const log = core.logIdOf(lineAt(0))
const origin = core.originOf(log)
const expected = { log, publicKey: hex(signer.publicKey) }

/** Returns the tree of the first `count` lines, a reader of its hashes, and its checkpoint. */
function headAt(count: number) {
  const tree = new core.Tree()
  const tiles = new Map<string, Uint8Array>()
  for (const line of lines.slice(0, count))
    tree.append(core.leafHash(line), ({ level, index, hashes }) => tiles.set(`${level}/${index}`, hashes))
  const read = core.readerOfTiles(count, (level, index) => tiles.get(`${level}/${index}`) ?? tree.tail(level))
  const checkpoint = core.signCheckpoint({ log, size: count, root: tree.root() }, signer)
  return { read, checkpoint, cose: core.signCoseCheckpoint(checkpoint, signer), root: tree.root() }
}

function events() {
  const line = textOf(lineAt(1))
  const changed = (name: string, code: core.ErrorCode, from: string, to: string): Case => {
    if (!line.includes(from)) throw new Error(`bug: the vector ${name} changes nothing`)
    return { name, line: line.replace(from, () => to), code }
  }
  const cases: readonly Case[] = [
    { name: 'log.opened', line: textOf(lineAt(0)) },
    { name: 'published', line },
    { name: 'without subject', line: line.replace(/"subject":"[^"]*",/, '') },
    changed('16 levels', 'E_TOO_DEEP', '"size":9', `"size":${'['.repeat(15)}${']'.repeat(15)}`),
    changed('a blank', 'E_NOT_CANONICAL', ':{', ': {'),
    changed('a number in another spelling', 'E_NOT_CANONICAL', '"size":9', '"size":9.0'),
    changed('an escape that is not needed', 'E_NOT_CANONICAL', '"sbom.', '"\\u0073bom.'),
    { name: 'keys out of order', line: line.replace(/("specversion":"1\.0"),(.*)\}$/, '$2,$1}'), code: 'E_NOT_CANONICAL' },
    changed('a key twice', 'E_DUPLICATE_KEY', '"size":9', '"size":9,"size":9'),
    changed('__proto__', 'E_FORBIDDEN_KEY', '"size":9', '"__proto__":9'),
    changed('cut off', 'E_JSON', '"}', '"'),
    changed('an unknown member', 'E_EVENT', '{"data"', '{"comment":"x","data"'),
    changed('no id', 'E_EVENT', `"id":"${hex(core.sha256(utf8('vector 1'))).slice(0, 32)}",`, ''),
    changed('another specversion', 'E_EVENT', '"1.0"', '"0.3"'),
    changed('a type of one word', 'E_EVENT', '"sbom.published"', '"published"'),
    changed('a source that is no did:key', 'E_EVENT', 'did:key:', 'did:web:'),
    changed('a time without milliseconds', 'E_EVENT', '.000Z', 'Z'),
    changed('data that is no object', 'E_EVENT', line.slice(line.indexOf('{', 1), line.indexOf('}}') + 2), '[]'),
    { name: 'no object', line: '[]', code: 'E_EVENT' },
    { name: 'a line that is too long', line: `"${'x'.repeat(65_534)}"`, code: 'E_TOO_LARGE' },
    { name: 'not UTF-8', lineHex: '22ff22', code: 'E_UTF8' }
  ]
  return { cases }
}

function logs() {
  const hash = hex(core.sha256(utf8('withheld')))
  const marker = (name: string, line: string, index: number, code?: core.ErrorCode): Case => ({
    name,
    line,
    index,
    ...(code && { code })
  })
  const withheld: readonly Case[] = [
    marker('one entry', `{"withheld":"${hash}"}`, 7),
    marker('a run', `{"withheld":"${hash}","size":8}`, 16),
    marker('the longest run', `{"withheld":"${hash}","size":256}`, 512),
    marker('misaligned', `{"withheld":"${hash}","size":8}`, 12, 'E_WITHHELD'),
    marker('size 1 spelled out', `{"withheld":"${hash}","size":1}`, 0, 'E_WITHHELD'),
    marker('size no power of two', `{"withheld":"${hash}","size":3}`, 0, 'E_WITHHELD'),
    marker('size too large', `{"withheld":"${hash}","size":512}`, 0, 'E_WITHHELD'),
    marker('upper case', `{"withheld":"${hash.toUpperCase()}"}`, 0, 'E_WITHHELD'),
    marker('a gap of runs of 1, 2 and 4', `{"withheld":"${hash.repeat(3)}","size":7}`, 1),
    marker('a gap of two single entries', `{"withheld":"${hash.repeat(2)}","size":2}`, 1),
    marker('the gap of most runs', `{"withheld":"${hash.repeat(14)}","size":254}`, 257),
    marker('a gap with a hash too few', `{"withheld":"${hash.repeat(2)}","size":7}`, 1, 'E_WITHHELD'),
    marker('a gap with a hash too many', `{"withheld":"${hash.repeat(4)}","size":7}`, 1, 'E_WITHHELD'),
    marker('a gap where it has other runs', `{"withheld":"${hash.repeat(4)}","size":6}`, 0, 'E_WITHHELD'),
    marker('that gap in its place', `{"withheld":"${hash.repeat(4)}","size":6}`, 1),
    marker('an aligned run written as its two halves', `{"withheld":"${hash.repeat(2)}","size":8}`, 16, 'E_WITHHELD'),
    marker('a gap over the end of a tile', `{"withheld":"${hash.repeat(2)}","size":3}`, 254, 'E_WITHHELD'),
    marker('hashes without a size', `{"withheld":"${hash.repeat(2)}"}`, 1, 'E_WITHHELD')
  ]
  const trees = [1, 2, 3, 4, 5, 7, 8].map((count) => ({ size: count, root: hex(headAt(count).root) }))
  return {
    ...expected,
    lines: lines.slice(0, 8).map(textOf),
    leafHashes: lines.slice(0, 8).map((line) => hex(core.leafHash(line))),
    trees,
    withheld,
    entriesPaths: [0, 1023, 1024, 1_048_576].map((index) => ({ index, path: core.entriesPath(log, index) })),
    tilePaths: (
      [
        [0, 0],
        [0, 999],
        [0, 1000],
        [1, 7],
        [2, 1_234_067]
      ] as const
    ).map(([level, index]) => ({ level, index, path: core.tilePath(log, level, index) }))
  }
}

function keys() {
  const spell = (key: core.PublicKey) => ({
    publicKey: hex(key),
    did: core.didOf(key),
    peerId: core.peerIdOf(key),
    nodePath: core.nodePathOf(key),
    vkeyName: origin,
    vkey: core.vkeyOf(origin, key)
  })
  return { cases: [signer, thief, next].map(({ publicKey }) => spell(publicKey)) }
}

function checkpoints() {
  const { checkpoint, cose } = headAt(5)
  const root = base64(checkpoint.root)
  const text = core.checkpointText(checkpoint)
  const note = (signed: string, name = origin, by = signer): string => textOf(core.encodeNote(core.signNote(signed, name, by)))
  const good = textOf(checkpoint.note)
  const last = good.slice(good.lastIndexOf('\u2014'))
  const cases: readonly Case[] = [
    { name: 'five entries', note: good },
    { name: 'with a signature by an unknown key', note: `${good}\u2014 example.org/witness ${base64(new Uint8Array(76))}\n` },
    { name: 'signed twice by the log', note: good + last, code: 'E_NOTE' },
    { name: 'signed by another key', note: note(text, origin, thief), code: 'E_SIGNATURE' },
    { name: 'signed under another name', note: note(text, 'example.org/log'), code: 'E_SIGNATURE' },
    { name: 'another size than signed', note: good.replace('\n5\n', '\n6\n'), code: 'E_SIGNATURE' },
    { name: 'an extension line', note: note(`${text}extension\n`), code: 'E_CHECKPOINT' },
    { name: 'a leading zero', note: note(`${origin}\n05\n${root}\n`), code: 'E_CHECKPOINT' },
    { name: 'size 0 with a root of something', note: note(`${origin}\n0\n${root}\n`), code: 'E_CHECKPOINT' },
    { name: 'over the largest size', note: note(`${origin}\n1099511627777\n${root}\n`), code: 'E_CHECKPOINT' },
    { name: 'another origin', note: note(`example.org/log\n5\n${root}\n`), code: 'E_CHECKPOINT' },
    { name: 'of another log', note: note(text.replace(log, core.logIdOf(lineAt(1)))), code: 'E_ORIGIN' },
    { name: 'a carriage return', note: good.replaceAll('\n', '\r\n'), code: 'E_NOTE' },
    { name: 'no signature', note: `${text}\n`, code: 'E_NOTE' }
  ]
  const altered = Uint8Array.from(cose.bytes)
  altered[altered.length - 1] = (altered[altered.length - 1] as number) ^ 1
  const coses: readonly Case[] = [
    { name: 'of the same root', cose: hex(cose.bytes) },
    { name: 'of another size', cose: hex(headAt(6).cose.bytes), code: 'E_SIGNATURE' },
    { name: 'by another key', cose: hex(core.signCoseCheckpoint(checkpoint, thief).bytes), code: 'E_SIGNATURE' },
    { name: 'a changed signature', cose: hex(altered), code: 'E_SIGNATURE' },
    { name: 'an array of indefinite length', cose: hex(cose.bytes).replace(/^d284/, 'd29f').concat('ff'), code: 'E_RECEIPT' },
    { name: 'bytes behind the end', cose: `${hex(cose.bytes)}00`, code: 'E_RECEIPT' }
  ]
  return { ...expected, cases, checkpoint: good, cose: coses }
}

function proofs() {
  const { checkpoint, read, cose } = headAt(size)
  const file = textOf(core.makeTlogProof(checkpoint, 123, read))
  const receipt = hex(core.makeReceipt(cose, 123, read))
  const entry = textOf(lineAt(123))
  const small = headAt(1)
  const tlogProofs: readonly Case[] = [
    { name: 'entry 123 of 300', entry, file, index: 123 },
    { name: 'the last entry', entry: textOf(lineAt(299)), file: textOf(core.makeTlogProof(checkpoint, 299, read)), index: 299 },
    {
      name: 'a log of one entry',
      entry: textOf(lineAt(0)),
      file: textOf(core.makeTlogProof(small.checkpoint, 0, small.read)),
      index: 0
    },
    { name: 'with extra data', entry, file: file.replace('index', 'extra YmVsaWV2ZSBtZQ==\nindex'), index: 123 },
    { name: 'another entry', entry: textOf(lineAt(124)), file, code: 'E_PROOF' },
    { name: 'another index', entry, file: file.replace('index 123', 'index 122'), code: 'E_PROOF' },
    { name: 'an index with a leading zero', entry, file: file.replace('index 123', 'index 0123'), code: 'E_PROOF' },
    { name: 'a path that is too short', entry, file: file.replace(/(index 123\n)[^\n]*\n/, '$1'), code: 'E_PROOF' },
    { name: 'another version', entry, file: file.replace('@v1', '@v2'), code: 'E_PROOF' },
    { name: 'another size', entry, file: file.replace('\n300\n', '\n301\n'), code: 'E_SIGNATURE' }
  ]
  const receipts: readonly Case[] = [
    { name: 'entry 123 of 300', entry, receipt, size, index: 123 },
    { name: 'another entry', entry: textOf(lineAt(124)), receipt, code: 'E_RECEIPT' },
    { name: 'another index', entry, receipt: receipt.replace('8319012c187b', '8319012c187a'), code: 'E_RECEIPT' },
    { name: 'an index in a longer form', entry, receipt: receipt.replace('8319012c187b', '8319012c19007b'), code: 'E_RECEIPT' },
    { name: 'cut off', entry, receipt: receipt.slice(0, -2), code: 'E_RECEIPT' },
    { name: 'a checkpoint.cose', entry, receipt: hex(cose.bytes), code: 'E_RECEIPT' }
  ]
  const consistency = (
    [
      [1, 2],
      [3, 7],
      [4, 8],
      [255, 300],
      [256, 257],
      [300, 300]
    ] as const
  ).map(([oldSize, newSize]) => ({
    oldSize,
    newSize,
    oldRoot: hex(headAt(oldSize).root),
    newRoot: hex(headAt(newSize).root),
    path: core.consistencyPath(oldSize, newSize, read).map(hex)
  }))
  return { ...expected, tlogProofs, receipts, consistency }
}

const textOfLines = (from: number, to: number): string =>
  lines
    .slice(from, to)
    .map((line) => `${textOf(line)}\n`)
    .join('')

/** Announcements, and what a node decides on each that has the first six lines and trusts the writer. */
function announcements() {
  const head = headAt(8)
  const announcement = {
    log: core.hashOfLogId(log),
    from: 6,
    note: head.checkpoint.note,
    cose: head.cose.bytes,
    text: utf8(textOfLines(6, 8))
  }
  const marker = `${core.encodeWithheld({ hash: core.leafHash(lineAt(6)), size: 1 })}\n`
  const forged = core.signCheckpoint({ log, size: 8, root: head.root }, thief).note
  const one = (name: string, changed: Partial<core.Announcement>, verdict: string) => ({
    name,
    message: hex(core.encodeAnnouncement({ ...announcement, ...changed })),
    verdict
  })
  return {
    ...expected,
    known: lines.slice(0, 6).map(textOf),
    announcements: [
      one('two new lines', {}, 'judge'),
      one('one of them only as its hash', { text: utf8(marker + textOfLines(7, 8)) }, 'judge'),
      one('the head alone', { from: 8, text: new Uint8Array(0) }, 'ignore'),
      one('lines that leave a gap', { from: 7, text: utf8(textOfLines(7, 8)) }, 'ignore'),
      one('lines that do not lead to the head: the writer may have another history', { text: utf8(textOfLines(5, 7)) }, 'ignore'),
      one('a head signed by another key', { note: forged }, 'reject'),
      { name: 'no announcement', message: '0a03010203', verdict: 'reject' }
    ]
  }
}

/** The files of a folder with one log, as a stick or a web root has them. */
function folder() {
  const { checkpoint, cose } = headAt(300)
  const members = { format: 'rejoin', network: 'vectors', version: 1 }
  const check = hex(core.sha256(utf8(core.canonicalize(members))))
  return {
    log,
    files: {
      'replica.json': `${core.canonicalize({ ...members, check })}\n`,
      'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
      'index.json': '{"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}',
      [core.entriesPath(log, 0)]: textOfLines(0, 300),
      [core.checkpointPath(log)]: textOf(checkpoint.note)
    },
    base64: {
      [core.checkpointCosePath(log)]: base64(cose.bytes),
      [core.tilePath(log, 0, 0)]: base64(core.concat(lines.slice(0, 256).map((line) => core.leafHash(line))))
    }
  }
}

/** Returns the text of each file of protocols/vectors. */
export function vectorFiles(): ReadonlyMap<string, string> {
  const files = {
    key: keys(),
    event: events(),
    log: logs(),
    checkpoint: checkpoints(),
    proof: proofs(),
    gossip: announcements(),
    folder: folder()
  }
  return new Map(Object.entries(files).map(([name, value]) => [`${name}.json`, `${JSON.stringify(value, undefined, 2)}\n`]))
}

if (argv[1] === import.meta.filename) {
  const folder = join(import.meta.dirname, '../protocols/vectors')
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of vectorFiles()) writeFileSync(join(folder, name), text)
}
