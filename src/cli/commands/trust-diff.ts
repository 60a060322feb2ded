import { compileTrustBytes, diffTrust } from '../../trust/index.ts'
import type { Context } from '../context.ts'
import { print, printable, printJson } from '../output.ts'
import { readTrustFile } from '../trust-bytes.ts'

/** Prints what changes from one trust file to another, or from the node's own to one, in words. @throws E_TRUST_FILE E_NOT_FOUND */
export async function trustDiff(context: Context, first: string, second: string | undefined): Promise<number> {
  const [from, to] = (second === undefined ? [undefined, first] : [first, second]).map((file) => {
    const { label, bytes } = readTrustFile(context, file)
    return compileTrustBytes(bytes, label).file
  }) as [Parameters<typeof diffTrust>[0], Parameters<typeof diffTrust>[1]]
  const changes = diffTrust(from, to)
  for (const change of changes) {
    if (context.json) printJson({ kind: 'change', ...change })
    else {
      const { part, name, change: what, text } = change
      const subject = part === name || part === 'file' || part === 'inventory' ? name : `${part} ${name}`
      print(printable(`${marks[what]} ${subject} ${what}${text === '' ? '' : `: ${text}`}`))
    }
  }
  if (context.json) printJson({ kind: 'result', changes: changes.length, from: from.digest, to: to.digest })
  else if (changes.length === 0)
    print(from.digest === to.digest ? 'the same file' : 'nothing that has an effect differs, but the texts do')
  return await Promise.resolve(0)
}

const marks = { added: '+', removed: '-', changed: '~', moved: '>' } as const
