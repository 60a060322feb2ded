import { createHash, type Hash, hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import type { HashOrder, HashReply } from './hash-thread.ts'

const running = new Map<number, Hash>()

/** Does what the main thread orders; each order has one reply, in the same order. */
function done(order: HashOrder): HashReply {
  switch (order.kind) {
    case 'open':
      running.set(order.id, createHash(order.algorithm))
      return undefined
    case 'chunk': {
      const found = hash('sha256', order.chunk, 'buffer')
      if (order.isNext && (order.leaf === undefined || found.equals(order.leaf))) running.get(order.id)?.update(order.chunk)
      return new Uint8Array(found)
    }
    case 'update':
      running.get(order.id)?.update(order.chunk)
      return undefined
    case 'finish': {
      const whole = running.get(order.id)?.digest('hex')
      running.delete(order.id)
      return whole
    }
    case 'drop':
      running.delete(order.id)
      return undefined
  }
}

parentPort?.on('message', (order: HashOrder) => parentPort?.postMessage(done(order)))
