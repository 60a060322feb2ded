import { concat, type EntryLine, hex, sha256 } from '../core/index.ts'
import type { VerdictLine } from '../store/index.ts'
import type { Judged } from './gate.ts'

/**
 * Returns the lines that record verdicts: one for each run of neighbouring entries that were judged alike by their lines and writers alone,
 * one for each other entry.
 * @param trust SHA-256 of the trust file, hexadecimal
 * @param at wall clock, ISO 8601
 * @param reputation points of the peer that brought them
 */
export function verdictLines(judged: readonly Judged[], trust: string, at: string, reputation?: number): readonly VerdictLine[] {
  const lines: VerdictLine[] = []
  for (let from = 0; from < judged.length; ) {
    const first = judged[from] as Judged
    let to = from + 1
    while (to < judged.length && goesOn(judged[to - 1] as Judged, judged[to] as Judged)) to++
    lines.push(lineOf(first, judged.slice(from, to), trust, at, reputation))
    from = to
  }
  return lines
}

function goesOn(before: Judged, next: Judged): boolean {
  return (
    before.facts === undefined &&
    next.facts === undefined &&
    next.line.index === before.line.index + 1 &&
    next.decision.verdict === before.decision.verdict &&
    next.decision.rule === before.decision.rule &&
    next.decision.warnings.length + before.decision.warnings.length === 0
  )
}

function lineOf(
  { line, decision, facts }: Judged,
  run: readonly Judged[],
  trust: string,
  at: string,
  reputation: number | undefined
): VerdictLine {
  const { verdict, rule, conjuncts, waits, warnings } = decision
  return {
    index: line.index,
    ...(run.length > 1 && { count: run.length }),
    verdict,
    rule,
    ...(conjuncts.length > 0 && { conjuncts: Object.fromEntries(conjuncts.map(({ text, value }) => [text, value])) }),
    ...(waits !== undefined && { waits }),
    ...(warnings.length > 0 && { warnings }),
    ...(reputation !== undefined && { reputation }),
    trust,
    facts: facts ?? hashOfLines(run.map((one) => one.line)),
    at
  }
}

function hashOfLines(lines: readonly EntryLine[]): string {
  return hex(sha256(concat(lines.map(({ hash }) => hash))))
}
