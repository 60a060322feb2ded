import {
  base64,
  didOf,
  eventIn,
  hex,
  isObject,
  type JsonObject,
  leafHash,
  type LogId,
  RejoinError,
  type RejoinEvent,
  type TreeHead
} from '../core/index.ts'
import type { Draft } from '../store/index.ts'
import { branchesOf } from './branches.ts'
import type { Node } from './node.ts'
import { appendOwn } from './publish.ts'

/** What adopting a branch came to. */
export interface Adopted {
  /** the log that was adopted from */
  readonly from: LogId
  /** the log that the events are in now */
  readonly log: LogId
  readonly adopted: number
  /** events that were adopted before */
  readonly already: number
  /** entries whose text is not here, or that would be too long */
  readonly skipped: readonly number[]
}

/** bytes by which an event grows that names what it adopts */
const maxAdoptedLine = 65_535 - 400
const atOnce = 1000

/**
 * Says again, in the log that this node writes now, what its branch of a log of its own says from the fork on, so that others have it in a log
 * that is undisputed. What was adopted before is left out.
 * @throws E_USAGE where it is no forked log of this node
 * @see protocols/fork.md#FORK-12
 */
export async function adoptBranch(node: Node, log: LogId): Promise<Adopted> {
  const folder = node.store.needFolder(log)
  const fork = node.replica.endings.forkOf(log)
  if (log === node.log || node.gate.nameOf(didOf(folder.opened.publicKey)) !== 'me')
    throw new RejoinError('E_USAGE', `${log} is no earlier log of this node`, {
      hint: 'rejoin status names the logs that forked'
    })
  if (fork === undefined)
    throw new RejoinError('E_USAGE', `nothing proves that log ${log} has two histories`, {
      hint: 'rejoin sync with a peer that has the other one'
    })
  const [known, drafts, skipped] = [new Set(adoptedOf(node, log)), [] as Draft[], [] as number[]]
  for (let index = fork.atIndex; index < folder.size; index++) {
    const line = node.store.lineOf(log, index)
    const event = line && eventIn(line)
    if (line === undefined || event === undefined || line.length > maxAdoptedLine) skipped.push(index)
    else if (!event.type.startsWith('log.') && !known.has(index))
      drafts.push(draftOf(event, { log, index, leaf: hex(leafHash(line)) }))
  }
  const [ours, theirs] = branchesOf(folder, fork)
  const said = { log, index: fork.atIndex, adopted: headOf(ours), other: headOf(theirs), count: drafts.length }
  if (drafts.length > 0) await appendOwn(node, [{ type: 'log.adopted', data: said }])
  for (let at = 0; at < drafts.length; at += atOnce) await appendOwn(node, drafts.slice(at, at + atOnce))
  node.writer.sign()
  return { from: log, log: node.log, adopted: drafts.length, already: known.size, skipped }
}

interface Adopts {
  readonly log: LogId
  readonly index: number
  /** leaf hash, hexadecimal */
  readonly leaf: string
}

function draftOf({ type, subject, data }: RejoinEvent, { log, index, leaf }: Adopts): Draft {
  return { type, ...(subject !== undefined && { subject }), data: { ...data, adopts: { index, leaf, log } } }
}

function headOf({ size, root }: Pick<TreeHead, 'size' | 'root'>): JsonObject {
  return { root: base64(root), size }
}

/** Which entries of a log were adopted before, in any log of this node. */
function adoptedOf(node: Node, from: LogId): readonly number[] {
  const found: number[] = []
  for (const { log, size } of node.store.listHeads()) {
    if (log === from || node.gate.nameOf(didOf(node.store.opened(log).publicKey)) !== 'me') continue
    for (let index = 1; index < size; index++) {
      const line = node.store.lineOf(log, index)
      const adopts = line && eventIn(line)?.data['adopts']
      if (isObject(adopts) && adopts['log'] === from && typeof adopts['index'] === 'number') found.push(adopts['index'])
    }
  }
  return found
}
