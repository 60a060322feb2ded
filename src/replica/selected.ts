import { type Digest, type EntryBlock, type LogId, narrow, type Offer, parseEvent, type RejoinEvent } from '../core/index.ts'
import type { FileFault, FileHead, FileReplica, Waiting } from './file-replica.ts'

/** A replica of files of which only some events show their text; the others are there as their hashes, so that every root stays what it is. */
export class Selected implements FileReplica {
  readonly name: string
  readonly network: string
  readonly storeId: string | undefined
  private readonly whole: FileReplica
  private readonly isChosen: (event: RejoinEvent) => boolean

  constructor(whole: FileReplica, isChosen: (event: RejoinEvent) => boolean) {
    this.name = whole.name
    this.network = whole.network
    this.storeId = whole.storeId
    this.whole = whole
    this.isChosen = isChosen
  }

  async heads(wait: Waiting & { readonly onFault?: (fault: FileFault) => void }): Promise<readonly FileHead[]> {
    return await this.whole.heads(wait)
  }

  async offer(head: FileHead, from: number, wait: Waiting & { readonly derive?: boolean }): Promise<Offer> {
    return await this.whole.offer(head, from, wait)
  }

  async *blocks(log: LogId, from: number, to: number, wait: Waiting): AsyncGenerator<EntryBlock, void, void> {
    for await (const block of this.whole.blocks(log, from, to, wait))
      yield narrow(block, (line) => !this.isChosen(parseEvent(line)))
  }

  async leaves(log: LogId, tile: number, width: number, wait: Waiting): Promise<Uint8Array | undefined> {
    return await this.whole.leaves(log, tile, width, wait)
  }

  async size(digest: Digest, wait: Waiting): Promise<number | undefined> {
    return await this.whole.size(digest, wait)
  }

  small(digest: Digest, sizeBytes: number): Uint8Array | undefined {
    return this.whole.small?.(digest, sizeBytes)
  }

  blob(digest: Digest, fromByte: number, wait: Waiting): AsyncIterable<Uint8Array> {
    return this.whole.blob(digest, fromByte, wait)
  }

  urgent(wait: Waiting): AsyncIterable<Uint8Array> {
    return this.whole.urgent(wait)
  }

  frontiers(wait: Waiting): AsyncIterable<Uint8Array> {
    return this.whole.frontiers(wait)
  }

  receipts(wait: Waiting): AsyncIterable<Uint8Array> {
    return this.whole.receipts(wait)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.whole[Symbol.asyncDispose]()
  }
}
