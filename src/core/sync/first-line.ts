import { equal } from '../bytes.ts'
import { RejoinError } from '../error.ts'
import { parseOpenedLine } from '../event/opened.ts'
import { type Checkpoint, verifyCheckpoint } from '../log/checkpoint.ts'
import type { EntryBlock } from '../log/block.ts'
import type { PublicKey } from '../key.ts'

/**
 * Returns whether a head is signed by the writer whom the first line of its log names. Until that line is here, a head is verified with the
 * key that the other side named, who could name its own and so speak for somebody else.
 * @param block begins with the first line of the log
 * @param named the writer whom the side named that gave the block
 * @returns false where another side gave the head, and that one named a wrong writer
 * @throws E_OPENED where the side that gave the block did · and what parseOpenedLine throws
 * @see protocols/sync.md#SYNC-18
 */
export function isOfWriter(block: EntryBlock, named: PublicKey, head: Checkpoint): boolean {
  const { publicKey } = parseOpenedLine(block.text.subarray(0, block.text.indexOf(10)))
  if (!equal(publicKey, named)) throw new RejoinError('E_OPENED', `the peer names another writer of log ${head.log}`)
  try {
    verifyCheckpoint(head.note, head.log, publicKey)
    return true
  } catch (error) {
    if (error instanceof RejoinError && error.code === 'E_SIGNATURE') return false
    throw error
  }
}
