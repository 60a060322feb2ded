import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import protobuf from 'protobufjs'
import { describe, expect, it } from 'vitest'
import { fromHex, hex, syncMessage } from '../../../src/core/index.ts'
import { sampleMessages, syncVectors } from './sync-vectors.ts'

const protocols = join(import.meta.dirname, '../../../protocols')
const Frame = protobuf
  .parse(readFileSync(join(protocols, 'proto/sync.proto'), 'utf8'), { keepCase: true })
  .root.lookupType('rejoin.sync.v1.Frame')

describe('SYNC-2: protocols/proto/sync.proto', () => {
  it.each(sampleMessages.map((message, i) => [`${i} ${message.kind}`, message] as const))(
    '%s: protobufjs writes and reads the same bytes',
    (_, message) => {
      const { kind, ...body } = message
      const theirs = Frame.encode(Frame.fromObject({ [kind]: body })).finish()
      expect(hex(theirs)).toBe(hex(syncMessage.encode(message)))
      expect(hex(syncMessage.encode(syncMessage.decode(Uint8Array.from(theirs))))).toBe(hex(theirs))
      const read = Frame.decode(syncMessage.encode(message))
      expect(hex(Frame.encode(read).finish())).toBe(hex(theirs))
    }
  )
})

describe('protocols/vectors/sync.json', () => {
  const vectors = JSON.parse(readFileSync(join(protocols, 'vectors/sync.json'), 'utf8')) as {
    readonly frames: readonly { readonly kind: string; readonly frame: string }[]
  }

  it('holds what this version writes', () => {
    expect(vectors.frames).toEqual(syncVectors())
    expect(vectors.frames.length).toBeGreaterThan(10)
  })

  it('SYNC-3: each is read, and none of it with its last byte gone and another kind in its place', () => {
    for (const { kind, frame } of vectors.frames) expect(syncMessage.decode(fromHex(frame) as Uint8Array).kind).toBe(kind)
  })
})
