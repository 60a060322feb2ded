import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  checkpointText,
  closingNameOf,
  cosignedMessage,
  cosignerOf,
  encodeNote,
  maxTreeSize,
  originOf,
  parseCheckpoint,
  signedBytes,
  signNote,
  textOf,
  utf8
} from '../../../src/core/index.ts'
import { thrownBy } from '../../thrown.ts'
import { sampleLog } from '../sample.ts'

const { log, signer, checkpoint, cose } = sampleLog(5)
const modules = join(import.meta.dirname, '../../../node_modules/@libp2p')

describe('what the one key of a node signs', () => {
  it('CHECKPOINT-10: begins differently for each purpose', () => {
    const beginnings = {
      checkpoint: utf8(`${originOf(log)}\n`),
      closing: utf8('rejoin/closing/'),
      cosignature: utf8('cosignature/v1\n'),
      mlDsaCosignature: utf8('subtree/v1\n\0'),
      cose: Uint8Array.of(0x84, 0x6a, ...utf8('Signature1')),
      noise: utf8('noise-libp2p-static-key:'),
      tls: utf8('libp2p-tls-handshake:'),
      peerRecord: Uint8Array.of(18, ...utf8('libp2p-peer-record'))
    }
    expect(checkpointText(checkpoint).startsWith(textOf(beginnings.checkpoint))).toBe(true)
    expect(Buffer.from(signedBytes(cose, checkpoint.root)).subarray(0, 12).equals(beginnings.cose)).toBe(true)
    const witness = cosignerOf(signer)
    expect(textOf(cosignedMessage(checkpointText(checkpoint), witness.key, 1)).startsWith(textOf(beginnings.cosignature))).toBe(
      true
    )
    expect(closingNameOf(log).startsWith(textOf(beginnings.closing))).toBe(true)
    const all = Object.entries(beginnings)
    for (const [a, first] of all)
      for (const [b, second] of all)
        if (a !== b)
          expect(Buffer.from(first.subarray(0, second.length)).equals(second.subarray(0, first.length)), `${a}, ${b}`).toBe(false)
  })

  it('CHECKPOINT-10: the installed libp2p signs with these prefixes', () => {
    const sources = [
      ['noise/dist/src/utils.js', 'noise-libp2p-static-key:'],
      ['tls/dist/src/utils.js', 'libp2p-tls-handshake:'],
      ['peer-record/dist/src/peer-record/consts.js', 'libp2p-peer-record']
    ] as const
    for (const [file, prefix] of sources) expect(readFileSync(join(modules, file), 'utf8'), file).toContain(prefix)
  })

  it('CHECKPOINT-11: another note that the key signs is no checkpoint', () => {
    for (const first of ['rejoin/frontier/v1', 'rejoin/x', `rejoin/${log}x`, log, '']) {
      const note = encodeNote(signNote(`${first}\n5\nx\n`, originOf(log), signer))
      expect(
        thrownBy(() => parseCheckpoint(note)),
        first
      ).toBe('E_CHECKPOINT')
    }
  })

  it('LOG-9: no checkpoint is of more than 2^40 entries', () => {
    const parse = (size: number) =>
      parseCheckpoint(encodeNote(signNote(checkpointText({ ...checkpoint, size }), originOf(log), signer)))
    expect(maxTreeSize).toBe(2 ** 40)
    expect(parse(2 ** 40).size).toBe(2 ** 40)
    expect(thrownBy(() => parse(2 ** 40 + 1))).toBe('E_CHECKPOINT')
  })
})
