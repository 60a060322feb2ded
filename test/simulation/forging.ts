import {
  encodeAnnouncement,
  hashOfLogId,
  leafHash,
  type LogId,
  maxAnnouncementBytes,
  type Signer,
  signCheckpoint,
  Tree,
  utf8
} from '../../src/core/index.ts'
import { type Message, messageOf } from './announcement.ts'
import type { Held, Holding } from './holding.ts'
import type { Random } from './world.ts'

/** Returns an announcement that no node may take in, about a log that the liar holds. */
export function forge(holding: Holding, signer: Signer, random: Random): Message | undefined {
  const logs = [...holding.heads].filter(([, { checkpoint }]) => checkpoint !== undefined)
  if (logs.length === 0) return messageOf(random.bytes(80), 'malformed')
  const [log, held] = random.pick(logs)
  const make = random.pick([malformed, stranger, flipped, changed])
  return make(log, held, holding, random, signer)
}

type Forge = (log: LogId, held: Held, holding: Holding, random: Random, signer: Signer) => Message | undefined

/** Bytes that are no announcement: too many, cut off, or noise. */
const malformed: Forge = (log, held, holding, random, signer) => {
  const whole = stranger(log, held, holding, random, signer)?.bytes ?? random.bytes(80)
  const cut = whole.subarray(0, whole.length - 1 - random.below(40))
  return messageOf(random.pick([random.bytes(80), cut, new Uint8Array(maxAnnouncementBytes + 1)]), 'malformed')
}

/** A line more than the log has, under a head that another key signed. */
const stranger: Forge = (log, { author, tree }, _holding, random, signer) => {
  if (author === signer.publicKey) return undefined
  const line = utf8(`{"id":"${random.below(2 ** 31)}","hlc":"0000000000000001","type":"sbom.published"}\n`)
  const grown: Tree = tree.clone()
  grown.append(leafHash(line.subarray(0, -1)))
  const { note } = signCheckpoint({ log, size: grown.size, root: grown.root() }, signer)
  return messageOf(
    encodeAnnouncement({ log: hashOfLogId(log), from: tree.size, note, cose: undefined, text: line }),
    'badly signed'
  )
}

/** The newest head with a digit of its root or of its signature changed. */
const flipped: Forge = (log, { checkpoint }, holding, random) => {
  if (checkpoint === undefined) return undefined
  const { size } = checkpoint
  const note = checkpoint.note.slice()
  // the last 20 characters are of the signature, the ten before the first empty line of the root
  const at = random.chance(0.5) ? note.length - 10 - random.below(10) : Buffer.from(note).indexOf('\n\n') - 6 - random.below(5)
  note[at] = note[at] === 0x41 ? 0x42 : 0x41
  const text = holding.disk.log(log).lines[size - 1]?.bytes ?? utf8('')
  return messageOf(encodeAnnouncement({ log: hashOfLogId(log), from: size - 1, note, cose: undefined, text }), 'badly signed')
}

/** The newest head as it is, with a line that is not the log's. */
const changed: Forge = (log, { checkpoint }, _holding, random) => {
  if (checkpoint === undefined) return undefined
  const { size, note } = checkpoint
  const text = utf8(`{"id":"${random.below(2 ** 31)}","hlc":"0000000000000001","type":"sbom.published"}\n`)
  return messageOf(encodeAnnouncement({ log: hashOfLogId(log), from: size - 1, note, cose: undefined, text }), 'changed')
}
