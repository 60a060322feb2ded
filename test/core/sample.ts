import {
  type Checkpoint,
  type CoseCheckpoint,
  encodeEvent,
  firstHlc,
  type FullTile,
  type HashReader,
  type Hlc,
  leafHash,
  type LogId,
  logIdOf,
  nextKeyDigest,
  openedEvent,
  readerOfTiles,
  didOf,
  type RejoinEvent,
  sha256,
  signCheckpoint,
  signCoseCheckpoint,
  type Signer,
  signerOf,
  tick,
  Tree,
  utf8,
  hex
} from '../../src/core/index.ts'

/** Returns the signer of a made-up node; the same name gives the same key. */
export function sampleSigner(name: string): Signer {
  return signerOf(sha256(utf8(`sample key ${name}`)))
}

/** Returns the event at an index of a made-up log. */
export function sampleEvent(signer: Signer, index: number, hlc: Hlc): RejoinEvent {
  const stamp = { id: hex(sha256(utf8(`sample id ${index}`))).slice(0, 32), time: '2026-11-20T10:00:00.000Z', hlc }
  if (index === 0) {
    const nextKey = nextKeyDigest(sampleSigner('next').publicKey)
    return openedEvent({ publicKey: signer.publicKey, nextKey, name: 'sample' }, stamp)
  }
  const subject = `sha256:${hex(sha256(utf8(`sample ${index}`)))}`
  return { specversion: '1.0', ...stamp, source: didOf(signer.publicKey), subject, type: 'sample.published', data: { index } }
}

/** A made-up log with its tree. */
export interface SampleLog {
  readonly signer: Signer
  readonly log: LogId
  /** entries without their newlines */
  readonly lines: readonly Uint8Array[]
  readonly tree: Tree
  /** full tiles by `<level>/<index>` */
  readonly tiles: ReadonlyMap<string, FullTile>
  readonly read: HashReader
  readonly checkpoint: Checkpoint
  readonly cose: CoseCheckpoint
}

/** Returns a log of `size` entries that is the same each time. */
export function sampleLog(size: number, name = 'writer'): SampleLog {
  const signer = sampleSigner(name)
  const lines: Uint8Array[] = []
  let hlc = firstHlc
  for (let index = 0; index < size; index++) {
    hlc = tick(hlc, 1_795_000_000_000)
    lines.push(encodeEvent(sampleEvent(signer, index, hlc)))
  }
  const tree = new Tree()
  const tiles = new Map<string, FullTile>()
  for (const line of lines) tree.append(leafHash(line), (tile) => tiles.set(`${tile.level}/${tile.index}`, tile))
  const read = readerOfTiles(size, (level, index) => tiles.get(`${level}/${index}`)?.hashes ?? tree.tail(level))
  const log = logIdOf(lines[0] as Uint8Array)
  const checkpoint = signCheckpoint({ log, size, root: tree.root() }, signer)
  return { signer, log, lines, tree, tiles, read, checkpoint, cose: signCoseCheckpoint(checkpoint, signer) }
}
