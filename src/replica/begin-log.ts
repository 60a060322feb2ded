import { didOf, type LogId, parseOpenedLine, type ProvenBlock, RejoinError } from '../core/index.ts'
import type { LogFolder, Store } from '../store/index.ts'
import type { Gate } from '../trust/index.ts'

/**
 * Opens a log with its first line, so that the rest of the block can follow.
 * @throws E_OPENED · E_REFUSED where the rules changed since it was asked for, and let it in no longer
 */
export function beginLog(store: Store, gate: Gate, log: LogId, block: ProvenBlock): LogFolder {
  const [first] = block.lines
  if (first === undefined || first.index !== 0 || first.withheld)
    throw new RejoinError('E_OPENED', `log ${log} does not begin with its first line`)
  const line = block.text.subarray(first.start, first.end)
  // the door remembers only so many logs that it let in
  if (gate.mayAdmit() && !gate.admits(didOf(parseOpenedLine(line).publicKey), log) && !gate.knock(log, block))
    throw new RejoinError('E_REFUSED', `log ${log} is no longer let in by the rules`)
  return store.createLog(log, line)
}
