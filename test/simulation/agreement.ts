import type { SimNode } from './node.ts'
import type { Oracle } from './oracle.ts'

/**
 * Returns how two nodes differ that should hold the same by now, or undefined where all is equal.
 * @param withText whether every entry must be there as text: nobody refuses any
 */
export function difference(nodes: readonly SimNode[], oracle: Oracle, withText: boolean): string | undefined {
  for (const [log, { author }] of oracle.truth) {
    const sizes = nodes.map((node) => node.heads().get(log)?.checkpoint?.size ?? 0)
    const newest = Math.max(...sizes)
    const acknowledged = oracle.acknowledged.get(log) ?? 0
    if (newest < acknowledged)
      return `log ${log} of node ${author} has ${acknowledged} acknowledged entries, and nobody holds more than ${newest}`
    for (const node of nodes) {
      if (!node.trusts(author)) continue
      const size = sizes[node.index] as number
      if (size !== newest) return `${node.name} has ${size} of ${newest} entries of log ${log} of node ${author}`
      // an entry that came as its hash from a node that refuses it is not asked for again yet
      const missing = withText ? node.disk.log(log).lines.findIndex(({ withheld }) => withheld) : -1
      if (missing >= 0) return `${node.name} lacks the text of entry ${missing} of log ${log}`
    }
  }
  return undefined
}

/** Looks at everything that nodes hold under a signed head once more. */
export function checkAll(nodes: readonly SimNode[], oracle: Oracle): void {
  for (const node of nodes) {
    for (const { checkpoint } of node.heads().values())
      if (checkpoint !== undefined) oracle.checkPrefix(node.name, checkpoint, node.disk, true)
  }
}

/** Looks after a step at the nodes whose disk it changed: what their writers were told is durable must be so. */
export function checkTouched(
  touched: Set<{ readonly disk: SimNode['disk']; readonly ownLog: SimNode['ownLog'] }>,
  oracle: Oracle
): void {
  for (const { disk, ownLog } of touched) if (ownLog !== undefined) oracle.checkAcknowledged(ownLog, disk)
  touched.clear()
}
