import { hex } from '../../src/core/index.ts'
import { checkAll, checkTouched, difference } from './agreement.ts'
import type { Fault } from './fault.ts'
import { Network } from './network.ts'
import { SimNode } from './node.ts'
import { Oracle, Violation } from './oracle.ts'
import { signerAt } from './population.ts'
import { withSharedSignatures } from './signatures.ts'
import type { Surroundings } from './surroundings.ts'
import { World } from './world.ts'

/** What a world with one long log came to. */
export interface LongOutcome {
  readonly entryCount: number
  readonly crashCount: number
  /** entries that power cuts left of catch-ups under way, so that they were not fetched again */
  readonly resumedCount: number
}

const groupCount = 20
const groupEntries = 500
const limitMs = 120_000

/**
 * Runs a world of three nodes in which one writes 10,000 events, and the others lose power in the middle of catching up with them.
 * @throws Violation where a rule was broken
 */
export function runLongLog(seed: number, faults: readonly Fault[] = []): LongOutcome {
  return withSharedSignatures(() => new LongRun(seed, new Set(faults)).run())
}

class LongRun {
  private readonly world: World
  private readonly oracle = new Oracle()
  private readonly nodes: readonly SimNode[]
  private readonly network: Network
  private readonly around: Surroundings
  /** sizes at which each reader loses power, the next one last */
  private readonly crashes = new Map<SimNode, number[]>()
  private crashCount = 0

  constructor(seed: number, faults: ReadonlySet<Fault>) {
    this.world = new World(seed)
    const ether: Surroundings['ether'] = {
      spread: (from, message, except) => this.network.spread(from, message, except),
      pull: (index) => this.network.pull(index)
    }
    this.around = { world: this.world, oracle: this.oracle, ether, faults, authors: new Map(), touched: new Set() }
    this.nodes = [0, 1, 2].map((index) => this.makeNode(index))
    this.network = new Network(this.world, this.nodes, [
      [0, 1],
      [0, 2],
      [1, 2]
    ])
  }

  private makeNode(index: number): SimNode {
    const signer = signerAt(index)
    this.around.authors.set(hex(signer.publicKey), { index, key: signer.publicKey })
    const refuses = (type: string, author: number): boolean => index === 1 && author !== index && type === 'vex.published'
    return new SimNode(this.around, index, signer, { trusts: () => true, refuses }, 0)
  }

  run(): LongOutcome {
    const { world } = this
    const { random } = world
    const startMs = world.nowMs
    const [writer, ...readers] = this.nodes as [SimNode, SimNode, SimNode]
    const types = ['sbom.published', 'vex.published', 'attestation.published'] as const
    for (let i = 0; i < groupCount; i++)
      // the last groups come while the others catch up
      world.after(i < groupCount - 4 ? i * 200 : 4000 + random.below(6000), () =>
        writer.append(Array.from({ length: groupEntries }, () => random.pick(types)))
      )
    for (const reader of readers) {
      reader.crash()
      this.crashes.set(reader, [5000 + random.below(2500), 1000 + random.below(3500)])
    }
    world.runUntil(startMs + 3900, () => this.check())
    for (const reader of readers) reader.restart()
    this.network.edges.forEach((edge) => {
      const tick = (): void => {
        this.network.dial(edge)
        world.after(1500 + random.below(1000), tick)
      }
      tick()
    })
    const differs = (): string | undefined => difference(this.nodes, this.oracle, false)
    for (let atMs = 15_000; atMs < limitMs && (atMs === 15_000 || differs() !== undefined); atMs += 5000)
      world.runUntil(startMs + atMs, () => this.check())
    const found = differs()
    if (found !== undefined) throw new Violation(found)
    checkAll(this.nodes, this.oracle)
    return { entryCount: writer.disk.lineCount(), crashCount: this.crashCount, resumedCount: this.oracle.resumedCount }
  }

  private check(): void {
    checkTouched(this.around.touched, this.oracle)
    for (const [reader, sizes] of this.crashes) {
      const size = sizes.at(-1)
      if (size === undefined || !reader.up || reader.disk.lineCount() < size) continue
      sizes.pop()
      this.crashCount++
      reader.crash()
      this.world.after(200 + this.world.random.below(1000), () => reader.restart())
    }
  }
}
