import { RejoinError } from '../error.ts'
import { maxLineBytes } from '../event/event.ts'
import { tileWidth } from '../log/merkle.ts'

/** Lines that are not proven yet are held until their tile ends. @throws E_LINE where a text is longer than so many lines can be */
export function mayBeLines(count: number, text: Uint8Array): void {
  if (text.length > count * (maxLineBytes + 1))
    throw new RejoinError('E_LINE', `${text.length} bytes are more than ${count} lines can have`)
}

/** Returns the next multiple of 256 at or above an index. */
function tileEnd(index: number): number {
  return Math.ceil(index / tileWidth) * tileWidth
}

/** Returns where an answer to a WANT ends: with a proof it goes on to the end of the tile, since only whole tiles can be proven. */
export function endOfAnswer(want: { readonly to: number; readonly proof: boolean }, size: number): number {
  return Math.min(want.proof ? tileEnd(want.to) : want.to, size)
}
