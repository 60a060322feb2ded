import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  type Checkpoint,
  checkpointPath,
  equal,
  type EntryBlock,
  hex,
  linesOf,
  type LogId,
  logFolder,
  logIdOfHash,
  makeForkProof,
  makeSizeForkProof,
  maxLineBytes,
  narrow,
  parsePublicKey,
  type ProvenBlock,
  type Pull,
  RejoinError,
  type TextPull,
  tileWidth,
  Tree,
  utf8,
  verifyCheckpoint,
  verifyUrgent,
  type ForkSide,
  codeOf,
  type WireHead
} from '../core/index.ts'
import {
  folderVersion,
  hashesOf,
  ioError,
  isSumsName,
  limitsOf,
  LogFolder,
  MediumBlobs,
  type MediumLimits,
  Outside,
  readReplicaFile,
  replaceFileSync,
  sealed,
  Sums,
  UrgentRecords
} from '../store/index.ts'
import { FolderLog } from './folder-log.ts'
import { fillTexts, lackingTexts } from './folder-texts.ts'
import { plainLog } from './plain.ts'
import type { Taken } from './replica.ts'
import { type Histories, rootOfFirst } from './histories.ts'

/**
 * A folder on a medium that is written: it carries what it is given, judges nothing, and knows no key. Lines go to the end of their files and are durable
 * before the checkpoint that covers them is put in place.
 */
export class FolderReplica implements AsyncDisposable {
  readonly root: string
  readonly network: string
  /** 32 hexadecimal digits, made with the folder */
  readonly storeId: string
  /** false for one that begin() is to make */
  readonly isThere: boolean
  readonly files: Outside
  /** what was read back */
  readonly sums: Sums
  readonly blobs: MediumBlobs
  private readonly folders = new Map<LogId, LogFolder>()
  private readonly urgent: UrgentRecords
  /** logs that were given more in this run */
  readonly grown: Set<LogId> = new Set()

  private isBegun = false
  private readonly limits: MediumLimits
  readonly histories: Histories = {
    rootAt: (log, size) => (this.urgent.fork(log) === undefined ? rootOfFirst(this.folderOf(log), size) : undefined),
    tileAsked: (log, roots, size) => firstOther(this.needFolder(log), roots, size),
    settle: async (log, theirs) => await this.settle(log, theirs)
  }

  private constructor(root: string, network: string, storeId: string, isThere: boolean, limits: MediumLimits) {
    this.root = root
    this.network = network
    this.storeId = storeId
    this.limits = limits
    this.isThere = isThere
    this.files = new Outside(root)
    this.sums = Sums.open(this.files)
    this.blobs = new MediumBlobs(this.files, this.sums, limits)
    this.urgent = UrgentRecords.open(root)
  }

  /**
   * Opens the replica in a folder to write to it, or prepares one there; where the folder holds other files, in its subfolder `rejoin`. Nothing is written before
   * begin().
   * @throws E_NOT_FOUND where there is no such folder · E_NETWORK for one of another network · E_VERSION E_DAMAGED E_GONE
   */
  static open(dir: string, network: string): FolderReplica {
    const root = placeIn(dir)
    const files = new Outside(root)
    const found = limitsOf(existsSync(root) ? root : dirname(root))
    if (files.size('keys/writer') !== undefined)
      throw new RejoinError('E_EXISTS', `${root} is the data folder of a node, which writes it itself`, {
        hint: `rejoin import ${root} reads it`
      })
    if (files.size('replica.json') === undefined) return new FolderReplica(root, network, hex(randomBytes(16)), false, found)
    const { network: theirs, store, limits } = readReplicaFile(files)
    if (theirs !== network) throw new RejoinError('E_NETWORK', `${root} belongs to the network ${theirs}, not to ${network}`)
    return new FolderReplica(root, network, store ?? hex(randomBytes(16)), store !== undefined, least(limits ?? {}, found))
  }

  /** The folder that it lies in. */
  get parent(): string {
    return dirname(this.root)
  }

  /** Makes what a replica needs where it is not there yet; must come before the first write. @throws E_PERMISSION E_NO_SPACE E_IO */
  begin(): void {
    if (this.isBegun) return
    this.isBegun = true
    if (!this.isThere) create(this.root, { network: this.network, store: this.storeId, limits: { ...this.limits } })
    this.blobs.prepare()
  }

  /** Notes in replica.json how many names its folder of blobs takes, where that turned out, so that the next plan knows it. @throws E_NO_SPACE E_IO */
  noteLimits(): void {
    const names = this.blobs.mostNames
    if (names === this.limits.names) return
    const limits = { ...this.limits, ...(names !== undefined && { names }) }
    writeReplicaFile(this.root, { network: this.network, store: this.storeId, limits })
  }

  /** Returns the entries of a log that its checkpoint covers, as it says: nothing is verified. */
  sizeOf(log: LogId): number {
    try {
      return new FolderLog(this.files, log).head()?.size ?? 0
    } catch (error) {
      if (codeOf(error) === undefined) throw error
      return 0
    }
  }

  private folderOf(log: LogId): LogFolder | undefined {
    const known = this.folders.get(log)
    if (known !== undefined) return known
    if (this.files.size(checkpointPath(log)) === undefined && this.files.names(`${logFolder(log)}/entries`).length === 0)
      return undefined
    plainLog(this.files, log)
    const folder = LogFolder.open(this.root, log, () => {})
    if (folder !== undefined) this.folders.set(log, folder)
    return folder
  }

  survey(heads: readonly WireHead[]): readonly Pull[] {
    return heads.flatMap((head) => {
      const log = logIdOfHash(head.log)
      if (this.urgent.fork(log) !== undefined) return []
      const author = parsePublicKey(head.author.slice())
      const folder = this.folderOf(log)
      if (folder === undefined) return head.size === 0 ? [] : [{ log, author, have: new Tree(), size: head.size }]
      if (head.size <= (folder.checkpoint?.size ?? 0)) return []
      // lines that an interrupted run left: the head that is offered now proves them, or retreat() cuts them off
      const have = head.size >= folder.size ? folder.tree.clone() : folder.tiles.treeAt(folder.checkpoint?.size ?? 0)
      if (have.size !== folder.size) folder.cut(have.size)
      return [{ log, author, have, size: head.size }]
    })
  }

  retreat({ log, author, size }: Pull): Pull | undefined {
    const folder = this.folderOf(log)
    const committed = folder?.checkpoint?.size ?? 0
    if (folder === undefined || folder.size <= committed) return undefined
    folder.cut(committed)
    return { log, author, have: folder.tree.clone(), size }
  }

  prepare(): void {}

  async accept(log: LogId, blocks: readonly ProvenBlock[]): Promise<Taken> {
    this.begin()
    let events = 0
    for (const block of blocks) {
      const folder = this.folderOf(log) ?? this.beginLog(log, block)
      const carried = withoutOverlong(block)
      folder.append(carried, carried.lines, carried.tileHash)
      for (const { withheld } of carried.lines) if (!withheld) events++
    }
    this.grown.add(log)
    return await Promise.resolve({ events, refused: 0, held: 0 })
  }

  private beginLog(log: LogId, block: ProvenBlock): LogFolder {
    const [first] = block.lines
    if (first === undefined || first.index !== 0 || first.withheld)
      throw new RejoinError('E_OPENED', `log ${log} does not begin with its first line`)
    const folder = LogFolder.create(this.root, log, block.text.subarray(first.start, first.end))
    this.folders.set(log, folder)
    return folder
  }

  async commit(log: LogId, checkpoint: Checkpoint, cose: Uint8Array | undefined): Promise<void> {
    const folder = this.needFolder(log)
    if ((folder.checkpoint?.size ?? 0) >= checkpoint.size) return
    verifyCheckpoint(checkpoint.note, log, folder.opened.publicKey)
    if (folder.size !== checkpoint.size || !equal(folder.tree.root(), checkpoint.root))
      throw new RejoinError('E_INCOMPLETE', `log ${log} has ${folder.size} of ${checkpoint.size} entries`)
    await folder.sync()
    this.readBack(folder, checkpoint)
    await folder.tiles.flush()
    folder.commit(checkpoint, cose, true)
    folder.writePartialTile()
  }

  /** Reads the lines that came since the last head from the files again. @throws E_IO where the medium gives others than were written */
  private readBack(folder: LogFolder, checkpoint: Checkpoint): void {
    const from = folder.checkpoint?.size ?? 0
    const aligned = from - (from % tileWidth)
    const tree = folder.tiles.treeAt(aligned)
    folder.tiles.appendFrom(tree, aligned, checkpoint.size)
    if (equal(tree.root(), checkpoint.root)) return
    folder.cut(from)
    throw new RejoinError('E_IO', `the medium gives other lines for log ${folder.log} than were written to it`, {
      hint: 'the medium may be worn out: use another one'
    })
  }

  async conflict(log: LogId, note: Uint8Array): Promise<void> {
    const folder = this.folderOf(log)
    const ours = folder?.checkpoint
    if (folder === undefined || ours === undefined) return
    const theirs = verifyCheckpoint(note, log, folder.opened.publicKey)
    if (theirs.size === ours.size && !equal(theirs.root, ours.root))
      await this.takeUrgent(makeSizeForkProof(firstLine(folder), ours, theirs))
  }

  private async settle(log: LogId, theirs: ForkSide): Promise<'fork' | 'same' | 'unknown'> {
    const folder = this.folderOf(log)
    const ours = folder?.checkpoint
    if (folder === undefined || ours === undefined) return 'unknown'
    try {
      const proof = makeForkProof(firstLine(folder), { checkpoint: ours, read: hashesOf(folder, ours.size) }, theirs)
      if (proof === undefined) return 'same'
      await this.takeUrgent(proof)
      return 'fork'
    } catch (error) {
      if (codeOf(error) !== 'E_PROOF') throw error
      return 'unknown'
    }
  }

  private needFolder(log: LogId): LogFolder {
    const folder = this.folderOf(log)
    if (folder === undefined) throw new RejoinError('E_NOT_FOUND', `log ${log} is not there`)
    return folder
  }

  async takeUrgent(record: Uint8Array): Promise<void> {
    const verified = verifyUrgent(record)
    this.begin()
    if (this.urgent.add(verified) !== undefined) this.grown.add(verified.log)
    await Promise.resolve()
  }

  seek(_node: Uint8Array, _store: Uint8Array, heads: readonly WireHead[]): readonly TextPull[] {
    return heads.flatMap(({ log: hash, size }) => {
      const log = logIdOfHash(hash)
      const folder = this.folderOf(log)
      if (folder === undefined) return []
      const ranges = lackingTexts(folder, Math.min(size, folder.checkpoint?.size ?? 0))
      return ranges.length === 0 ? [] : [{ log, ranges }]
    })
  }

  async takeTexts(log: LogId, block: EntryBlock): Promise<Taken> {
    this.begin()
    const events = fillTexts(this.needFolder(log), block)
    if (events > 0) this.grown.add(log)
    return await Promise.resolve({ events, refused: 0, held: 0 })
  }

  /** Closes its files. All that counts was synced before; on a medium that went away closing fails, and the error before tells that. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const folder of this.folders.values()) await folder.close().catch(() => {})
    this.folders.clear()
  }
}

/** Returns the tile in which another history first differs, by the roots of its tiles. */
function firstOther({ tiles, checkpoint }: LogFolder, roots: Uint8Array, size: number): number {
  const common = Math.min(Math.floor((checkpoint?.size ?? 0) / tileWidth), roots.length / 32)
  const ours = tiles.rootsOf(1, 0, common)
  for (let tile = 0; tile < common; tile++)
    if (!equal(ours.subarray(tile * 32, tile * 32 + 32), roots.subarray(tile * 32, tile * 32 + 32))) return tile
  return Math.min(common, Math.floor((size - 1) / tileWidth))
}

function firstLine(folder: LogFolder): Uint8Array {
  const { line } = folder.entry(0)
  if (line === undefined) throw new Error('bug: the first line of a log is withheld')
  return line
}

/** A writer can sign a line that no reader would take: it is carried as its hash. */
function withoutOverlong(block: ProvenBlock): ProvenBlock {
  if (block.lines.every(({ start, end }) => end - start <= maxLineBytes)) return block
  const carried = narrow(block, (line) => line.length > maxLineBytes)
  return { ...carried, lines: linesOf(carried), tileHash: undefined }
}

/** What turned out on a medium counts beside what its kind is known to take. */
function least(noted: MediumLimits, known: MediumLimits): MediumLimits {
  const all = { ...noted, ...known }
  const names = Math.min(noted.names ?? Number.POSITIVE_INFINITY, known.names ?? Number.POSITIVE_INFINITY)
  return Number.isFinite(names) ? { ...all, names } : all
}

/** Returns where in a folder the replica is or is to be: the folder, or `rejoin` in it where it holds something else. @throws E_NOT_FOUND */
export function placeIn(dir: string): string {
  for (const root of [dir, join(dir, 'rejoin')]) if (existsSync(join(root, 'replica.json'))) return root
  let names: readonly string[]
  try {
    names = readdirSync(dir)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' && existsSync(join(dir, '..'))) return dir
    if (code === 'ENOENT')
      throw new RejoinError('E_NOT_FOUND', `there is no folder ${dir}`, { cause, hint: 'is the medium mounted?' })
    if (code === 'ENOTDIR') throw new RejoinError('E_USAGE', `${dir} is not a folder`)
    throw ioError(cause, 'read', dir)
  }
  return names.every(isOurs) ? dir : join(dir, 'rejoin')
}

function create(
  root: string,
  { limits, ...is }: { readonly network: string; readonly store: string; readonly limits: MediumLimits }
): void {
  try {
    mkdirSync(root, { recursive: true })
    for (const folder of ['logs', 'blobs/sha256', 'tmp']) mkdirSync(join(root, folder), { recursive: true })
  } catch (cause) {
    throw ioError(cause, 'make', root)
  }
  replaceFileSync(join(root, 'oci-layout'), utf8('{"imageLayoutVersion":"1.0.0"}'), { durable: true })
  replaceFileSync(
    join(root, 'index.json'),
    utf8('{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'),
    { durable: true }
  )
  writeReplicaFile(root, { ...is, limits })
}

function writeReplicaFile(root: string, { limits, ...is }: Parameters<typeof create>[1]): void {
  const text = {
    format: 'rejoin',
    version: folderVersion,
    ...is,
    ...(Object.keys(limits).length > 0 && { limits: { ...limits } })
  }
  replaceFileSync(join(root, 'replica.json'), sealed(text), { durable: true })
}

/** Names at the root of a replica, besides those that stay with a node. */
const ours: ReadonlySet<string> = new Set(
  'replica.json logs blobs parts tmp oci-layout index.json heads frontiers receipts README.txt seal omitted'.split(' ')
)

function isOurs(name: string): boolean {
  return ours.has(name) || isSumsName(name)
}

/** Returns the names in a folder that are not of the replica that it holds: they are left alone. */
export function foreignIn(dir: string): readonly string[] {
  try {
    const isReplica = existsSync(join(dir, 'replica.json'))
    const isWithin = !isReplica && existsSync(join(dir, 'rejoin/replica.json'))
    // a node's own folder, or one with other names
    if (existsSync(join(dir, 'keys')) || !(isReplica || isWithin)) return []
    return readdirSync(dir).filter((name) => (isWithin ? name !== 'rejoin' : !isOurs(name)))
  } catch (cause) {
    throw ioError(cause, 'read', dir)
  }
}
