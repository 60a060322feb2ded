import { textOf } from '../bytes.ts'
import { boundType } from '../trust/binding.ts'
import type { Interest } from '../trust/interest.ts'

type Test = (value: string) => boolean

/** Returns the test whether a value fits one of several patterns, looked up and not gone through where they have no `*`. */
function compiled(patterns: readonly string[] | undefined): Test {
  if (patterns === undefined) return () => true
  const whole = new Set(patterns.filter((pattern) => !pattern.endsWith('*')))
  const beginnings = patterns.filter((pattern) => pattern.endsWith('*')).map((pattern) => pattern.slice(0, -1))
  return (value) => whole.has(value) || beginnings.some((beginning) => value.startsWith(beginning))
}

interface Seen {
  readonly source: string
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Reads no more than an interest speaks of: the line stands in a log, so that its syntax was a matter of whoever stored it. */
function look(line: Uint8Array): Seen | undefined {
  try {
    const value = JSON.parse(textOf(line)) as Partial<Seen> | null
    const { source, type, data } = value ?? {}
    if (typeof source !== 'string' || typeof type !== 'string' || typeof data !== 'object' || data === null) return undefined
    return { source, type, data }
  } catch {
    return undefined
  }
}

/**
 * Returns the test whether a line is to go to a side with these interests: of an event as isWanted has it, and always of `log.` events, of
 * identity.bound and of what is no event, which are for that side's gate.
 */
export function wantedBy(interests: readonly Interest[]): (line: Uint8Array) => boolean {
  const tests = interests.map(({ authors, types, mediaTypes, artifactTypes, documentTypes, repositories }) =>
    [authors, types, mediaTypes, artifactTypes, documentTypes, repositories].map(compiled)
  )
  return (line) => {
    const seen = look(line)
    if (seen === undefined || seen.type.startsWith('log.') || seen.type === boundType) return true
    const { source, type, data } = seen
    const text = (member: string): string => (typeof data[member] === 'string' ? data[member] : '')
    const [mediaType, artifactType] = [text('mediaType'), text('artifactType')]
    const documentType = artifactType === '' ? mediaType : artifactType
    const values = [source, type, mediaType, artifactType, documentType, text('repository')]
    return tests.some((each) => each.every((test, i) => test(values[i] as string)))
  }
}
