import { linesOf, Plan } from '../../src/core/index.ts'
import { checkAll, checkTouched, difference } from './agreement.ts'
import type { Disk } from './disk.ts'
import type { Fault } from './fault.ts'
import { runLongLog } from './long-log.ts'
import { type Edge, Network } from './network.ts'
import type { SimNode } from './node.ts'
import { Oracle, Violation } from './oracle.ts'
import { makeEdges, makeNodes, nodeCount, writerCount } from './population.ts'
import { withSharedSignatures } from './signatures.ts'
import type { Surroundings } from './surroundings.ts'
import { World } from './world.ts'

/** What a simulated world came to. */
export interface Outcome {
  readonly stepCount: number
  readonly eventCount: number
  readonly sessionCount: number
  readonly completeCount: number
  readonly crashCount: number
  readonly restoreCount: number
  /** announcements that reached a node, and those of a liar among them that it decided on */
  readonly heardCount: number
  readonly forgeryCount: number
  /** announcements whose lines a node stored */
  readonly takenCount: number
  /** entries that power cuts left of a long catch-up, so that they were not fetched again; 0 in a world without a long log */
  readonly resumedCount: number
  readonly checkCount: number
}

/** each of these seeds has a world with one long log besides */
const longLogEvery = 25

const eventCount = 2000
const turmoilMs = 60_000
const quietMs = 240_000

/**
 * Runs the world of a seed, and of some seeds one with a long log before it: writers write, links lose and cut, nodes crash and come back, and at last all is quiet.
 * @throws Violation where a rule was broken
 */
export function runWorld(seed: number, faults: readonly Fault[] = []): Outcome {
  const honest = Plan.prototype.prove
  if (faults.includes('accept-unproven'))
    Plan.prototype.prove = (block) => [{ ...block, lines: linesOf(block), tileHash: undefined }]
  try {
    const resumedCount = seed % longLogEvery === 0 ? runLongLog(seed, faults).resumedCount : 0
    return withSharedSignatures(() => ({ ...new Run(seed, new Set(faults)).run(), resumedCount }))
  } finally {
    Plan.prototype.prove = honest
  }
}

class Run {
  private readonly world: World
  private readonly oracle = new Oracle()
  private readonly nodes: readonly SimNode[]
  private readonly network: Network
  private readonly around: Surroundings
  private readonly backups = new Map<SimNode, Disk>()
  private quiet = false
  private readonly hasRefusers: boolean
  private readonly counts = { crashCount: 0, restoreCount: 0 }

  constructor(seed: number, faults: ReadonlySet<Fault>) {
    const world = new World(seed)
    this.world = world
    const ether: Surroundings['ether'] = {
      spread: (from, message, except) => this.network.spread(from, message, except),
      pull: (index) => this.network.pull(index)
    }
    this.around = { world, oracle: this.oracle, ether, faults, authors: new Map(), touched: new Set() }
    this.hasRefusers = seed % 2 === 1
    this.nodes = makeNodes(this.around, this.hasRefusers)
    this.network = new Network(world, this.nodes, makeEdges(world.random))
  }

  run(): Omit<Outcome, 'resumedCount'> {
    const startMs = this.world.nowMs
    const liar = this.nodes[10 + this.world.random.below(20)] as SimNode
    liar.lies = true
    const written = this.scheduleWriters()
    this.network.edges.forEach((edge) => this.scheduleSync(edge))
    this.scheduleFaults(liar)
    const check = (): void => checkTouched(this.around.touched, this.oracle)
    this.world.runUntil(startMs + turmoilMs, check)
    this.quiet = true
    this.network.isCalm = true
    this.network.heal()
    liar.lies = false
    for (const node of this.nodes) if (!node.up) node.restart()
    const differs = (): string | undefined => difference(this.nodes, this.oracle, !this.hasRefusers)
    for (let at = turmoilMs; at < turmoilMs + quietMs && differs() !== undefined; at += 5000)
      this.world.runUntil(startMs + at, check)
    const found = differs()
    if (found !== undefined) throw new Violation(found)
    checkAll(this.nodes, this.oracle)
    const { checkCount, forgeryCount, takenCount } = this.oracle
    const { stepCount } = this.world
    return { stepCount, eventCount: written(), checkCount, forgeryCount, takenCount, ...this.network.counts, ...this.counts }
  }

  private scheduleWriters(): () => number {
    const { random } = this.world
    let written = 0
    for (let count = 0; count < eventCount; ) {
      // one writer has a log of several tiles
      const writer = this.nodes[random.chance(0.4) ? 0 : random.below(writerCount)] as SimNode
      const types = Array.from({ length: 1 + random.below(16) }, () =>
        random.pick(['sbom.published', 'vex.published', 'attestation.published'])
      )
      count += types.length
      this.world.after(random.below(turmoilMs - 5000), () => {
        if (!writer.up) return
        written += types.length
        writer.append(types)
      })
    }
    return () => written
  }

  private scheduleSync(edge: Edge): void {
    const { random } = this.world
    const tick = (): void => {
      this.network.dial(edge)
      this.world.after((this.quiet ? 3000 : 14_000) + random.below(4000), tick)
    }
    this.world.after(random.below(14_000), tick)
  }

  private scheduleFaults(liar: SimNode): void {
    const { random } = this.world
    for (let i = 0; i < 3; i++) {
      const atMs = random.below(turmoilMs - 10_000)
      this.world.after(atMs, () => this.network.part(this.nodes.map(() => random.chance(0.5))))
      this.world.after(atMs + 2000 + random.below(8000), () => {
        this.network.heal()
        for (const edge of this.network.edges) if (random.chance(0.3)) this.network.dial(edge)
      })
    }
    for (let i = 0; i < 24; i++) {
      this.world.after(random.below(turmoilMs), () =>
        this.crash(random.pick(this.nodes.slice(0, random.chance(0.5) ? writerCount : nodeCount)), false)
      )
      if (i < 6) this.world.after(random.below(turmoilMs), () => this.backUp(random.below(writerCount)))
      if (i < 4)
        this.world.after(turmoilMs / 3 + random.below(turmoilMs / 2), () =>
          this.crash(random.pick([...this.backups.keys(), random.pick(this.nodes)]), true)
        )
      this.world.after(random.below(turmoilMs), () => liar.lie())
    }
  }

  private backUp(index: number): void {
    const node = this.nodes[index] as SimNode
    this.backups.set(node, node.disk.backup())
  }

  private crash(node: SimNode, restore: boolean): void {
    const { random } = this.world
    if (!node.up || this.quiet) return
    this.counts.crashCount++
    node.crash()
    const backup = restore ? this.backups.get(node) : undefined
    if (backup !== undefined) {
      this.counts.restoreCount++
      node.restore(backup)
    }
    this.world.after(100 + random.below(3000), () => {
      if (node.up) return
      node.restart()
      this.network.dialAll(node.index)
    })
  }
}
