import { join } from 'node:path'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'
import { type KnownShapes, trustSchemaDigest } from '../trust/index.ts'

const checkedFile = 'private/trust.checked'

/**
 * Returns what remembers, in `private/trust.checked`, which trust file was last found to have the right shape, and by which schema: looking again costs each
 * command 80 ms. What the file means is checked every time. A note that is missing, damaged or can't be written costs only that time.
 */
export function checkedShape(root: string): KnownShapes {
  const path = join(root, checkedFile)
  const noteOf = (digest: string): string => `${trustSchemaDigest()} ${digest}\n`
  return {
    has: (digest) => {
      try {
        return Buffer.from(readFileRangeSync(path, 0, 256) ?? []).toString('latin1') === noteOf(digest)
      } catch {
        return false
      }
    },
    add: (digest) => {
      try {
        replaceFileSync(path, Buffer.from(noteOf(digest), 'latin1'), { durable: false, mode: 0o600 })
      } catch {
        // a folder that can't be written to is looked at anew each time
      }
    }
  }
}
