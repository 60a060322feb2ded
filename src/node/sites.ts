import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  codeOf,
  didOf,
  equal,
  type Frontier,
  frontierPath,
  type ImportReceipt,
  isNewerFrontier,
  isNodePath,
  keyOfNodePath,
  maxFrontierBytes,
  maxReceiptBytes,
  nodePathOf,
  peerIdOf,
  type PublicKey,
  receiptPath,
  signFrontier,
  signImportReceipt,
  verifyFrontier,
  verifyImportReceipt
} from '../core/index.ts'
import { faultIn, type FileFault, type FileReplica, type FolderReplica } from '../replica/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'
import type { Node } from './node.ts'

/** nodes of which frontiers are kept */
const maxSites = 1000
/** receipts that are kept of a node, and put on a medium: the newest */
const maxReceipts = 16

/**
 * What other nodes said of themselves on media: their newest frontiers and receipts, verified, in `private/sites/<nodeId>/`. They are acknowledgements: what a frontier
 * covers need not go there again.
 */
export class Sites {
  private readonly node: Node

  constructor(node: Node) {
    this.node = node
  }

  private pathOf(name: string): string {
    return join(this.node.root, 'private/sites', name)
  }

  private get self(): PublicKey {
    return this.node.keys.signer.publicKey
  }

  /** Returns the newest frontier that is known of a node. */
  frontierOf(node: PublicKey): Frontier | undefined {
    return this.read(nodePathOf(node))
  }

  private read(name: string): Frontier | undefined {
    const bytes = readFileRangeSync(this.pathOf(`${name}/frontier`), 0, maxFrontierBytes + 1)
    return bytes && parsed(bytes, verifyFrontier)
  }

  /** Returns the nodes of which a frontier is known, by the names of their folders. */
  names(): readonly string[] {
    return namesIn(this.pathOf('')).filter(isNodePath)
  }

  /** Takes the frontiers and receipts that lie on a replica of files; what does not verify is told and left out. */
  async takeFrom(source: FileReplica, signal: AbortSignal, onFault: (fault: FileFault) => void): Promise<void> {
    const take = async (bytes: AsyncIterable<Uint8Array>, keep: (one: Uint8Array) => void, path: string): Promise<void> => {
      for await (const one of bytes)
        try {
          keep(one)
        } catch (error) {
          onFault(faultIn(error, path))
        }
    }
    await take(source.frontiers({ signal }), (bytes) => this.keepFrontier(bytes), 'frontiers')
    await take(source.receipts({ signal }), (bytes) => this.keepReceipt(bytes), 'receipts')
  }

  /** Keeps a frontier where it is of this network and newer than the one that is here. @throws what verifyFrontier throws */
  keepFrontier(bytes: Uint8Array): void {
    const frontier = verifyFrontier(bytes)
    const name = nodePathOf(frontier.node)
    if (frontier.network !== this.node.store.network || equal(frontier.node, this.self)) return
    const known = this.read(name)
    if (known === undefined ? this.names().length >= maxSites : !isNewerFrontier(frontier, known)) return
    replaceFileSync(this.pathOf(`${name}/frontier`), bytes, { durable: true })
  }

  private keepReceipt(bytes: Uint8Array): void {
    const { key, seq, network } = verifyImportReceipt(bytes)
    const name = nodePathOf(key)
    if (network !== this.node.store.network || equal(key, this.self)) return
    const kept = namesIn(this.pathOf(`${name}/receipts`))
    const own = String(seq).padStart(10, '0')
    if (kept.includes(own) || (kept.length === 0 && !this.names().includes(name) && this.names().length >= maxSites)) return
    if (kept.length >= maxReceipts && kept.every((one) => one > own)) return
    replaceFileSync(this.pathOf(`${name}/receipts/${own}`), bytes, { durable: true })
  }

  /** Returns the newest receipts that are known of a node, the newest first. */
  receiptsOf(name: string): readonly ImportReceipt[] {
    return namesIn(this.pathOf(`${name}/receipts`))
      .toSorted()
      .slice(-maxReceipts)
      .toReversed()
      .flatMap((one) => {
        const bytes = readFileRangeSync(this.pathOf(`${name}/receipts/${one}`), 0, maxReceiptBytes + 1)
        return (bytes && parsed(bytes, verifyImportReceipt)) ?? []
      })
  }

  /** Returns this node's frontier, signed now. */
  ownFrontier(): Uint8Array {
    const { store, keys } = this.node
    const { storeId, seq } = store.journal
    return signFrontier(
      { network: store.network, store: storeId, seq, time: new Date().toISOString(), heads: store.listHeads() },
      keys.signer
    )
  }

  /** Keeps a receipt of an import of this node's own. */
  noteImport(receipt: ImportReceipt): void {
    const bytes = signImportReceipt(receipt, this.node.keys.signer)
    replaceFileSync(join(this.node.root, 'private/receipts', String(receipt.seq).padStart(10, '0')), bytes, { durable: true })
  }

  private ownReceipts(): readonly { readonly path: string; readonly bytes: Uint8Array }[] {
    const folder = join(this.node.root, 'private/receipts')
    return namesIn(folder)
      .filter((name) => /^[0-9]{10,16}$/.test(name))
      .toSorted()
      .slice(-maxReceipts)
      .flatMap((name) => {
        const bytes = readFileRangeSync(join(folder, name), 0, maxReceiptBytes)
        return bytes === undefined ? [] : [{ path: receiptPath(this.self, Number(name)), bytes }]
      })
  }

  private receiptsToCarry(): readonly { readonly path: string; readonly bytes: Uint8Array }[] {
    return this.names().flatMap((name) =>
      namesIn(this.pathOf(`${name}/receipts`))
        .toSorted()
        .slice(-maxReceipts)
        .flatMap((one) => {
          const bytes = readFileRangeSync(this.pathOf(`${name}/receipts/${one}`), 0, maxReceiptBytes)
          return bytes === undefined ? [] : [{ path: receiptPath(keyOfNodePath(name), Number(one)), bytes }]
        })
    )
  }

  /** Returns what a medium lacks of frontiers and receipts: this node's own, and those of others that it carries. */
  private lackingOn({ files }: FolderReplica): readonly { readonly path: string; readonly bytes: Uint8Array }[] {
    const lacking: { readonly path: string; readonly bytes: Uint8Array }[] = []
    const there = (path: string): Frontier | undefined => {
      try {
        const bytes = files.read(path, maxFrontierBytes)
        return bytes && verifyFrontier(bytes)
      } catch (error) {
        if (codeOf(error) === undefined) throw error
        return undefined
      }
    }
    const { storeId, seq } = this.node.store.journal
    const own = there(frontierPath(this.self))
    if (own?.store !== storeId || own.seq !== seq || !equal(own.node, this.self))
      lacking.push({ path: frontierPath(this.self), bytes: this.ownFrontier() })
    for (const name of this.names()) {
      const known = this.read(name)
      if (known === undefined) continue
      const path = frontierPath(known.node)
      const found = there(path)
      if (found !== undefined && equal(found.node, known.node) && !isNewerFrontier(known, found)) continue
      const bytes = readFileRangeSync(this.pathOf(`${name}/frontier`), 0, maxFrontierBytes)
      if (bytes !== undefined) lacking.push({ path, bytes })
    }
    for (const one of [...this.ownReceipts(), ...this.receiptsToCarry()])
      if (files.size(one.path) !== one.bytes.length) lacking.push(one)
    return lacking
  }

  /** Returns whether a medium lacks frontiers or receipts that are known here. */
  hasNewsFor(target: FolderReplica): boolean {
    return this.lackingOn(target).length > 0
  }

  /** Puts frontiers and receipts on a medium. @returns how many files @throws E_NO_SPACE E_PERMISSION E_IO */
  putOn(target: FolderReplica): number {
    const lacking = this.lackingOn(target)
    if (lacking.length > 0) target.begin()
    for (const { path, bytes } of lacking) replaceFileSync(join(target.root, path), bytes, { durable: true })
    return lacking.length
  }

  /** Returns what is known of the nodes on the far side of media, for `rejoin status`. */
  list(exportedAt: string | undefined, exported: ReadonlyMap<string, number>): readonly SiteRecord[] {
    return this.names().flatMap((name) => {
      const frontier = this.read(name)
      if (frontier === undefined) return []
      const theirs = new Map<string, number>(frontier.heads.map(({ log, size }) => [log, size]))
      let confirmed = 0
      let onItsWay = 0
      let behind = 0
      for (const { log, size } of this.node.store.listHeads()) {
        const have = Math.min(size, theirs.get(log) ?? 0)
        const sent = Math.min(size, exported.get(log) ?? 0)
        confirmed += have
        onItsWay += Math.max(0, sent - have)
        behind += size - Math.max(have, sent)
      }
      const did = didOf(frontier.node)
      const [last] = this.receiptsOf(name)
      const record: SiteRecord = {
        nodeId: peerIdOf(frontier.node),
        name: this.node.gate.nameOf(did) ?? did,
        confirmed,
        onItsWay,
        behind,
        since: onItsWay > 0 ? (exportedAt ?? null) : null,
        at: frontier.time,
        refused: last?.refusedCount ?? 0,
        missing: last?.missingCount ?? 0,
        bad: last?.badCount ?? 0
      }
      return [record]
    })
  }
}

/** A node on the far side of media, as `rejoin status` tells it; counts are of events. */
export interface SiteRecord {
  readonly nodeId: string
  readonly name: string
  /** its frontier says that they are there */
  readonly confirmed: number
  /** written to a medium, and not confirmed */
  readonly onItsWay: number
  /** written to no medium yet */
  readonly behind: number
  /** when the first medium was written that is not confirmed, null where all is */
  readonly since: string | null
  /** when it said so, by its own clock */
  readonly at: string
  /** of its last receipt */
  readonly refused: number
  readonly missing: number
  readonly bad: number
}

function parsed<Result>(bytes: Uint8Array, verify: (bytes: Uint8Array) => Result): Result | undefined {
  try {
    return verify(bytes)
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => !name.endsWith('.part'))
  } catch {
    return []
  }
}
