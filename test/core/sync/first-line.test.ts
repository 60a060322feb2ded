import { describe, expect, it } from 'vitest'
import {
  type Catchup,
  hashOfLogId,
  type LogId,
  type SyncMessage,
  signCheckpoint,
  type Signer,
  type WireHead
} from '../../../src/core/index.ts'
import { isOfWriter } from '../../../src/core/sync/first-line.ts'
import { thrownBy } from '../../thrown.ts'
import { type SampleLog, sampleSigner } from '../sample.ts'
import { answer, logOf, Side } from './side.ts'

type Want = Extract<SyncMessage, { kind: 'want' }>
const message = (one: SyncMessage) => ({ kind: 'message', message: one }) as const
const honest = logOf(600)
const liar = sampleSigner('liar')

/** Returns the log as someone else would sign it. */
function signedBy(log: SampleLog, signer: Signer): SampleLog {
  return { ...log, signer, checkpoint: signCheckpoint({ log: log.log, size: 600, root: log.tree.root() }, signer) }
}

/** Returns a side that was offered a log whose writer the other side names, and what it asks for. */
function offered(log: SampleLog, catchups: Map<LogId, Catchup>, name: string): { readonly side: Side; readonly want: Want } {
  const side = new Side('me', [], { catchups })
  const hello: SyncMessage = {
    kind: 'hello',
    version: 1,
    network: 'test',
    node: sampleSigner(name).publicKey,
    store: new Uint8Array(16),
    seq: 3,
    salt: new Uint8Array(16),
    interest: []
  }
  const { root, size } = log.checkpoint
  const head: WireHead = { log: hashOfLogId(log.log), size, root, author: log.signer.publicKey, texts: 0 }
  side.step({ kind: 'start' })
  side.step(message(hello))
  side.step(message({ kind: 'changed', heads: [head], last: true }))
  return { side, want: side.out.find(({ kind }) => kind === 'want') as Want }
}

describe('a head of a log whose first line is not here yet', () => {
  it("SYNC-18: E_OPENED where a peer names itself the writer of another's log and signs its head: nothing is stored", () => {
    const { side, want } = offered(signedBy(honest, liar), new Map(), 'liar')
    const frames = answer(signedBy(honest, liar), want)
    expect(thrownBy(() => frames.forEach((each) => side.step(message(each))))).toBe('E_OPENED')
    expect([side.stored.size, side.committed.size]).toEqual([0, 0])
  })

  it('SYNC-18: where one peer gave a false head and another one the lines, nothing is stored, and the honest one is not blamed', () => {
    const catchups = new Map<LogId, Catchup>()
    const first = offered(signedBy(honest, liar), catchups, 'liar')
    const second = offered(honest, catchups, 'peer')
    for (const frame of answer(signedBy(honest, liar), first.want).slice(0, 2)) first.side.step(message(frame))
    for (const frame of answer(honest, second.want).slice(0, 2)) second.side.step(message(frame))
    expect(catchups.size).toBe(1)
    // the liar goes away without a line, so that the honest one is asked for all of them
    first.side.session.release()
    second.side.out.length = 0
    second.side.step({ kind: 'poke' })
    const again = second.side.out.find(({ kind }) => kind === 'want') as Want
    for (const frame of answer(honest, again)) second.side.step(message(frame))
    expect([second.side.stored.size, second.side.committed.size, catchups.size]).toEqual([0, 0, 0])
    // a later session with the honest one gets everything
    const third = offered(honest, catchups, 'peer')
    for (const frame of answer(honest, third.want)) third.side.step(message(frame))
    expect(third.side.committed.get(honest.log)).toBe(600)
  })

  it('is verified with the key of that line', () => {
    const block = { from: 0, count: 1, text: Buffer.concat([honest.lines[0] as Uint8Array, Uint8Array.of(10)]) }
    const { publicKey } = honest.signer
    expect(isOfWriter(block, publicKey, honest.checkpoint)).toBe(true)
    expect(isOfWriter(block, publicKey, signedBy(honest, liar).checkpoint)).toBe(false)
    expect(thrownBy(() => isOfWriter(block, liar.publicKey, honest.checkpoint))).toBe('E_OPENED')
    const second = { ...block, text: Buffer.concat([honest.lines[1] as Uint8Array, Uint8Array.of(10)]) }
    expect(thrownBy(() => isOfWriter(second, publicKey, honest.checkpoint))).toBe('E_OPENED')
  })
})
