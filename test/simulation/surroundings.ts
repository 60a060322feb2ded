import type { LogId, PublicKey } from '../../src/core/index.ts'
import type { Ether } from './announcement.ts'
import type { Disk } from './disk.ts'
import type { Fault } from './fault.ts'
import type { Bound, Oracle } from './oracle.ts'
import type { World } from './world.ts'

/** What all nodes of a world share. */
export interface Surroundings {
  readonly world: World
  readonly oracle: Oracle
  readonly ether: Ether
  readonly faults: ReadonlySet<Fault>
  /** every node, by its key in hexadecimal digits */
  readonly authors: Map<string, { readonly index: number; readonly key: PublicKey }>
  /** nodes whose disk changed in this step */
  readonly touched: Set<Touched>
}

/** What the oracle looks at after a step that changed a node's disk. */
export interface Touched {
  readonly disk: Disk
  readonly ownLog: LogId | undefined
}

/** What the parts of a simulated node know of it. */
export interface Self extends Bound, Touched {
  readonly index: number
  readonly around: Surroundings
  /** changes with each power cut: work that was under way before it is dropped */
  readonly incarnation: number
  /** the node's own clock, which may be wrong */
  readonly nowMs: number
  /** whether it changes a byte of what it serves */
  readonly lies: boolean
}
