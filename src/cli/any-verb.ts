import type { ForgeArgs, ForgeFollower } from '../forge/index.ts'
import { type Live, type Node, runVerb, type TriageArgs, type VerbRecord } from '../node/index.ts'

/** Runs a verb of the node, or of a surface that stands on it. @throws what the verb throws */
export async function* runAnyVerb(
  node: Node,
  live: Live | undefined,
  verb: string,
  args: unknown,
  signal: AbortSignal,
  follower?: ForgeFollower
): AsyncGenerator<VerbRecord> {
  if (verb !== 'forge' && verb !== 'status' && verb !== 'triage') {
    yield* runVerb(node, live, verb, args, signal)
    return
  }
  if (verb === 'triage') {
    yield* triage(node, live, args as TriageArgs, signal, follower)
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

/** Triage of events, and of what forges have. */
async function* triage(
  node: Node,
  live: Live | undefined,
  args: TriageArgs,
  signal: AbortSignal,
  follower: ForgeFollower | undefined
): AsyncGenerator<VerbRecord> {
  const { decideAtForges, heldAtForges, splitWords } = await import('../forge/index.ts')
  const { ofForges, others } = splitWords(node, args.events ?? [])
  if (args.action === undefined) yield* heldAtForges(node)
  else if (ofForges.length > 0) yield* decideAtForges(node, args, ofForges, ({ url }) => follower?.soon(url))
  if (args.action === undefined || others.length > 0 || ofForges.length === 0)
    yield* runVerb(node, live, 'triage', { ...args, events: others }, signal)
}
