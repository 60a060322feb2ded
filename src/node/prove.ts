import { makeReceipt, makeTlogProof, RejoinError, verifyCoseCheckpoint } from '../core/index.ts'
import { hashesOf } from '../store/index.ts'
import type { VerbRecord } from './control.ts'
import { findEvent } from './find.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin proof` asks for. */
export interface ProofArgs {
  readonly event: string
  readonly format?: string
}

/** Yields the proof that an event is in its log, as bytes in base64. @throws E_USAGE for an unknown format · E_NOT_FOUND · E_INCOMPLETE where no checkpoint covers it */
export async function* makeProof({ node, args }: VerbContext<ProofArgs>): AsyncGenerator<VerbRecord> {
  const format = args.format ?? 'tlog-proof'
  if (format !== 'tlog-proof' && format !== 'cose')
    throw new RejoinError('E_USAGE', `unknown proof format ${JSON.stringify(format)}`, { hint: 'tlog-proof or cose' })
  node.writer.sign()
  const { log, index, line } = await findEvent(node, args.event)
  const folder = node.store.needFolder(log)
  const { checkpoint, coseCheckpoint, opened } = folder
  if (checkpoint === undefined || checkpoint.size <= index)
    throw new RejoinError('E_INCOMPLETE', `no checkpoint covers entry ${index} of log ${log} yet`)
  const read = hashesOf(folder, checkpoint.size)
  let proof: Uint8Array
  if (format === 'tlog-proof') proof = makeTlogProof(checkpoint, index, read)
  else {
    if (coseCheckpoint === undefined) throw new RejoinError('E_NOT_FOUND', `log ${log} has no COSE checkpoint here`)
    proof = makeReceipt(verifyCoseCheckpoint(coseCheckpoint, checkpoint, opened.publicKey), index, read)
  }
  yield {
    kind: 'proof',
    format,
    log,
    index,
    size: checkpoint.size,
    entry: Buffer.from(line).toString('base64'),
    proof: Buffer.from(proof).toString('base64')
  } as VerbRecord
}
