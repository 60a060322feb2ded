import { digestOf, utf8 } from '../core/index.ts'

/**
 * Returns things at a forge that others may follow, too, in the order in which this node takes them: its own share first, by a hash that comes out the same for
 * all, then what is left from its end on, where the others come last. Nodes that begin at once meet somewhere, and get from each other what is behind that.
 * @param others the nodes that are connected
 */
export function ownShareFirst<T>(
  all: readonly T[],
  keyOf: (one: T) => string,
  own: string,
  others: readonly string[]
): readonly T[] {
  const asked = others.slice(0, maxOthers)
  const isOwn = (one: T): boolean => {
    const weigh = (node: string): string => digestOf(utf8(`${keyOf(one)} ${node}`))
    const weight = weigh(own)
    return asked.every((other) => weight <= weigh(other))
  }
  const shares = Map.groupBy(all, isOwn)
  return [...(shares.get(true) ?? []), ...(shares.get(false) ?? []).toReversed()]
}

const maxOthers = 16
