import { join } from 'node:path'
import protobuf from 'protobufjs'
import { describe, expect, it } from 'vitest'
import {
  type Announcement,
  appendLines,
  decideAnnouncement,
  encodeAnnouncement,
  encodeWithheld,
  hashOfLogId,
  type KnownLog,
  leafHash,
  linesOf,
  parseAnnouncement,
  signCheckpoint,
  Tree,
  utf8
} from '../../../src/core/index.ts'
import { type SampleLog, sampleLog, sampleSigner } from '../sample.ts'

const whole: SampleLog = sampleLog(12)

function treeOf(count: number): Tree {
  const tree = new Tree()
  for (const line of whole.lines.slice(0, count)) tree.append(leafHash(line))
  return tree
}

function known(count: number, more: Partial<KnownLog> = {}): () => KnownLog {
  return () => ({ key: whole.signer.publicKey, admitted: true, frozen: false, tree: treeOf(count), ...more })
}

function text(from: number): Uint8Array {
  return Buffer.concat(whole.lines.slice(from).flatMap((line) => [line, utf8('\n')]))
}

function announcement(more: Partial<Announcement> = {}): Uint8Array {
  return encodeAnnouncement({
    log: hashOfLogId(whole.log),
    from: 10,
    note: whole.checkpoint.note,
    cose: whole.cose.bytes,
    text: text(10),
    ...more
  })
}

describe('an announcement', () => {
  it('GOSSIP-2 GOSSIP-6 with the lines that are missing is judged, once they give the signed root', () => {
    const decision = decideAnnouncement(announcement(), known(10))
    expect(decision.verdict).toBe('judge')
    if (decision.verdict !== 'judge') return
    const tree = treeOf(10)
    appendLines(tree, decision.block.lines)
    expect(tree.root()).toEqual(whole.checkpoint.root)
  })

  it('GOSSIP-7 may hold hashes in the place of lines', () => {
    const line = whole.lines[10] as Uint8Array
    const mixed = Buffer.concat([utf8(`${encodeWithheld({ hash: leafHash(line), size: 1 })}\n`), text(11)])
    const decision = decideAnnouncement(announcement({ text: mixed }), known(10))
    expect(decision.verdict === 'judge' && decision.block.lines.map(({ withheld }) => withheld)).toEqual([true, false])
  })

  it('GOSSIP-6 whose lines are changed is not stored but pulled', () => {
    const changed = text(10)
    changed[20] = (changed[20] as number) ^ 1
    expect(decideAnnouncement(announcement({ text: changed }), known(10))).toMatchObject({ verdict: 'ignore', action: 'pull' })
  })

  it('GOSSIP-3 GOSSIP-1 that is malformed, too long or badly signed is rejected', () => {
    expect(decideAnnouncement(utf8('nonsense'), known(10)).verdict).toBe('reject')
    expect(decideAnnouncement(new Uint8Array(64 * 1024 + 1), known(10))).toEqual({ verdict: 'reject', code: 'E_TOO_LARGE' })
    const other = signCheckpoint({ log: whole.log, size: 12, root: whole.checkpoint.root }, sampleSigner('thief'))
    expect(decideAnnouncement(announcement({ note: other.note }), known(10))).toEqual({ verdict: 'reject', code: 'E_SIGNATURE' })
  })

  it('GOSSIP-4 of an unknown, not admitted or frozen log, or a stale one, is ignored', () => {
    expect(decideAnnouncement(announcement(), known(10, { key: undefined }))).toMatchObject({ verdict: 'ignore', action: 'pull' })
    expect(decideAnnouncement(announcement(), known(10, { admitted: false }))).toMatchObject({
      verdict: 'ignore',
      action: 'none'
    })
    expect(decideAnnouncement(announcement(), known(10, { frozen: true }))).toMatchObject({ verdict: 'ignore', action: 'none' })
    const longer = sampleLog(13)
    const tree = longer.tree
    expect(decideAnnouncement(announcement(), known(10, { tree }))).toMatchObject({ verdict: 'ignore', action: 'none' })
  })

  it('GOSSIP-5 that leaves a gap, or has no lines, is ignored and pulled', () => {
    expect(decideAnnouncement(announcement(), known(9))).toMatchObject({ verdict: 'ignore', action: 'pull' })
    expect(decideAnnouncement(announcement({ from: 12, text: new Uint8Array(0) }), known(10))).toMatchObject({
      verdict: 'ignore',
      action: 'pull'
    })
  })

  it('of what is here already is accepted, but GOSSIP-7 not with lines, which nothing judges then', () => {
    expect(decideAnnouncement(announcement({ from: 12, text: new Uint8Array(0) }), known(12)).verdict).toBe('accept')
    expect(decideAnnouncement(announcement(), known(12))).toMatchObject({ verdict: 'ignore', action: 'none' })
    const foreign = announcement({ text: utf8('{"not":"of this log"}\n') })
    expect(decideAnnouncement(foreign, known(12))).toMatchObject({ verdict: 'ignore', action: 'none' })
  })

  it('GOSSIP-8 of another history is ignored as a fork', () => {
    const fork = new Tree()
    for (let i = 0; i < 12; i++) fork.append(leafHash(utf8(`other ${i}`)))
    expect(decideAnnouncement(announcement(), known(12, { tree: fork }))).toMatchObject({ verdict: 'ignore', action: 'conflict' })
  })

  it('is the same bytes to another implementation of Protocol Buffers', async () => {
    const root = await protobuf.load(join(import.meta.dirname, '../../../protocols/proto/gossip.proto'))
    const type = root.lookupType('rejoin.v1.Announcement')
    const parsed = parseAnnouncement(announcement())
    const theirs = type.decode(announcement()) as unknown as Announcement
    expect(Buffer.from(theirs.note)).toEqual(Buffer.from(parsed.note))
    expect(
      Buffer.from(
        type.encode(type.create({ log: parsed.log, from: 10, note: parsed.note, cose: parsed.cose, text: parsed.text })).finish()
      )
    ).toEqual(Buffer.from(announcement()))
    expect(linesOf({ from: 10, count: 2, text: parsed.text }).length).toBe(2)
  })
})
