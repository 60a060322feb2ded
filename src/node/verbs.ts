import { accessTokenVerb } from './access-token-verb.ts'
import { RejoinError } from '../core/index.ts'
import { listClaims, listInstallations } from './claims.ts'
import type { VerbRecord } from './control.ts'
import { gcVerb } from './gc-verb.ts'
import { getArtifact, showThing } from './get.ts'
import { adoptBranch } from './adopt.ts'
import type { Live } from './live.ts'
import { findLog } from './find.ts'
import { followEntries, listEntries } from './log-view.ts'
import type { Node } from './node.ts'
import { makeProof } from './prove.ts'
import { publish } from './publish.ts'
import type { PublishOptions } from './publish-draft.ts'
import { baseVerb, exportVerb } from './export-verb.ts'
import { importStream } from './import-stream.ts'
import { importVerb } from './import-verb.ts'
import { peersVerb } from './peers-verb.ts'
import { reporting } from './reporting.ts'
import { identify, status } from './status.ts'
import { syncFilesVerb } from './sync-files-verb.ts'
import { syncPeers } from './sync-verb.ts'
import { tokenVerb } from './token-verb.ts'
import { triageVerb } from './triage-verb.ts'
import { explainVerb } from './trust-explain-verb.ts'
import { trustTestVerb } from './trust-test-verb.ts'
import { trustVerb } from './trust-verb.ts'

/** What a verb works with: the open node, its network where it is up, and what the command asked for. */
export interface VerbContext<Args> {
  readonly node: Node
  readonly live: Live | undefined
  readonly args: Args
  readonly signal: AbortSignal
}

type Verb = (context: VerbContext<never>) => AsyncIterable<VerbRecord>

function define<Args>(run: (context: VerbContext<Args>) => AsyncIterable<VerbRecord>): Verb {
  return run as Verb
}

/** What `rejoin log` asks for. */
interface LogArgs {
  readonly log?: string
  readonly follow?: boolean
  readonly last?: number
  /** the claims of one installation instead, or all installations */
  readonly installation?: string
  readonly installations?: boolean
}

async function* logVerb({ node, args, signal }: VerbContext<LogArgs>): AsyncGenerator<VerbRecord> {
  const log = args.log === undefined ? undefined : findLog(node, args.log)
  if (args.installation !== undefined || args.installations === true) {
    yield* args.installation === undefined ? listInstallations(node, log) : listClaims(node, log, args.installation)
    return
  }
  if (args.follow === true) {
    yield* followEntries(node, log, args.last, signal)
    return
  }
  for (const record of listEntries(node, log, args.last)) {
    if (signal.aborted) return
    yield record
  }
}

async function* doctor({
  node,
  args
}: VerbContext<{ readonly reindex?: boolean; readonly newLog?: boolean; readonly adopt?: string }>): AsyncGenerator<VerbRecord> {
  if (args.adopt !== undefined) {
    yield { kind: 'result', ok: true, ...(await adoptBranch(node, findLog(node, args.adopt))) } as VerbRecord
    return
  }
  if (args.newLog === true) {
    yield { kind: 'result', ok: true, log: await node.goOnInNewLog() } as VerbRecord
    return
  }
  if (args.reindex !== true) {
    yield { kind: 'result', ok: true, logs: node.store.listHeads().length } as VerbRecord
    return
  }
  const indexed = yield* reporting(
    async (say) => await node.store.reindex((done, total) => say({ kind: 'progress', done, total } as VerbRecord))
  )
  yield { kind: 'result', ok: true, indexed } as VerbRecord
}

/** Every verb that works on an open node, by name; the socket and the command line call the same ones. */
const verbs: Readonly<Record<string, Verb>> = {
  id: define(identify),
  status: define(status),
  publish: define<{ readonly files: readonly string[]; readonly options: PublishOptions }>(({ node, args }) =>
    publish(node, args.files, args.options)
  ),
  log: define(logVerb),
  show: define(showThing),
  get: define(getArtifact),
  proof: define(makeProof),
  sync: define(syncPeers),
  export: define(exportVerb),
  base: define(baseVerb),
  import: define(importVerb),
  'import-stream': define(importStream),
  'sync-files': define(syncFilesVerb),
  peers: define(peersVerb),
  trust: define(trustVerb),
  token: define(tokenVerb),
  explain: define(explainVerb),
  'trust-test': define(trustTestVerb),
  'access-token': define(accessTokenVerb),
  gc: define(gcVerb),
  triage: define(triageVerb),
  doctor: define(doctor)
}

/** Runs a verb on an open node. @throws E_USAGE for an unknown verb, and what the verb throws */
export function runVerb(
  node: Node,
  live: Live | undefined,
  verb: string,
  args: unknown,
  signal: AbortSignal
): AsyncIterable<VerbRecord> {
  const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
  if (run === undefined) throw new RejoinError('E_USAGE', `the node knows no verb ${JSON.stringify(verb)}`)
  return run({ node, live, args: args as never, signal })
}
