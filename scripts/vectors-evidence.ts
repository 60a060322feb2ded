// Writes protocols/vectors/{witness,fork,closing}.json: node scripts/vectors-evidence.ts, after scripts/vectors.ts, whose log they go on with. The
// same each time, but for the ML-DSA-44 signature, which is kept as long as it verifies; test/core/vectors-evidence.test.ts holds it to that.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'
import * as core from '../src/core/index.ts'

const { base64, fromBase64, hex, textOf, utf8 } = core
const folder = join(import.meta.dirname, '../protocols/vectors')

interface Case {
  readonly name: string
  readonly code?: core.ErrorCode
  readonly [member: string]: core.Json | undefined
}

/** One tree with its head and a reader of its hashes. */
interface Head {
  readonly checkpoint: core.Checkpoint
  readonly read: core.HashReader
}

const signerOf = (name: string): core.Signer => core.signerOf(core.sha256(utf8(`rejoin vectors: ${name}`)))
const [signer, thief, next] = ['writer', 'thief', 'next'].map(signerOf) as [core.Signer, core.Signer, core.Signer]
const common = JSON.parse(readFileSync(join(folder, 'log.json'), 'utf8')) as { readonly lines: readonly string[] }
const lines = common.lines.map(utf8)
const opened = lines[0] as Uint8Array
const log = core.logIdOf(opened)
/** the same log as another copy of its folder might have gone on from index 3 */
const otherLines = lines.map((line, index) => (index < 3 ? line : utf8(textOf(line).replace('"size":', '"size":1'))))

function headAt(size: number, of: readonly Uint8Array[] = lines): Head {
  const tree = new core.Tree()
  for (const line of of.slice(0, size)) tree.append(core.leafHash(line))
  const read = core.readerOfTiles(size, () => tree.tail(0))
  return { read, checkpoint: core.signCheckpoint({ log, size, root: tree.root() }, signer) }
}

const five = headAt(5).checkpoint
const timeMs = Date.UTC(2026, 10, 20, 10)
const minuteMs = 60_000

/** Returns the ML-DSA-44 cosignature of the vectors: the one in the file as long as it verifies, since each new one differs. */
function mlDsaCosignature(cosigner: core.Cosigner): core.Cosignature {
  const file = join(folder, 'witness.json')
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { readonly mlDsa?: string }).mlDsa : undefined
  const signature = fromBase64(known ?? '')
  const line = { name: cosigner.key.name, keyId: cosigner.key.keyId, signature: signature ?? new Uint8Array(0) }
  const [kept] = core.verifiedCosignatures({ text: core.checkpointText(five), signatures: [line] }, [cosigner.key])
  return kept ?? core.cosign(five, cosigner, timeMs)
}

function witnesses() {
  const cosigners = ['w1', 'w2', 'w3'].map((name) => core.cosignerOf(signerOf(name)))
  const pq = core.mlDsaCosignerOf(core.mlDsaSignerOf(core.sha256(utf8('rejoin vectors: w4'))), 'example.org/w4')
  const all = [...cosigners, pq]
  const vkeys = all.map(({ key }) => core.encodeVerifierKey(key))
  const [c1, c2, c3] = cosigners.map((one, i) => core.cosign(five, one, timeMs + i * minuteMs)) as [
    core.Cosignature,
    core.Cosignature,
    core.Cosignature
  ]
  const c4 = mlDsaCosignature(pq)
  const noteOf = (...given: readonly core.Cosignature[]): string =>
    textOf(core.withCosignatures(five, signer.publicKey, given).note)
  const good = noteOf(c1, c2, c3, c4)
  const lineOf = ({ line }: core.Cosignature): string =>
    `\u2014 ${line.name} ${base64(core.concat([line.keyId, line.signature]))}\n`
  const other = core.cosign(headAt(6).checkpoint, cosigners[0] as core.Cosigner, timeMs)
  const late = Uint8Array.from(c1.line.signature)
  late[7] = (late[7] as number) + 1
  const cases: readonly Case[] = [
    { name: 'all four', note: good, names: ['w1', 'w2', 'w3', 'w4'] },
    { name: 'none', note: textOf(five.note), names: [] },
    { name: 'a cosignature of another checkpoint', note: textOf(five.note) + lineOf(other), names: [] },
    {
      name: 'another time than signed',
      note: textOf(five.note) + lineOf({ ...c1, line: { ...c1.line, signature: late } }),
      names: []
    },
    { name: 'twice by one witness', note: textOf(five.note) + lineOf(c1) + lineOf(c1) + lineOf(c2), names: ['w1', 'w2'] },
    {
      name: 'under the name of another witness',
      note: textOf(five.note) + lineOf({ ...c1, line: { ...c1.line, name: (cosigners[1] as core.Cosigner).key.name } }),
      names: []
    },
    { name: 'the post-quantum one alone', note: noteOf(c4), names: ['w4'] }
  ]
  const [v1 = '', v2 = '', v3 = '', v4 = ''] = vkeys
  const lineText = `witness w1 ${v1}\nwitness w2 ${v2}\nwitness w3 ${v3}\nwitness w4 ${v4}\n`
  const policy = `${lineText}group site 2 w1 w2 w3\nquorum site\n`
  const logLine = `log ${core.vkeyOf(core.originOf(log), signer.publicKey)}\n`
  const elsewhere = `log ${core.vkeyOf('example.org/log', thief.publicKey)}\n`
  const policies: readonly Case[] = [
    { name: 'two of three', text: policy },
    { name: 'none', text: 'quorum none\n' },
    { name: 'blanks and comments', text: `# ours\n\n \t witness\tw1  ${v1} \n#\nquorum w1` },
    { name: 'groups of groups', text: `${lineText}group a any w1 w2\ngroup b all w3 w4\ngroup c all a b\nquorum c\n` },
    {
      name: 'with logs and URLs',
      text: `log ${core.vkeyOf(core.originOf(log), signer.publicKey)} https://example.org/\nquorum none\n`
    },
    { name: 'no quorum', text: lineText, code: 'E_TRUST_FILE' },
    { name: 'two quorums', text: 'quorum none\nquorum none\n', code: 'E_TRUST_FILE', line: 2 },
    { name: 'an unknown word', text: 'logs x\nquorum none\n', code: 'E_TRUST_FILE', line: 1 },
    { name: 'a name that comes later', text: `group g any w1\nwitness w1 ${v1}\nquorum g\n`, code: 'E_TRUST_FILE', line: 1 },
    { name: 'a name twice', text: `witness w1 ${v1}\nwitness w1 ${v2}\nquorum w1\n`, code: 'E_TRUST_FILE', line: 2 },
    { name: 'a key twice', text: `witness w1 ${v1}\nwitness w2 ${v1}\nquorum w1\n`, code: 'E_TRUST_FILE', line: 2 },
    { name: 'the name none', text: `witness none ${v1}\nquorum none\n`, code: 'E_TRUST_FILE', line: 1 },
    { name: 'none in a group', text: `group g any none\nquorum g\n`, code: 'E_TRUST_FILE', line: 1 },
    { name: 'an empty group', text: `group g any\nquorum g\n`, code: 'E_TRUST_FILE', line: 1 },
    { name: 'a threshold of nothing', text: `${lineText}group g 0 w1\nquorum g\n`, code: 'E_TRUST_FILE', line: 5 },
    { name: 'a threshold over all', text: `${lineText}group g 3 w1 w2\nquorum g\n`, code: 'E_TRUST_FILE', line: 5 },
    { name: 'in two groups', text: `${lineText}group a any w1\ngroup b any w1\nquorum a\n`, code: 'E_TRUST_FILE', line: 6 },
    {
      name: 'the key of a log as witness',
      text: `witness w ${core.vkeyOf('x', signer.publicKey)}\nquorum w\n`,
      code: 'E_KEY',
      line: 1
    },
    { name: 'a changed key', text: `witness w ${v1.replace(/\+[0-9a-f]/, '+g')}\nquorum w\n`, code: 'E_KEY', line: 1 },
    { name: 'a carriage return', text: 'quorum none\r\n', code: 'E_TRUST_FILE', line: 1 }
  ]
  const seconds = [0, 1, 2].map((i) => timeMs + i * minuteMs)
  const quorum = (
    name: string,
    text: string,
    note: string,
    met: boolean,
    names: readonly string[],
    newestMs = 0,
    quorumMs = 0
  ) => ({
    name,
    policy: text,
    note,
    quorum: { met, names, newestMs, quorumMs }
  })
  const [first = 0, second = 0, third = 0] = seconds
  return {
    log,
    publicKey: hex(signer.publicKey),
    witnesses: { w1: v1, w2: v2, w3: v3, w4: v4 },
    mlDsa: base64(c4.line.signature),
    cases,
    policies,
    quorums: [
      quorum('two of three', policy, noteOf(c1, c2), true, ['w1', 'w2'], second, first),
      quorum('all of them: the time is that of the second newest', policy, good, true, ['w1', 'w2', 'w3', 'w4'], third, second),
      quorum('one of three', policy, noteOf(c3), false, ['w3'], third),
      quorum('the fourth is in no group', policy, noteOf(c1, c4), false, ['w1', 'w4'], first),
      quorum('no quorum asked for', 'quorum none\n', good, true, []),
      quorum('of a log that is listed', `${logLine}${lineText}quorum w2\n`, good, true, ['w1', 'w2', 'w3', 'w4'], third, second),
      quorum('of a log that is not listed', `${elsewhere}${lineText}quorum w2\n`, good, false, ['w1', 'w2', 'w3', 'w4'], third)
    ]
  }
}

function forks() {
  const [a, b] = [headAt(5), headAt(7, otherLines)]
  const proof = textOf(core.makeForkProof(opened, a, b) ?? utf8(''))
  const sameSize = [headAt(6), headAt(6, otherLines)] as const
  const sized = textOf(core.makeSizeForkProof(opened, sameSize[0].checkpoint, sameSize[1].checkpoint))
  const located = textOf(core.makeForkProof(opened, ...sameSize) ?? utf8(''))
  const parts = core.parseForkProof(utf8(proof))
  const [early, late] = core.parseForkProof(utf8(sized)).notes
  const entry = parts.entry as NonNullable<core.ForkProof['entry']>
  const encode = (changes: Partial<core.ForkProof>): string => textOf(core.encodeForkProof({ ...parts, ...changes }))
  const byThief = core.signCheckpoint(b.checkpoint, thief).note
  const cosigned = core.withCosignatures(a.checkpoint, signer.publicKey, [
    core.cosign(a.checkpoint, core.cosignerOf(signerOf('w1')), timeMs)
  ]).note
  const honest = [headAt(5), headAt(7)] as const
  const honestLeaf = { leaf: honest[1].read(0, 3), path: core.inclusionPath(3, 7, honest[1].read) }
  const shown = { log, author: core.didOf(signer.publicKey), atIndex: 3, exact: true }
  const cases: readonly Case[] = [
    { name: 'two sizes, different at 3', proof, ...shown },
    { name: 'one size', proof: sized, ...shown, atIndex: 5, exact: false },
    { name: 'one size, different at 3', proof: located, ...shown },
    { name: 'with a cosignature', proof: encode({ notes: [cosigned, parts.notes[1]] }), ...shown },
    { name: 'another version', proof: proof.replace('/v1', '/v2'), code: 'E_PROOF' },
    {
      name: 'the notes in the other order',
      proof: textOf(core.encodeForkProof({ opened, notes: [late, early] })),
      code: 'E_PROOF'
    },
    {
      name: 'one tree twice',
      proof: encode({ notes: [parts.notes[0], parts.notes[0]], entry: { ...entry, leaves: [entry.leaves[0], entry.leaves[0]] } }),
      code: 'E_PROOF'
    },
    {
      name: 'two sizes of one tree',
      proof: encode({
        notes: [parts.notes[0], honest[1].checkpoint.note],
        entry: { ...entry, leaves: [entry.leaves[0], honestLeaf] }
      }),
      code: 'E_PROOF'
    },
    { name: 'two sizes without leaves', proof: textOf(core.encodeForkProof({ opened, notes: parts.notes })), code: 'E_PROOF' },
    { name: 'another index', proof: proof.replace('index 3', 'index 2'), code: 'E_PROOF' },
    { name: 'an index beyond the smaller tree', proof: proof.replace('index 3', 'index 6'), code: 'E_PROOF' },
    { name: 'an index with a leading zero', proof: proof.replace('index 3', 'index 03'), code: 'E_PROOF' },
    { name: 'signed by another key', proof: encode({ notes: [parts.notes[0], byThief] }), code: 'E_SIGNATURE' },
    {
      name: 'of another log',
      proof: proof.replace(textOf(opened), textOf(opened).replace('vectors', 'vector5')),
      code: 'E_ORIGIN'
    },
    { name: 'without first line', proof: proof.replace(`${textOf(opened)}\n`, ''), code: 'E_PROOF' },
    { name: 'bytes behind the end', proof: `${proof}\n`, code: 'E_PROOF' },
    { name: 'cut off', proof: proof.slice(0, -1), code: 'E_NOTE' }
  ]
  return { cases }
}

function closings() {
  const { root } = five
  const hlc = core.tick(core.firstHlc, timeMs)
  const stamp = { id: hex(core.sha256(utf8('vector successor'))).slice(0, 32), time: '2026-11-20T10:00:00.000Z', hlc }
  const fresh = core.nextKeyDigest(signerOf('fresh').publicKey)
  const open = (by: core.Signer, succeeds?: core.Succeeds): Uint8Array =>
    core.encodeEvent(
      core.openedEvent({ publicKey: by.publicKey, nextKey: fresh, name: 'vectors', ...(succeeds && { succeeds }) }, stamp)
    )
  const place = { log, size: 5, root }
  const successorLine = open(next, place)
  const successor = core.logIdOf(successorLine)
  const at = (size: number): { readonly size: number; readonly root: Uint8Array } => headAt(size).checkpoint
  const sign = (size: number, named?: core.LogId): core.Closing =>
    core.signClosing(opened, { size, root: at(size).root, ...(named && { successor: named }) }, next)
  const named = sign(5, successor)
  const text = textOf(named.note)
  const signed = (body: string, by = next, name = core.closingNameOf(log)): string =>
    textOf(core.encodeNote(core.signNote(body, name, by)))
  const body = core.closingText(named)
  const stolen = core.closingText({ ...named, nextKey: thief.publicKey })
  const cases: readonly Case[] = [
    { name: 'with a successor', closing: text, size: 5, successor },
    { name: 'without a successor', closing: textOf(sign(5).note), size: 5 },
    { name: 'of the first line alone', closing: textOf(sign(1).note), size: 1 },
    {
      name: 'with a signature by an unknown key',
      closing: `${text}\u2014 example.org/w ${base64(new Uint8Array(76))}\n`,
      size: 5,
      successor
    },
    { name: 'by the key of the log', closing: signed(body, signer), code: 'E_SIGNATURE' },
    { name: 'by a key that nobody committed to', closing: signed(stolen, thief), code: 'E_KEY' },
    { name: 'under the name of the checkpoint', closing: signed(body, next, core.originOf(log)), code: 'E_SIGNATURE' },
    { name: 'another size than signed', closing: text.replace('\n5\n', '\n4\n'), code: 'E_SIGNATURE' },
    { name: 'size 0', closing: signed(body.replace('\n5\n', '\n0\n')), code: 'E_NOTE' },
    { name: 'size 1 with another root', closing: signed(body.replace('\n5\n', '\n1\n')), code: 'E_NOTE' },
    { name: 'a leading zero', closing: signed(body.replace('\n5\n', '\n05\n')), code: 'E_NOTE' },
    { name: 'a short root', closing: signed(body.replace(base64(root), 'AA==')), code: 'E_NOTE' },
    {
      name: 'an upper-case key',
      closing: signed(body.replace(hex(next.publicKey), hex(next.publicKey).toUpperCase())),
      code: 'E_NOTE'
    },
    { name: 'a line too many', closing: signed(`${body}more\n`), code: 'E_NOTE' },
    { name: 'itself as successor', closing: signed(body.replace(successor, log)), code: 'E_NOTE' },
    { name: 'of another log', closing: signed(core.closingText(sign(5)).replace(log, successor)), code: 'E_ORIGIN' },
    { name: 'a checkpoint', closing: textOf(five.note), code: 'E_NOTE' }
  ]
  const successors: readonly Case[] = [
    { name: 'the one that is named', closing: text, line: textOf(successorLine) },
    { name: 'any that goes on from there where none is named', closing: textOf(sign(5).note), line: textOf(successorLine) },
    { name: 'by the old key', closing: text, line: textOf(open(signer, place)), code: 'E_OPENED' },
    { name: 'from another size', closing: text, line: textOf(open(next, { ...place, size: 4 })), code: 'E_OPENED' },
    { name: 'from another root', closing: text, line: textOf(open(next, { ...place, root: at(4).root })), code: 'E_OPENED' },
    { name: 'from nowhere', closing: text, line: textOf(open(next)), code: 'E_OPENED' },
    {
      name: 'another than the one that is named',
      closing: textOf(sign(5, log.replace(/^./, 'a') as core.LogId).note),
      line: textOf(successorLine),
      code: 'E_OPENED'
    }
  ]
  const notes = (...all: readonly core.Closing[]): readonly string[] => all.map(({ note }) => textOf(note))
  const sets = [
    { name: 'one', closings: notes(named), size: 5, successor, conflict: false, kept: 1 },
    { name: 'named later', closings: notes(sign(5), named), size: 5, successor, conflict: false, kept: 1 },
    { name: 'two sizes', closings: notes(named, sign(3)), size: 3, conflict: true, kept: 2 },
    {
      name: 'two successors',
      closings: notes(named, sign(5, log.replace(/^./, 'a') as core.LogId)),
      size: 5,
      conflict: true,
      kept: 2
    },
    { name: 'three sizes', closings: notes(sign(5), sign(3), sign(2)), size: 2, conflict: true, kept: 2 }
  ]
  return { log, opened: textOf(opened), nextKey: hex(next.publicKey), cases, successors, sets }
}

/** Returns the text of each of the three files. */
export function evidenceVectors(): ReadonlyMap<string, string> {
  const files = { witness: witnesses(), fork: forks(), closing: closings() }
  return new Map(Object.entries(files).map(([name, value]) => [`${name}.json`, `${JSON.stringify(value, undefined, 2)}\n`]))
}

if (argv[1] === import.meta.filename) for (const [name, text] of evidenceVectors()) writeFileSync(join(folder, name), text)
