import type { SimNode } from './node.ts'
import type { Ether, Message } from './announcement.ts'
import type { Link } from './sessions.ts'
import type { World } from './world.ts'

/** Two nodes that know each other's address, by their indexes. */
export type Edge = readonly [number, number]

const lossOfFrame = 0.004
const lossOfMessage = 0.1
const sessionLimitMs = 20_000

/** The virtual network: sessions over streams that keep order and break, announcements that are lost and overtake each other. */
export class Network implements Ether {
  readonly edges: readonly Edge[]
  /** side of each node while the network is cut in two */
  private side: readonly boolean[] | undefined
  /** whether frames of sessions come through without loss */
  isCalm = false
  readonly counts: { sessionCount: number; completeCount: number; announcedCount: number; heardCount: number } = {
    sessionCount: 0,
    completeCount: 0,
    announcedCount: 0,
    heardCount: 0
  }
  private readonly world: World
  private readonly nodes: readonly SimNode[]
  private readonly neighbours = new Map<number, readonly number[]>()
  /** open sessions by the name of their edge, and how to cut them */
  private readonly open = new Map<string, () => void>()
  private readonly pulling = new Set<string>()

  constructor(world: World, nodes: readonly SimNode[], edges: readonly Edge[]) {
    this.world = world
    this.nodes = nodes
    this.edges = edges
    for (const { index } of nodes)
      this.neighbours.set(index, [...new Set(edges.flatMap(([a, b]) => (a === index ? [b] : b === index ? [a] : [])))])
  }

  /** Cuts the network in two. */
  part(side: readonly boolean[]): void {
    this.side = side
    for (const edge of this.edges) if (this.isCut(edge)) this.open.get(edge.join('-'))?.()
  }

  /** Joins the two parts again. */
  heal(): void {
    this.side = undefined
  }

  private isCut([a, b]: Edge): boolean {
    return this.side !== undefined && this.side[a] !== this.side[b]
  }

  /** Has all neighbours of a node begin a session with it. */
  dialAll(index: number): void {
    for (const edge of this.edges) if (edge.includes(index)) this.dial(edge)
  }

  /** Begins a session over an edge, unless one is open there. */
  dial(edge: Edge): void {
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
    const carrier = (to: SimNode, target: () => Link | undefined) => {
      let arrivesMs = 0
      return (frame: Uint8Array): void => {
        if (!this.isCalm && random.chance(lossOfFrame)) {
          world.after(random.below(2000), cut)
          return
        }
        arrivesMs = Math.max(arrivesMs, world.nowMs + latencyMs + random.below(30))
        world.after(arrivesMs - world.nowMs, () => {
          const link = target()
          if (isOpen && link !== undefined) to.receive(link, frame)
        })
      }
    }
    this.open.set(name, cut)
    links.a = a.connect({ send: carrier(b, () => links.b), abort, onClosed: closed }, b)
    links.b = b.connect({ send: carrier(a, () => links.a), abort, onClosed: closed }, a)
    world.after(sessionLimitMs, cut)
  }

  /** Has a node sync soon with whom it knows, once however often it is asked for. */
  pull(index: number): void {
    const { random } = this.world
    const other = random.pick(this.neighbours.get(index) as readonly number[])
    const edge = this.edges.find((one) => one.includes(index) && one.includes(other)) as Edge
    const name = edge.join('-')
    if (this.pulling.has(name)) return
    this.pulling.add(name)
    this.world.after(2000 + random.below(4000), () => {
      this.pulling.delete(name)
      this.dial(edge)
    })
  }

  /** Carries an announcement to a node's neighbours: some copies are lost, some are late. */
  spread(from: number, message: Message, except: number | undefined): void {
    const { random } = this.world
    this.counts.announcedCount++
    for (const to of this.neighbours.get(from) as readonly number[]) {
      if (to === except || random.chance(lossOfMessage)) continue
      const node = this.nodes[to] as SimNode
      this.world.after(1 + random.below(random.chance(0.1) ? 3000 : 120), () => {
        if (!node.up || this.isCut([from, to])) return
        this.counts.heardCount++
        node.hear(message, from)
      })
    }
  }
}
