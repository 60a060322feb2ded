import { hex, type SyncMessage, sha256, syncMessage, utf8 } from '../../../src/core/index.ts'

const bytes = (name: string, length: number): Uint8Array => sha256(utf8(`sync vector ${name}`)).slice(0, length)

/** One message of each kind, and some with absent members. */
export const sampleMessages: readonly SyncMessage[] = [
  {
    kind: 'hello',
    version: 1,
    network: 'lab',
    node: bytes('node', 32),
    store: bytes('store', 16),
    seq: 4711,
    salt: bytes('salt', 16),
    interest: []
  },
  {
    kind: 'hello',
    version: 1,
    network: 'lab',
    node: bytes('node', 32),
    store: bytes('store', 16),
    seq: 4711,
    salt: bytes('salt', 16),
    interest: [
      {
        authors: { patterns: [`did:key:z6Mk${'x'.repeat(44)}`] },
        types: { patterns: ['sbom.*', 'scan.done'] },
        mediaTypes: undefined,
        artifactTypes: undefined,
        documentTypes: { patterns: ['', 'application/vnd.cyclonedx*'] },
        repositories: { patterns: [] }
      },
      {
        authors: undefined,
        types: { patterns: ['log.*'] },
        mediaTypes: { patterns: ['application/spdx+json'] },
        artifactTypes: { patterns: ['application/vnd.oci*'] },
        documentTypes: undefined,
        repositories: undefined
      },
      {
        authors: undefined,
        types: undefined,
        mediaTypes: undefined,
        artifactTypes: undefined,
        documentTypes: undefined,
        repositories: undefined
      }
    ]
  },
  { kind: 'since', store: undefined, seq: 0, logCount: 3 },
  { kind: 'since', store: bytes('store', 16), seq: 4700, logCount: 300 },
  { kind: 'urgent', note: utf8('a note'), other: utf8('another') },
  {
    kind: 'changed',
    heads: [{ log: bytes('log', 32), size: 600, root: bytes('root', 32), author: bytes('author', 32), texts: 0 }],
    last: true
  },
  {
    kind: 'changed',
    heads: [{ log: bytes('log', 32), size: 600, root: bytes('root', 32), author: bytes('author', 32), texts: 4242 }],
    last: false
  },
  {
    kind: 'changed',
    heads: [
      {
        log: bytes('log', 32),
        size: 600,
        root: bytes('root', 32),
        author: bytes('author', 32),
        texts: 0,
        cosigned: bytes('note', 16)
      }
    ],
    last: false
  },
  { kind: 'changed', heads: [], last: true },
  {
    kind: 'range',
    ranges: [
      { low: new Uint8Array(0), high: bytes('log', 32), fingerprint: bytes('print', 16) },
      { low: bytes('log', 32), high: new Uint8Array(0), fingerprint: undefined }
    ]
  },
  { kind: 'range', ranges: [] },
  { kind: 'want', id: 1, log: bytes('log', 32), from: 0, to: 600, proof: true },
  { kind: 'checkpoint', id: 1, note: utf8('rejoin/…'), cose: undefined },
  { kind: 'checkpoint', id: 1, note: utf8('rejoin/…'), cose: bytes('cose', 20) },
  { kind: 'hashes', id: 1, tiles: bytes('tile', 32), edge: bytes('edge', 32), last: true },
  { kind: 'lines', id: 1, from: 0, count: 2, text: utf8('{"a":1}\n{"b":2}\n'), size: 0, narrowed: false },
  { kind: 'lines', id: 1, from: 2, count: 1, text: utf8('{"a":1}\n'), size: 0, narrowed: true },
  { kind: 'end', id: 1, count: 600, reason: 0 },
  { kind: 'bye', entries: 2 ** 40, complete: true }
]

/** Returns the vectors of protocols/vectors/sync.json. */
export function syncVectors(): readonly { readonly kind: string; readonly frame: string }[] {
  return sampleMessages.map((message) => ({ kind: message.kind, frame: hex(syncMessage.encode(message)) }))
}
