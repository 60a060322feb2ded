import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { array, constant, constantFrom, integer, oneof, property, record, uint8Array } from 'fast-check'
import protobufjs from 'protobufjs'
import { describe, expect, test } from 'vitest'
import { blobVectors } from '../../../scripts/vectors-blobs.ts'
import {
  type BlobAnswer,
  type BlobRequest,
  blobAnswer,
  blobRequest,
  concat,
  type Digest,
  digestOfMultihash,
  fromHex,
  hex,
  maxBlobBytes,
  multihashOf,
  parseDigest,
  pieceHead
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'

const protocols = join(import.meta.dirname, '../../../protocols')
const types = protobufjs.parse(readFileSync(join(protocols, 'proto/blobs.proto'), 'utf8')).root
const theirRequest = types.lookupType('rejoin.blob.v1.Request')
const theirAnswer = types.lookupType('rejoin.blob.v1.Answer')

const anyDigest = oneof(
  uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => parseDigest(`sha256:${hex(bytes)}`)),
  uint8Array({ minLength: 64, maxLength: 64 }).map((bytes) => parseDigest(`sha512:${hex(bytes)}`))
)
const anyCount = integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const anyRequest = oneof(
  record({ kind: constantFrom('blobs' as const, 'have' as const), digests: array(anyDigest, { maxLength: 20 }) }),
  record({ kind: constant('leaves' as const), digest: anyDigest }),
  record({
    kind: constant('chunks' as const),
    digest: anyDigest,
    first: integer({ min: 0, max: 2 ** 20 - 1 }),
    count: integer({ min: 0, max: 64 })
  }),
  record({ kind: constant('end' as const), count: anyCount })
)
const anyAnswer = oneof(
  record({
    kind: constant('header' as const),
    status: constantFrom('here' as const, 'absent' as const, 'refused' as const, 'large' as const),
    sizeBytes: integer({ min: 0, max: maxBlobBytes })
  }),
  record({ kind: constant('piece' as const), bytes: uint8Array({ maxLength: 100 }) }),
  record({ kind: constant('end' as const), count: anyCount, sizeBytes: anyCount })
)

/** Returns a request as protobufjs names its members. */
function asTheirs(message: BlobRequest | BlobAnswer): Record<string, unknown> {
  switch (message.kind) {
    case 'blobs':
      return { blobs: { digests: message.digests.map(multihashOf) } }
    case 'have':
      return { have: { digests: message.digests.map(multihashOf) } }
    case 'leaves':
      return { leaves: { digest: multihashOf(message.digest) } }
    case 'chunks':
      return { chunks: { digest: multihashOf(message.digest), first: message.first, count: message.count } }
    case 'header':
      return { header: { status: ['here', 'absent', 'refused', 'large'].indexOf(message.status), size: message.sizeBytes } }
    case 'piece':
      return { piece: { bytes: message.bytes } }
    case 'end':
      return { end: 'sizeBytes' in message ? { count: message.count, size: message.sizeBytes } : { count: message.count } }
  }
}

/** Returns what protobufjs encodes; it writes a zero that was given, which proto3 does not, so those are taken out first. */
function encodeTheirs(type: protobufjs.Type, message: BlobRequest | BlobAnswer): Uint8Array {
  const [[kind, body]] = Object.entries(asTheirs(message)) as [[string, Record<string, unknown>]]
  const isZero = (value: unknown): boolean => value === 0 || (value instanceof Uint8Array && value.length === 0)
  return Uint8Array.from(
    type.encode(type.create({ [kind]: Object.fromEntries(Object.entries(body).filter(([, value]) => !isZero(value))) })).finish()
  )
}

describe('blob messages', () => {
  test('requests and answers decode to what was encoded', () => {
    holds(
      property(anyRequest, (request) => {
        expect(blobRequest.decode(blobRequest.encode(request))).toEqual(request)
      })
    )
    holds(
      property(anyAnswer, (answer) => {
        expect(blobAnswer.decode(blobAnswer.encode(answer))).toEqual(answer)
      })
    )
  })

  test('agree byte for byte with protobufjs and blobs.proto, both ways (BLOB-9)', () => {
    holds(
      property(anyRequest, (request) => {
        const theirs = encodeTheirs(theirRequest, request)
        expect(hex(blobRequest.encode(request))).toBe(hex(theirs))
        expect(blobRequest.decode(theirs)).toEqual(request)
        expect(hex(theirRequest.encode(theirRequest.decode(blobRequest.encode(request))).finish())).toBe(hex(theirs))
      })
    )
    holds(
      property(anyAnswer, (answer) => {
        const theirs = encodeTheirs(theirAnswer, answer)
        expect(hex(blobAnswer.encode(answer))).toBe(hex(theirs))
        expect(blobAnswer.decode(theirs)).toEqual(answer)
        expect(hex(theirAnswer.encode(theirAnswer.decode(blobAnswer.encode(answer))).finish())).toBe(hex(theirs))
      })
    )
  })

  test('arbitrary and damaged bytes decode or throw one of our errors (BLOB-10)', () => {
    for (const codec of [blobRequest, blobAnswer]) {
      holds(property(uint8Array({ maxLength: 80 }), (junk) => void thrownBy(() => codec.decode(junk))))
      holds(
        property(anyRequest, integer({ min: 0, max: 10_000 }), integer({ min: 0, max: 255 }), (request, at, byte) => {
          const bytes = blobRequest.encode(request)
          bytes[at % bytes.length] = byte
          thrownBy(() => codec.decode(bytes))
        })
      )
    }
  })

  test('a request for too much is refused (BLOB-10)', () => {
    const digest = multihashOf(parseDigest(`sha256:${'00'.repeat(32)}`))
    const many = theirRequest.encode({ blobs: { digests: Array<Uint8Array>(1025).fill(digest) } }).finish()
    expect(thrownBy(() => blobRequest.decode(many))).toBe('E_FRAME')
    expect(thrownBy(() => blobRequest.decode(theirRequest.encode({ chunks: { digest, first: 0, count: 65 } }).finish()))).toBe(
      'E_FRAME'
    )
    expect(
      thrownBy(() => blobRequest.decode(theirRequest.encode({ chunks: { digest, first: 2 ** 20, count: 1 } }).finish()))
    ).toBe('E_FRAME')
    expect(thrownBy(() => blobAnswer.decode(theirAnswer.encode({ piece: { bytes: new Uint8Array(262_145) } }).finish()))).toBe(
      'E_FRAME'
    )
    expect(thrownBy(() => blobAnswer.decode(theirAnswer.encode({ header: { status: 4 } }).finish()))).toBe('E_FRAME')
  })

  test('a digest is a multihash of sha256 or sha512 (BLOB-1, BLOB-11)', () => {
    holds(
      property(anyDigest, (digest) => {
        expect(digestOfMultihash(multihashOf(digest))).toBe(digest)
      })
    )
    holds(
      property(uint8Array({ minLength: 0, maxLength: 70 }), (bytes) => {
        const known = (bytes[0] === 0x12 && bytes.length === 34) || (bytes[0] === 0x13 && bytes.length === 66)
        const expected = known && bytes[1] === bytes.length - 2 ? undefined : 'E_DIGEST'
        expect(thrownBy(() => digestOfMultihash(bytes))).toBe(expected)
      })
    )
    for (const text of [
      '',
      '12',
      `1220${'00'.repeat(31)}`,
      `1221${'00'.repeat(33)}`,
      `1320${'00'.repeat(32)}`,
      `1120${'00'.repeat(32)}`
    ]) {
      expect(thrownBy(() => digestOfMultihash(fromHex(text) as Uint8Array))).toBe('E_DIGEST')
    }
  })

  test('what was changed and still decodes is encoded to no more bytes, which mean the same', () => {
    for (const [codec, any] of [
      [blobRequest, anyRequest],
      [blobAnswer, anyAnswer]
    ] as const) {
      holds(
        property(any, integer({ min: 0 }), integer({ min: 0, max: 255 }), (message, at, byte) => {
          const bytes = (codec as typeof blobRequest).encode(message as BlobRequest)
          bytes[at % bytes.length] = byte
          let decoded: BlobRequest | undefined
          thrownBy(() => void (decoded = (codec as typeof blobRequest).decode(bytes)))
          if (decoded === undefined) return
          const again = (codec as typeof blobRequest).encode(decoded)
          expect((codec as typeof blobRequest).decode(again)).toEqual(decoded)
          expect(again.length).toBeLessThanOrEqual(bytes.length)
        })
      )
    }
  })

  test('the head of a piece and its bytes are its frame (BLOB-9)', () => {
    for (const size of [1, 127, 128, 16_383, 16_384, 262_144]) {
      const bytes = new Uint8Array(size).fill(7)
      expect(hex(concat([pieceHead(size), bytes]))).toBe(hex(blobAnswer.encodeFrame({ kind: 'piece', bytes })))
    }
  })

  test('the vectors are those of the script', () => {
    expect(readFileSync(join(protocols, 'vectors/blobs.json'), 'utf8')).toBe(blobVectors())
  })

  test('the vectors decode, also with protobufjs', () => {
    const vectors = JSON.parse(blobVectors()) as Record<'requests' | 'answers', readonly { readonly frame: string }[]>
    for (const { frame } of vectors.requests) {
      const body = (fromHex(frame) as Uint8Array).subarray(1)
      expect(encodeTheirs(theirRequest, blobRequest.decode(body))).toEqual(Uint8Array.from(body))
    }
    for (const { frame } of vectors.answers) {
      const body = (fromHex(frame) as Uint8Array).subarray(1)
      expect(encodeTheirs(theirAnswer, blobAnswer.decode(body))).toEqual(Uint8Array.from(body))
    }
  })

  test('the page shows the bytes as they are', () => {
    const digest: Digest = parseDigest('sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c')
    expect(hex(blobRequest.encodeFrame({ kind: 'blobs', digests: [digest] })).slice(0, 20)).toBe('260a240a221220b5bb9d')
    expect(hex(blobAnswer.encodeFrame({ kind: 'header', status: 'here', sizeBytes: 4 }))).toBe('040a021004')
    expect(hex(blobAnswer.encodeFrame({ kind: 'piece', bytes: new TextEncoder().encode('foo\n') }))).toBe('0812060a04666f6f0a')
  })
})
