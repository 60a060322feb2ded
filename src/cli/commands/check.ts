import { resolve } from 'node:path'
import { checkStream, isEncrypted, replicaWord } from '../../node/index.ts'
import { rootOfReplica } from '../../replica/index.ts'
import { RejoinError } from '../../core/error.ts'
import type { Context } from '../context.ts'
import { endProgress, print, printable, printJson } from '../output.ts'
import { verify } from './verify.ts'

/** The options of `rejoin check`. */
export interface CheckFlags {
  readonly identity?: string
}

/** Checks a replica of files without a node; nothing is written. @returns 0, 10 where something is missing, or 11 where something is damaged */
export async function check(context: Context, word: string, { identity }: CheckFlags): Promise<number> {
  const { kind } = replicaWord(word)
  const isStream = kind === 'archive' || kind === 'stream' || isEncrypted(word)
  if (!isStream) return await verify(context, rootOfReplica(resolve(word)))
  const replica = kind === 'stream' ? '-' : resolve(word)
  let bad = 0
  let complete = false
  for await (const record of checkStream(
    { replica, ...(identity !== undefined && { identity: resolve(identity) }) },
    context.signal
  )) {
    const { kind: what, ...said } = record as typeof record & Readonly<Record<string, unknown>>
    const say = (member: string): string => String(said[member])
    endProgress()
    if (what === 'result') [bad, complete] = [Number(said['bad']), said['complete'] === true]
    if (context.json) printJson(record)
    else if (what === 'fault') print(`${printable(say('path'))}: ${printable(say('reason'))} (${say('code')})`)
    else {
      const counts = `${say('logs')} logs, ${say('events')} events, ${say('withheld')} withheld, ${say('blobs')} blobs, ${say('bytes')} bytes`
      print(
        `${bad > 0 ? 'damaged' : complete ? 'good' : 'not complete'}: ${counts}; ${say('missing')} missing, ${say('bad')} bad, ${say('omitted')} left out by choice`
      )
      if (said['cut'] === true) print(`${word}: ${say('end')}`)
    }
  }
  if (bad > 0 && !context.json)
    throw new RejoinError('E_DAMAGED', `${word}: ${bad} objects are damaged`, { hint: 'rejoin import keeps the rest' })
  return bad > 0 ? 11 : complete ? 0 : 10
}
