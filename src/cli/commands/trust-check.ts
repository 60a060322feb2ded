import { RejoinError } from '../../core/error.ts'
import { compileRules, inspectTrustFile, readBeside } from '../../trust/index.ts'
import type { Context } from '../context.ts'
import { print, printable, printJson } from '../output.ts'
import { readTrustFile } from '../trust-bytes.ts'

/**
 * Prints what is wrong with a trust file, each with its place and what helps; needs no node.
 * @throws E_TRUST_FILE where anything is
 */
export async function trustCheck(context: Context, file: string | undefined): Promise<number> {
  const { label, bytes, folder } = readTrustFile(context, file)
  const inspected = inspectTrustFile(bytes, (rules) => compileRules(rules).problems, readBeside(folder))
  if (inspected.kind === 'good') {
    const { name, version, digest, identities, keys, delegations, rules, default: otherwise } = inspected.file
    const counts = { identities: identities.size, keys: keys.size, delegations: delegations.length, rules: rules?.length ?? 0 }
    if (context.json) printJson({ kind: 'result', ok: true, file: label, name, version, digest, ...counts })
    else {
      const words = Object.entries(counts).map(([what, count]) => `${count} ${what}`)
      const last = rules === undefined ? 'known identities are relayed' : `default ${otherwise}`
      print(`good: ${[`${printable(name)} version ${version}`.trim(), ...words, last].join(', ')}`)
    }
    return await Promise.resolve(0)
  }
  for (const { line, column, message, suggestion } of inspected.problems) {
    if (context.json)
      printJson({ kind: 'problem', file: label, line, column, message, ...(suggestion !== undefined && { suggestion }) })
    else {
      print(`${printable(label)}:${line}:${column}: ${printable(message)}`)
      if (suggestion !== undefined) print(`  ${printable(suggestion)}`)
    }
  }
  const count = inspected.problems.length
  throw new RejoinError('E_TRUST_FILE', `${label}: ${count === 1 ? 'one problem' : `${count} problems`}`, {
    hint: 'correct the file; the rules that were in force stay in force'
  })
}
