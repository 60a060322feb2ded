import { resolve } from 'node:path'
import { rootOfReplica } from '../../replica/index.ts'
import type { Context } from '../context.ts'
import { verify } from './verify.ts'

/** Checks a replica of files without a node; nothing is written. @returns 0, or 11 where something is damaged */
export async function check(context: Context, folder: string): Promise<number> {
  return await verify(context, rootOfReplica(resolve(folder)))
}
