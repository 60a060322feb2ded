import type { ForgeArgs, ForgeFollower } from '../forge/index.ts'
import { type Live, type Node, runVerb, type VerbRecord } from '../node/index.ts'

/** Runs a verb of the node, or of a surface that stands on it. @throws what the verb throws */
export async function* runAnyVerb(
  node: Node,
  live: Live | undefined,
  verb: string,
  args: unknown,
  signal: AbortSignal,
  follower?: ForgeFollower
): AsyncGenerator<VerbRecord> {
  if (verb !== 'forge' && verb !== 'status') {
    yield* runVerb(node, live, verb, args, signal)
    return
  }
  const { forgeStatus, forgeVerb } = await import('../forge/index.ts')
  if (verb === 'status') {
    for await (const record of runVerb(node, live, verb, args, signal))
      yield { ...record, forge: forgeStatus(node) } as VerbRecord
    return
  }
  yield* forgeVerb({ node, live, args: args as ForgeArgs, signal, follower })
}
