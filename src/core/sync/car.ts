import { concat, fromBase32 } from '../bytes.ts'
import { arrayItem, bytesItem, integerItem, mapItem, tagItem, textItem } from '../log/cbor.ts'
import { varintSize, writeVarint } from '../varint.ts'

const cidTag = 42

function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(varintSize(value))
  writeVarint(bytes, 0, value)
  return bytes
}

/** Returns the bytes of a CIDv1 in base32, e.g. of `bafkqaaa`: 01 55 00 00. */
export function bytesOfCid(cid: string): Uint8Array {
  const bytes = cid.startsWith('b') ? fromBase32(cid.slice(1)) : undefined
  if (bytes === undefined) throw new Error('bug: a CID in base32 was to be given')
  return bytes
}

/** Returns the header of a CAR with one root: the length, then `{"roots":[CID],"version":1}` as DAG-CBOR. @see ipld.io/specs/transport/car/carv1 */
export function carHeader(root: string): Uint8Array {
  const link = tagItem(cidTag, bytesItem(concat([Uint8Array.of(0), bytesOfCid(root)])))
  const header = mapItem([
    [textItem('roots'), arrayItem([link])],
    [textItem('version'), integerItem(1)]
  ])
  return concat([varint(header.length), header])
}

/** Returns what stands before a block in a CAR: the length of CID and block together, and the CID. */
export function carBlockHead(cid: string, sizeBytes: number): Uint8Array {
  const bytes = bytesOfCid(cid)
  return concat([varint(bytes.length + sizeBytes), bytes])
}
