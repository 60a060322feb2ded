import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { RejoinError } from '../../core/error.ts'
import { verifyFolder } from '../../store/index.ts'
import type { Context } from '../context.ts'
import { endProgress, print, printable, printJson } from '../output.ts'

/** Derives everything in a folder again from its flat files and names what is wrong. @returns 0, or 11 where something is */
export async function verify(context: Context, folder: string | undefined): Promise<number> {
  const root = folder === undefined ? context.root : resolve(folder)
  if (!existsSync(root)) throw new RejoinError('E_NO_DATA', `there is no folder ${root}`)
  const faults = verifyFolder(root, { signal: context.signal })
  let faultCount = 0
  for (;;) {
    const next = await faults.next()
    if (next.done === true) {
      const counts = next.value
      if (faultCount > 0)
        throw new RejoinError('E_DAMAGED', `${root}: ${faultCount} objects are damaged`, {
          hint: 'rejoin sync PEER brings again what peers have'
        })
      if (context.json) printJson({ kind: 'result', ok: true, ...counts })
      else
        print(
          `good: ${counts.logs} logs, ${counts.events} events, ${counts.withheld} withheld, ${counts.blobs} blobs, ${counts.bytes} bytes`
        )
      return 0
    }
    faultCount++
    endProgress()
    const { path, offset, reason, code } = next.value
    if (context.json) printJson({ kind: 'fault', ok: false, path, offset, reason, code })
    else print(`${path}: byte ${offset}: ${printable(reason)} (${code})`)
  }
}
