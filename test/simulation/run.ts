import { hex, linesOf, Plan, sha256, signerOf, type Signer, utf8 } from '../../src/core/index.ts'
import type { Disk } from './disk.ts'
import { type Fault, type Link, SimNode, type Surroundings } from './node.ts'
import { Oracle, Violation } from './oracle.ts'
import { World } from './world.ts'

/** What a simulated world came to. */
export interface Outcome {
  readonly stepCount: number
  readonly eventCount: number
  readonly sessionCount: number
  readonly completeCount: number
  readonly crashCount: number
  readonly restoreCount: number
  readonly checkCount: number
}

const nodeCount = 30
const writerCount = 10
/** nodes that trust everybody; the others trust a few and know two hubs */
const hubCount = 12
const eventCount = 2000
const turmoilMs = 60_000
const quietMs = 240_000
const signers = new Map<number, Signer>()

function signerAt(index: number): Signer {
  const signer = signers.get(index) ?? signerOf(sha256(utf8(`simulated node ${index}`)))
  signers.set(index, signer)
  return signer
}

/**
 * Runs the world of a seed: writers write, links lose and cut, nodes crash and come back, and at last all is quiet.
 * @throws Violation where a rule was broken
 */
export function runWorld(seed: number, faults: readonly Fault[] = []): Outcome {
  const honest = Plan.prototype.prove
  if (faults.includes('accept-unproven'))
    Plan.prototype.prove = (block) => [{ ...block, lines: linesOf(block), tileHash: undefined }]
  try {
    return new Run(seed, new Set(faults)).run()
  } finally {
    Plan.prototype.prove = honest
  }
}

class Run {
  private readonly world: World
  private readonly oracle = new Oracle()
  private readonly nodes: SimNode[] = []
  private readonly edges: (readonly [number, number])[] = []
  private readonly around: Surroundings
  private readonly backups = new Map<SimNode, Disk>()
  private readonly open = new Map<string, () => void>()
  /** side of each node while the network is cut in two */
  private side: readonly boolean[] | undefined
  private quiet = false
  private readonly hasRefusers: boolean
  private readonly counts = { sessionCount: 0, completeCount: 0, crashCount: 0, restoreCount: 0 }

  constructor(seed: number, faults: ReadonlySet<Fault>) {
    this.world = new World(seed)
    this.around = { world: this.world, oracle: this.oracle, faults, authors: new Map(), touched: new Set() }
    this.hasRefusers = seed % 2 === 1
    for (let index = 0; index < nodeCount; index++) this.nodes.push(this.makeNode(index))
    this.connectAll()
  }

  private makeNode(index: number): SimNode {
    const { random } = this.world
    const signer = signerAt(index)
    this.around.authors.set(hex(signer.publicKey), { index, key: signer.publicKey })
    const trusted = index < hubCount ? undefined : new Set([index, ...Array.from({ length: 3 }, () => random.below(writerCount))])
    const refusesSome = this.hasRefusers && random.chance(0.2)
    const rules = {
      trusts: (author: number): boolean => trusted === undefined || trusted.has(author),
      refuses: (type: string, author: number): boolean => refusesSome && author !== index && type === 'vex.published'
    }
    const wrong = this.hasRefusers && random.chance(0.1)
    const clockOffsetMs = wrong ? random.pick([-this.world.nowMs, 86_400_000, -86_400_000]) : random.below(240_000) - 120_000
    return new SimNode(this.around, index, signer, rules, clockOffsetMs)
  }

  /** The hubs are joined in a ring with some chords; each of the others knows two of them. */
  private connectAll(): void {
    const { random } = this.world
    for (let i = 0; i < hubCount; i++) this.edges.push([i, (i + 1) % hubCount])
    for (let i = 0; i < 6; i++) {
      const a = random.below(hubCount)
      this.edges.push([a, (a + 2 + random.below(hubCount - 3)) % hubCount])
    }
    for (let i = hubCount; i < nodeCount; i++) {
      const a = random.below(hubCount)
      this.edges.push([i, a], [i, (a + 1 + random.below(hubCount - 1)) % hubCount])
    }
    const liar = this.nodes[10 + random.below(20)] as SimNode
    liar.lies = true
  }

  run(): Outcome {
    const startMs = this.world.nowMs
    const written = this.scheduleWriters()
    this.edges.forEach((edge) => this.scheduleSync(edge))
    this.scheduleFaults()
    const check = (): void => {
      for (const node of this.around.touched) if (node.ownLog !== undefined) this.oracle.checkAcknowledged(node.ownLog, node.disk)
      this.around.touched.clear()
    }
    this.world.runUntil(startMs + turmoilMs, check)
    this.quiet = true
    this.side = undefined
    for (const node of this.nodes) {
      node.lies = false
      if (!node.up) node.restart()
    }
    for (let at = turmoilMs; at < turmoilMs + quietMs && this.difference() !== undefined; at += 5000)
      this.world.runUntil(startMs + at, check)
    const difference = this.difference()
    if (difference !== undefined) throw new Violation(difference)
    for (const node of this.nodes) {
      for (const { checkpoint } of node.heads().values())
        if (checkpoint !== undefined) this.oracle.checkPrefix(node.name, checkpoint, node.disk, true)
    }
    return { stepCount: this.world.stepCount, eventCount: written(), checkCount: this.oracle.checkCount, ...this.counts }
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

  private scheduleSync(edge: readonly [number, number]): void {
    const { random } = this.world
    const tick = (): void => {
      this.dial(edge)
      this.world.after((this.quiet ? 3000 : 14_000) + random.below(4000), tick)
    }
    this.world.after(random.below(14_000), tick)
  }

  private isCut([a, b]: readonly [number, number]): boolean {
    return this.side !== undefined && this.side[a] !== this.side[b]
  }

  /** Begins a session over an edge, unless one is open there. */
  private dial(edge: readonly [number, number]): void {
    const name = edge.join('-')
    const [a, b] = [this.nodes[edge[0]] as SimNode, this.nodes[edge[1]] as SimNode]
    if (this.open.has(name) || !a.up || !b.up || this.isCut(edge)) return
    this.counts.sessionCount++
    const { world } = this
    const { random } = world
    const latencyMs = 1 + random.below(80)
    let isOpen = true
    const links: { a?: Link; b?: Link } = {}
    const cut = (): void => {
      if (!isOpen) return
      isOpen = false
      this.open.delete(name)
      if (links.a !== undefined) a.finish(links.a, false)
      if (links.b !== undefined) b.finish(links.b, false)
    }
    const closed = (complete: boolean): void => {
      if (complete) this.counts.completeCount++
      if (links.a?.ended === true && links.b?.ended === true) {
        isOpen = false
        this.open.delete(name)
      }
    }
    const abort = (): void => world.after(latencyMs, cut)
    const carrier = (to: SimNode, from: SimNode, target: () => Link | undefined) => {
      let arrivesMs = 0
      return (frame: Uint8Array): void => {
        if (!this.quiet && random.chance(0.004)) {
          world.after(random.below(2000), cut)
          return
        }
        arrivesMs = Math.max(arrivesMs, world.nowMs + latencyMs + random.below(30))
        world.after(arrivesMs - world.nowMs, () => {
          const link = target()
          if (isOpen && link !== undefined) to.receive(link, from, frame)
        })
      }
    }
    this.open.set(name, cut)
    links.a = a.connect({ send: carrier(b, a, () => links.b), abort, onClosed: closed }, b)
    links.b = b.connect({ send: carrier(a, b, () => links.a), abort, onClosed: closed }, a)
    world.after(20_000, cut)
  }

  private scheduleFaults(): void {
    const { random } = this.world
    for (let i = 0; i < 3; i++) {
      const atMs = random.below(turmoilMs - 10_000)
      this.world.after(atMs, () => {
        this.side = this.nodes.map(() => random.chance(0.5))
        for (const edge of this.edges) if (this.isCut(edge)) this.open.get(edge.join('-'))?.()
      })
      this.world.after(atMs + 2000 + random.below(8000), () => {
        this.side = undefined
        for (const edge of this.edges) if (random.chance(0.3)) this.dial(edge)
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
      for (const edge of this.edges) if (edge.includes(node.index)) this.dial(edge)
    })
  }

  /** Returns how two nodes differ that should hold the same by now, or undefined where all is equal. */
  private difference(): string | undefined {
    for (const [log, { author }] of this.oracle.truth) {
      const sizes = this.nodes.map((node) => node.heads().get(log)?.checkpoint?.size ?? 0)
      const newest = Math.max(...sizes)
      const acknowledged = this.oracle.acknowledged.get(log) ?? 0
      if (newest < acknowledged)
        return `log ${log} of node ${author} has ${acknowledged} acknowledged entries, and nobody holds more than ${newest}`
      for (const node of this.nodes) {
        if (!node.trusts(author)) continue
        const size = sizes[node.index] as number
        if (size !== newest) return `${node.name} has ${size} of ${newest} entries of log ${log} of node ${author}`
        // an entry that came as its hash from a node that refuses it is not asked for again yet
        const missing = this.hasRefusers ? -1 : node.disk.log(log).lines.findIndex(({ withheld }) => withheld)
        if (missing >= 0) return `${node.name} lacks the text of entry ${missing} of log ${log}`
      }
    }
    return undefined
  }
}
