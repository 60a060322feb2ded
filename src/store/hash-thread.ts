import { Worker } from 'node:worker_threads'
import type { DigestAlgorithm } from './blob-hash.ts'

/** What the hashing thread is told. */
export type HashOrder =
  | { readonly kind: 'open'; readonly id: number; readonly algorithm: DigestAlgorithm }
  /** `isNext`: the digest of the whole goes on with this chunk, if it has its leaf hash */
  | {
      readonly kind: 'chunk'
      readonly id: number
      readonly chunk: Uint8Array
      readonly isNext: boolean
      readonly leaf: Uint8Array | undefined
    }
  /** the digest of the whole goes on with this chunk, whose own hash nobody asks for */
  | { readonly kind: 'update'; readonly id: number; readonly chunk: Uint8Array }
  | { readonly kind: 'finish'; readonly id: number }
  | { readonly kind: 'drop'; readonly id: number }

/** What the hashing thread answers: the hash of a chunk, the hexadecimal digest of the whole, or nothing. */
export type HashReply = Uint8Array | string | undefined

interface Waiting {
  readonly resolve: (reply: HashReply) => void
  readonly reject: (error: Error) => void
}

/** A thread that hashes large blobs, started when it is first needed. It keeps the process alive only while it has work. */
class HashThread {
  private worker: Worker | undefined
  private waiting: Waiting[] = []
  private lastId = 0

  newId(): number {
    return ++this.lastId
  }

  async order(order: HashOrder): Promise<HashReply> {
    const worker = this.worker ?? this.start()
    return await new Promise<HashReply>((resolve, reject) => {
      if (this.waiting.push({ resolve, reject }) === 1) worker.ref()
      worker.postMessage(order)
    })
  }

  private start(): Worker {
    // The built package has .js files.
    const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './hash-worker.ts' : './hash-worker.js', import.meta.url))
    worker.on('message', (reply: HashReply) => {
      this.waiting.shift()?.resolve(reply)
      if (this.waiting.length === 0) worker.unref()
    })
    worker.on('error', (error: Error) => {
      this.worker = undefined
      for (const { reject } of this.waiting.splice(0)) reject(error)
    })
    worker.unref()
    this.worker = worker
    return worker
  }
}

/** The thread of this process that hashes what comes. */
export const hashThread: HashThread = new HashThread()
/** The thread of this process that hashes what is read back from a medium while more is written to it. */
export const readBackThread: HashThread = new HashThread()
