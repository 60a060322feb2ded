import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { randomBytes } from 'node:crypto'
import {
  base64,
  type Digest,
  encodeEvent,
  encodeWithheld,
  firstHlc,
  hex,
  leafHash,
  type LogId,
  logIdOf,
  nextKeyDigest,
  openedEvent,
  type ProvenBlock,
  linesOf,
  heldEntriesPath,
  signCheckpoint,
  signCoseCheckpoint,
  type Signer,
  textOf,
  tick,
  Tree,
  utf8
} from '../../src/core/index.ts'
import { createKeys, type Draft, type Keys, LogFolder, openBlobs, saveOffer, Store, writeOwnLog } from '../../src/store/index.ts'
import { sampleSigner } from '../core/sample.ts'

/** Returns a new temporary folder, deleted when it is disposed of. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'rejoin-store-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Returns a draft that differs from others by a number. */
export function draft(number: number, textLength = 10): Draft {
  const subject = `sha256:${hex(leafHash(utf8(`subject ${number}`)))}`
  return { type: 'sample.published', subject, data: { number, text: `é${'x'.repeat(textLength)}` } }
}

/** Makes a node's folder with its own log of one entry. */
export async function newNode(root: string, name = 'node'): Promise<{ readonly keys: Keys; readonly log: LogId }> {
  Store.create(root, 'lab')
  const keys = createKeys(root)
  const store = await Store.open(root)
  await using _closing = store
  const log = await beginLog(store, keys.signer, keys.nextKey, name)
  writeOwnLog(root, log)
  store.openWriter(log, keys.signer)
  return { keys, log }
}

async function beginLog(store: Store, signer: Signer, nextKey: Digest, name: string): Promise<LogId> {
  const stamp = { id: hex(randomBytes(16)), time: new Date(0).toISOString(), hlc: tick(firstHlc, 1_795_000_000_000) }
  const line = encodeEvent(openedEvent({ publicKey: signer.publicKey, nextKey, name }, stamp))
  const log = logIdOf(line)
  const folder = store.createLog(log, line)
  folder.append({ from: 0, count: 1, text: Buffer.concat([line, Uint8Array.of(10)]) })
  await folder.sync()
  store.indexRange(folder, 0, 1)
  return log
}

/** Returns the lines of a log of somebody else, each with its newline. */
export function foreignLines(signer: Signer, count: number): { readonly log: LogId; readonly lines: readonly Uint8Array[] } {
  const lines: Uint8Array[] = []
  let hlc = firstHlc
  for (let i = 0; i < count; i++) {
    hlc = tick(hlc, 1_795_000_000_000)
    const stamp = { id: hex(randomBytes(16)), time: '2026-11-20T10:00:00.000Z', hlc }
    const opened = { publicKey: signer.publicKey, nextKey: nextKeyDigest(sampleSigner('next').publicKey), name: 'other' }
    const first = openedEvent(opened, stamp)
    lines.push(encodeEvent(i === 0 ? first : { ...first, type: 'sample.published', subject: `pkg:npm/sample@${i}`, data: { i } }))
  }
  return { log: logIdOf(lines[0] as Uint8Array), lines }
}

/** Returns lines as one block, those in `withheld` and the 256-entry tiles in `runs` present only as hashes. */
export function blockOf(
  lines: readonly Uint8Array[],
  from: number,
  withheld: ReadonlySet<number>,
  runs: ReadonlySet<number> = new Set()
): ProvenBlock {
  const texts: string[] = []
  for (let i = 0; i < lines.length; i++) {
    const index = from + i
    if (index % 256 === 0 && runs.has(index / 256) && i + 256 <= lines.length) {
      const tree = new Tree()
      for (const line of lines.slice(i, i + 256)) tree.append(leafHash(line))
      texts.push(`${encodeWithheld({ hash: tree.root(), size: 256 })}\n`)
      i += 255
    } else if (withheld.has(index)) texts.push(`${encodeWithheld({ hash: leafHash(lines[i] as Uint8Array), size: 1 })}\n`)
    else texts.push(`${textOf(lines[i] as Uint8Array)}\n`)
  }
  const block = { from, count: lines.length, text: utf8(texts.join('')) }
  return { ...block, lines: linesOf(block), tileHash: undefined }
}

/** Appends somebody else's entries and signs them. */
export async function takeForeign(
  root: string,
  signer: Signer,
  log: LogId,
  lines: readonly Uint8Array[],
  withheld: ReadonlySet<number>,
  runs: ReadonlySet<number>
): Promise<LogFolder> {
  const folder = LogFolder.create(root, log, lines[0] as Uint8Array)
  folder.append(blockOf(lines, 0, withheld, runs))
  await folder.sync()
  const checkpoint = signCheckpoint({ log, size: lines.length, root: folder.tree.root() }, signer)
  folder.commit(checkpoint, signCoseCheckpoint(checkpoint, signer).bytes, true)
  folder.writePartialTile()
  for (const index of withheld) {
    if (index % 2 === 0) continue
    const path = join(root, heldEntriesPath(log, index))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `{"event":${textOf(lines[index] as Uint8Array)},"index":${index}}\n`, { flag: 'a' })
  }
  return folder
}

/**
 * Makes a folder that has something of everything: an own log over two files, two logs of others with withheld entries and runs, an
 * interrupted catch-up, the proof of a fork, blobs small and large, public and private, and the files of a person.
 */
export async function fullFolder(root: string): Promise<void> {
  const { keys, log } = await newNode(root)
  await writeEvents(root, keys.signer, log, 1150)
  const alice = sampleSigner('alice')
  const a = foreignLines(alice, 700)
  const first = await takeForeign(root, alice, a.log, a.lines, new Set([3, 9, 10, 600, 699]), new Set([1]))
  await first.close()
  const bob = sampleSigner('bob')
  const b = foreignLines(bob, 1500)
  const second = await takeForeign(root, bob, b.log, b.lines.slice(0, 300), new Set([7]), new Set())
  saveOffer(root, offerOf(bob, b.log, b.lines, 300))
  await second.close()
  const head = { log: a.log, size: 700 }
  const notes = [first.tree.root(), leafHash(utf8('fork'))].map((rootHash) =>
    base64(signCheckpoint({ ...head, root: rootHash }, alice).note)
  )
  mkdirSync(join(root, 'private/forks'), { recursive: true })
  writeFileSync(join(root, 'private/forks', a.log), `${JSON.stringify({ log: a.log, notes })}\n`)
  const blobs = openBlobs(root)
  const large = await blobs.put(Buffer.alloc(2_500_000, 'large blob '))
  await blobs.leaves(large.digest)
  await blobs.put(utf8('kept back'), { private: true })
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = await blobs.put(utf8(JSON.stringify({ schemaVersion: 2, mediaType, layers: [] })))
  blobs.index.change([{ kind: 'tag', tag: 'v1', descriptor: { mediaType, digest: manifest.digest, size: manifest.sizeBytes } }])
  writeFileSync(join(root, 'peers'), '{"peerId":"12D3KooWpeer","address":"/ip4/192.0.2.1/tcp/1"}\n')
  writeFileSync(join(root, 'trust.yaml'), '# rules\napiVersion: rejoin/v1\nkind: TrustPolicy\nkeys: {}\n')
  writeFileSync(join(root, 'config.yaml'), '# settings\nname: "node"\n')
}

/** Appends events of one's own and closes the folder. */
export async function writeEvents(root: string, signer: Signer, log: LogId, count: number): Promise<void> {
  const store = await Store.open(root, { ownLog: log })
  await using _closing = store
  await store.openWriter(log, signer).append(Array.from({ length: count }, (_, i) => draft(i)))
}

/** Returns the offer of a log's newest head to a replica that has some of its entries. */
export function offerOf(signer: Signer, log: LogId, lines: readonly Uint8Array[], have: number): Parameters<typeof saveOffer>[1] {
  const tree = new Tree()
  const tileRoots: Uint8Array[] = []
  lines.forEach((line, i) => {
    tree.append(leafHash(line))
    if (i % 256 !== 255) return
    const tile = new Tree()
    for (const one of lines.slice(i - 255, i + 1)) tile.append(leafHash(one))
    tileRoots.push(tile.root())
  })
  const rest = new Tree()
  for (const line of lines.slice(lines.length - (lines.length % 256))) rest.append(leafHash(line))
  const checkpoint = signCheckpoint({ log, size: lines.length, root: tree.root() }, signer)
  const fromTile = Math.floor(have / 256)
  const tileHashes = Buffer.concat(tileRoots.slice(fromTile))
  return { checkpoint, cose: signCoseCheckpoint(checkpoint, signer).bytes, fromTile, tileHashes, edge: rest.edge() }
}
