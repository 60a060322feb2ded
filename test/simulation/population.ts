import { hex, sha256, signerOf, type Signer, utf8 } from '../../src/core/index.ts'
import type { Edge } from './network.ts'
import { SimNode } from './node.ts'
import type { Surroundings } from './surroundings.ts'
import type { Random } from './world.ts'

/** nodes of a world */
export const nodeCount = 30
/** nodes that write */
export const writerCount = 10
/** nodes that trust everybody; the others trust a few and know two hubs */
const hubCount = 12

const signers = new Map<number, Signer>()

/** Returns the signer of a node, the same in every world. */
export function signerAt(index: number): Signer {
  const signer = signers.get(index) ?? signerOf(sha256(utf8(`simulated node ${index}`)))
  signers.set(index, signer)
  return signer
}

/** Returns the nodes of a world. @param hasRefusers whether some refuse VEX documents, and some have a clock that is far off */
export function makeNodes(around: Surroundings, hasRefusers: boolean): readonly SimNode[] {
  return Array.from({ length: nodeCount }, (_, index) => makeNode(around, index, hasRefusers))
}

function makeNode(around: Surroundings, index: number, hasRefusers: boolean): SimNode {
  const { random, nowMs } = around.world
  const signer = signerAt(index)
  around.authors.set(hex(signer.publicKey), { index, key: signer.publicKey })
  const trusted = index < hubCount ? undefined : new Set([index, ...Array.from({ length: 3 }, () => random.below(writerCount))])
  const refusesSome = hasRefusers && random.chance(0.2)
  const rules = {
    trusts: (author: number): boolean => trusted === undefined || trusted.has(author),
    refuses: (type: string, author: number): boolean => refusesSome && author !== index && type === 'vex.published'
  }
  const wrong = hasRefusers && random.chance(0.1)
  const clockOffsetMs = wrong ? random.pick([-nowMs, 86_400_000, -86_400_000]) : random.below(240_000) - 120_000
  return new SimNode(around, index, signer, rules, clockOffsetMs)
}

/** Returns who knows whom: the hubs are joined in a ring with some chords; each of the others knows two of them. */
export function makeEdges(random: Random): readonly Edge[] {
  const edges: Edge[] = []
  for (let i = 0; i < hubCount; i++) edges.push([i, (i + 1) % hubCount])
  for (let i = 0; i < 6; i++) {
    const a = random.below(hubCount)
    edges.push([a, (a + 2 + random.below(hubCount - 3)) % hubCount])
  }
  for (let i = hubCount; i < nodeCount; i++) {
    const a = random.below(hubCount)
    edges.push([i, a], [i, (a + 1 + random.below(hubCount - 1)) % hubCount])
  }
  return edges
}
