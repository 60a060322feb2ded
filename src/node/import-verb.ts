import { takeBlobs, Taker } from '../sync/index.ts'
import { BlobPass } from './blob-pass.ts'
import type { VerbRecord } from './control.ts'
import { openFileReplica } from './replica-word.ts'
import { reporting } from './reporting.ts'
import { Settler } from './settle.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin import` asks for. */
export interface ImportArgs {
  /** an absolute path, or another word that openFileReplica knows */
  readonly replica: string
}

/** Takes in what a replica of files has and the rules want; yields progress and one result. */
export async function* importVerb({ node, args, signal }: VerbContext<ImportArgs>): AsyncGenerator<VerbRecord> {
  const before = new Set(node.replica.conflicts())
  const result = yield* reporting(async (say) => {
    await using source = await openFileReplica(args.replica)
    const taker = new Taker(node.replica, { signal, onEntries: (_, events) => say({ kind: 'progress', events } as VerbRecord) })
    let bad = 0
    let bytes = 0
    const pass = new BlobPass(node, async (needs, isPrivate) => {
      const taken = await takeBlobs(source, node.blobs, needs, {
        signal,
        private: isPrivate,
        onBytes: (count) => say({ kind: 'progress', bytes: (bytes += count) } as VerbRecord),
        onFault: () => void bad++
      })
      return { fetched: taken.done.length, bytes: taken.bytes }
    })
    const settler = new Settler(node, async (_log, _index, event) => (await pass.bringFor([event], true)).missing === 0)
    try {
      await taker.takeAll(source)
      await settler.idle()
      const blobs = await pass.run(signal)
      return { taken: taker.result, blobs, bad }
    } finally {
      await settler.stop()
    }
  })
  const { taken, blobs, bad } = result
  yield {
    kind: 'result',
    complete: taken.faults.length === 0 && bad === 0 && blobs.missing === 0,
    events: taken.events,
    refused: taken.refused,
    held: taken.held,
    blobs: blobs.fetched,
    bytes: taken.bytes + blobs.bytes,
    missing: blobs.missing,
    bad: taken.faults.length + bad,
    conflicts: node.replica.conflicts().filter((log) => !before.has(log)).length
  } as VerbRecord
}
