import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CompiledRule,
  conjunctValues,
  evaluate,
  type Facts,
  factsOf,
  isComplete,
  type Outcome
} from '../../src/core/index.ts'
import { compileRules, compileTrust, conditionLimits, factTypes } from '../../src/trust/index.ts'
import {
  anyCase,
  anyCondition,
  anyFacts,
  event,
  evidence,
  nowMs,
  rule,
  someContent,
  someDigest,
  standing,
  trustFile
} from '../core/trust/sample-trust.ts'
import { holds } from '../property.ts'
import { secondOpinion } from './second-opinion.ts'

function problem(
  ...conditions: readonly string[]
): { readonly at: string; readonly message: string; readonly hint: string } | undefined {
  const [first] = compileRules(conditions.map((when, i) => rule(when, { id: `rule-${i}` }))).problems
  return first && { at: `${first.line}:${first.column}`, message: first.message, hint: first.hint }
}

/** Compiles a condition; undefined where it is refused. */
function compile(condition: string, native = true): CompiledRule | undefined {
  return compileRules([rule(condition)], { native }).rules[0]
}

const sbom = event('ci', 'sbom.published', {
  artifactType: 'application/vnd.cyclonedx+json',
  digest: someDigest,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  repository: 'apps/web',
  size: 4096,
  tag: 'v1'
})
const fetched: Facts = factsOf(
  evidence(sbom, {
    content: someContent,
    overlap: ['pkg:npm/left-pad@1.3.0'],
    witnesses: { names: ['w1', 'w2'], newestMs: nowMs - 60_000 },
    peerReputation: 2.5
  }),
  trustFile(),
  standing('ci', { delegated: true, quorum: true, gates: { vulnerability: 'fail', license: 'pass', version: 'none' } })
)
const waiting: Facts = factsOf(evidence(sbom), trustFile(), standing('ci', { delegated: true }))

describe('conditions that are refused at load', () => {
  const refused: readonly [condition: string, at: string, message: RegExp, hint: RegExp][] = [
    ['event.type == "a.b" &&', '1:23', /unexpected token/, /CEL/],
    ['event.type = "a.b"', '1:12', /unexpected character/, /CEL/],
    ['event.type == "a', '1:15', /unterminated string/, /CEL/],
    ['evnt.type == "a.b"', '1:1', /unknown name evnt/, /did you mean event\?/],
    ['delegate && event.size > 1', '1:1', /unknown name delegate/, /did you mean delegated\?/],
    ['zzzzzz == 1', '1:1', /unknown name zzzzzz/, /event, signer, delegated/],
    ['event.typ == "a.b"', '1:7', /event has no member typ/, /did you mean type\?/],
    ['delegated ||\n  event.paht == "x"', '2:9', /event has no member paht/, /did you mean path\?/],
    ['content.components.exists(c, c.pur == "x")', '1:32', /c has no member pur/, /did you mean purl\?/],
    ['event.type == 1', '1:1', /string == int/, /quotes/],
    ['event.signatures == 2', '1:1', /double == int/, /2\.0/],
    ['event.type', '1:1', /is a string, not true or false/, /compare/],
    ['event.type.startsWith(1)', '1:1', /startsWith/, /table of the types/],
    ['event.type.startswith("a")', '1:1', /unknown function startswith/, /did you mean startsWith\?/],
    ['event.type.matches("(a+)+$")', '1:1', /matches\(\) is not allowed/, /glob\(/],
    ['delegated && event.path.matches("a")', '1:14', /matches/, /glob\(/],
    ['has(event.type)', '1:1', /has\(\) is not needed/, /""/],
    ['dyn(event.type) == 1', '1:1', /unknown function dyn/, /./],
    ['cel.bind(x, 1, x == 1)', '1:1', /unknown function bind/, /conditions know/],
    ['now.getHours("Europe/Berlin") == 1', '1:1', /no time zone/, /UTC/],
    ['event["type"] == "a.b"', '1:7', /with a dot/, /\.type/],
    ['{"a": 1}.size() == 1', '1:1', /no maps/, /list/],
    ['content.components.exists(event, event.name == "x")', '1:1', /can't name an item/, /one letter/],
    ['1 / 0 == 1', '1:1', /never be evaluated: division by zero/, /correct/],
    [`glob(event.path, "${'a'.repeat(257)}")`, '1:18', /at most 256/, /several/]
  ]
  it.each(refused)('VERDICT-10 %j at %s', (condition, at, message, hint) => {
    const found = problem(condition)
    expect(found?.at).toBe(at)
    expect(found?.message).toMatch(message)
    expect(found?.hint).toMatch(hint)
  })

  it('VERDICT-11 refuses lists, nesting and conditions over their limits, and takes them at the limit', () => {
    const list = (count: number): string => `event.tag in [${Array.from({ length: count }, (_, i) => `"t${i}"`).join(', ')}]`
    expect(problem(list(conditionLimits.listElements))).toBeUndefined()
    expect(problem(list(conditionLimits.listElements + 1))?.message).toMatch(/maxListElements/)
    const two = 'content.components.exists(c, c.licenses.exists(l, l == "MIT"))'
    expect(problem(two)).toBeUndefined()
    expect(problem('content.components.exists(c, c.licenses.exists(l, overlap.exists(o, o == l)))')?.message).toMatch(/3 deep/)
    const long = Array.from({ length: conditionLimits.nodes / 5 }, (_, i) => `event.index != ${i + 1}`).join(' && ')
    expect(problem(`${long} && ${long}`)?.message).toMatch(/maxAstNodes/)
    expect(problem(`${'!('.repeat(40)}delegated${')'.repeat(40)}`)?.message).toMatch(/maxDepth/)
  })

  const never: readonly [condition: string, reason: RegExp][] = [
    ['false', /always false/],
    ['1 == 2', /always false/],
    ['delegated && "a" == "b"', /always false/],
    ['event.type == "a.b" && event.type == "a.c"', /event.type/],
    ['event.type == "a.b" && delegated && event.type != "a.b"', /event.type/],
    ['event.type == "a.b" && event.type.startsWith("sbom.")', /event.type/],
    ['event.type.startsWith("a.") && event.type.startsWith("sbom.")', /event.type/],
    ['event.type == "a.b" && event.type.endsWith(".c")', /event.type/],
    ['event.path == "edge/x" && glob(event.path, "apps/**")', /event.path/],
    ['event.type in ["a.b", "a.c"] && event.type in ["a.d"]', /event.type/],
    ['(event.type == "a.b" || event.type == "a.c") && event.type == "a.d"', /event.type/],
    ['event.type == "a.b" && !(event.type.startsWith("a."))', /event.type/],
    ['delegated && !delegated', /delegated/],
    ['event.size > 5 && event.size < 6', /event.size/],
    ['overlap.size() < 0', /overlap.size/],
    ['peer.reputation > 1.0 && peer.reputation < 0.5', /peer.reputation/],
    ['event.tag in []', /empty list/],
    ['!signer.known', /unknown authors are refused/],
    ['event.type == "log.opened"', /log\.…/],
    ['event.type.startsWith("log.o")', /log\.…/],
    ['gates.license == "passed"', /pass, fail or none/],
    ['freshness.tier == "refuse"', /fresh, warn or local/],
    ['event.path != event.path', /always itself/]
  ]
  it.each(never)('VERDICT-12 %j can never hold', (condition, reason) => {
    const found = problem(condition)
    expect(found?.message).toMatch(/can never hold/)
    expect(found?.message).toMatch(reason)
  })

  it('VERDICT-12 refuses what comes after a rule that always holds', () => {
    for (const always of ['true', '1 == 1', 'delegated || !delegated', 'event.type.startsWith("")', 'overlap.size() >= 0']) {
      expect(problem(always)).toBeUndefined()
      expect(problem('delegated', always, 'event.tag == "v1"')?.message).toMatch(/rule-2 is never reached: rule-1/)
    }
    expect(problem('10 / event.index > 2 || true', 'delegated')?.message).toMatch(/never reached/)
    expect(problem('event.index / event.index == 1', 'delegated')).toBeUndefined()
  })

  it('VERDICT-10 names rule, line and column where a whole file is compiled', () => {
    const file = trustFile({ rules: [rule('delegated', { id: 'first' }), rule('true &&\n evnt.type == "x"', { id: 'second' })] })
    expect(() => compileTrust(file)).toThrow(
      expect.objectContaining({
        code: 'E_TRUST_FILE',
        at: '2:2',
        hint: 'did you mean event?',
        message: 'rule second: unknown name evnt at line 2, column 2 of its condition'
      })
    )
  })

  it('VERDICT-12 never refuses a condition that holds for some event', () => {
    holds(
      fc.property(anyCondition, anyFacts, (condition, facts) => {
        if (!isComplete(facts) || compile(condition) !== undefined) return
        expect(secondOpinion(condition, facts)).not.toBe('true')
      })
    )
  })
})

describe('protocols/verdict.md', () => {
  const page = readFileSync(new URL('../../protocols/verdict.md', import.meta.url), 'utf8')

  it('has the table of facts that conditions know, with their types', () => {
    const rows = [...page.matchAll(/^\| `([a-zA-Z.]+)` \| (\w+(?:\(\w+\))?) \| (.*)\|$/gm)]
    const types = rows.map(([, fact, type]) => [fact, type])
    const known = Object.entries(factTypes).map(([fact, type]) => [
      fact,
      type.replace('google.protobuf.Timestamp', 'timestamp').replace(/<(\w+)>/, '($1)')
    ])
    expect(Object.fromEntries(types)).toEqual(Object.fromEntries(known))
    for (const [, fact, , meaning] of rows)
      expect([fact, meaning?.includes('*content*')]).toEqual([fact, /^(overlap|gates|content)/.test(fact as string)])
  })

  it('has a condition that compiles, and the limits', () => {
    const conditions = [...page.matchAll(/```cel\n([^`]+)\n```/g)].map(([, text]) => text as string)
    expect(conditions).toHaveLength(1)
    for (const condition of conditions) expect(problem(condition)).toBeUndefined()
    for (const limit of Object.values(conditionLimits)) expect(page).toContain(`| ${limit.toLocaleString('en-US')} |`)
  })
})

/** What CEL's && makes of the conjuncts. */
const asCel: Readonly<Record<Outcome, string>> = { holds: 'true', fails: 'false', error: 'error', waits: 'waits' }

describe('conditions', () => {
  const table: readonly [condition: string, value: 'true' | 'false' | 'error'][] = [
    ['event.type == "sbom.published"', 'true'],
    ['event.type != "sbom.published" || event.tag == "v1"', 'true'],
    ['event.type in ["a.b", "sbom.published"]', 'true'],
    ['event.path.startsWith("apps/") && event.path.endsWith("web") && event.path.contains("s/w")', 'true'],
    ['glob(event.path, "apps/**") && !glob(event.path, "apps/*/x")', 'true'],
    ['glob(event.artifactType, "application/*")', 'true'],
    ['"builder" in signer.roles && !("relay" in signer.roles)', 'true'],
    ['signer.roles.exists(r, r == "builder")', 'true'],
    ['signer.roles.all(r, r != "builder")', 'false'],
    ['signer.name == "ci" && signer.known && signer.did.startsWith("did:key:z")', 'true'],
    ['delegated && witnesses.quorum && witnesses.count >= 2', 'true'],
    ['event.size > 4095 && event.size <= 4096 && 7 == event.index', 'true'],
    ['event.signatures >= 2.0', 'false'],
    ['event.signatures < 2', 'true'],
    ['freshness.ageMs == 60000 && freshness.tier == "fresh"', 'true'],
    ['peer.reputation >= 0.0 && budgetLeft > 0.0', 'false'],
    ['now > timestamp("2026-01-01T00:00:00Z")', 'true'],
    ['now - timestamp("2026-01-01T00:00:00Z") > duration("24h")', 'true'],
    ['now.getFullYear() >= 2026', 'true'],
    ['event.timeMs > 1700000000000', 'true'],
    ['overlap.size() > 0 && "pkg:npm/left-pad@1.3.0" in overlap', 'true'],
    ['gates.vulnerability == "fail" && gates.license == "pass" && gates.version == "none"', 'true'],
    ['content.components.exists(c, c.name == "openssl" && c.version == "3.0.13")', 'true'],
    ['content.components.all(c, c.purl.startsWith("pkg:npm/"))', 'true'],
    ['content.components.exists(c, c.licenses.exists(l, l == "AGPL-3.0-only"))', 'true'],
    ['content.components.exists_one(c, "MIT" in c.licenses)', 'true'],
    ['content.components.filter(c, c.purl in overlap).size() == 1', 'true'],
    ['content.components.map(c, c.name) == ["openssl", "left-pad"]', 'true'],
    ['content.vulnerabilities.exists(v, v.severity == "high" && v.status != "not_affected")', 'true'],
    ['"ci" in content.signers && size(content.layerTypes) == 1 && "MIT" in content.licenses', 'true'],
    ['content.components[0].name == "openssl"', 'true'],
    ['content.components[9].name == "openssl"', 'error'],
    ['content.components[9].name == "openssl" && event.tag == "v2"', 'false'],
    ['event.tag == "v2" && content.components[9].name == "openssl"', 'false'],
    ['int(event.tag) == 1', 'error'],
    ['int(event.tag) == 1 || event.tag == "v1"', 'true'],
    ['event.tag == "v1" ? delegated : false', 'true'],
    ['((event.index + 1) * 2 == 16) && (event.index - (event.index - 1) == 1)', 'true'],
    ['string(event.index) == "7" && double(event.index) == 7.0', 'true']
  ]
  it.each(table)('VERDICT-13 %j is %s, natively, in cel-js and in @bufbuild/cel', (condition, value) => {
    const [fast, plain] = [compile(condition), compile(condition, false)]
    if (fast === undefined || plain === undefined) throw new Error(`refused: ${condition}`)
    expect(asCel[evaluate(fast, fetched)]).toBe(value)
    expect(asCel[evaluate(plain, fetched)]).toBe(value)
    expect(secondOpinion(condition, fetched)).toBe(value)
  })

  const examples = [
    'event.type == "sbom.published" && signer.roles.exists(r, r == "builder") && overlap.size() > 0',
    'event.type == "sbom.published"',
    'event.type == "manifest.published" && delegated && gates.vulnerability == "pass"',
    'delegated && event.path.startsWith("edge/eu/")',
    'event.type == "receipt.issued" && signer.roles.exists(r, r == "relay")',
    'event.type == "job.submitted" && signer.roles.exists(r, r == "submitter") && budgetLeft > 0.0',
    'event.type == "job.submitted" && signer.roles.exists(r, r == "guest") && budgetLeft > 0.0 && peer.reputation >= 0.0',
    'event.type == "usage.receipt" && event.signatures >= 2.0'
  ]
  it.each(examples)('VERDICT-13 of the example trust files: %s', (condition) => {
    const compiled = compile(condition) as CompiledRule
    holds(
      fc.property(anyFacts, (facts) => {
        if (isComplete(facts)) expect(asCel[evaluate(compiled, facts)]).toBe(secondOpinion(condition, facts))
      })
    )
  })

  it('VERDICT-13 have one value natively, in cel-js and in @bufbuild/cel', () => {
    holds(
      fc.property(anyCondition, anyFacts, (condition, facts) => {
        const [fast, plain] = [compile(condition), compile(condition, false)]
        if (fast === undefined || plain === undefined || !isComplete(facts)) return
        const value = asCel[evaluate(fast, facts)]
        expect(value).toBe(asCel[evaluate(plain, facts)])
        expect(value).toBe(secondOpinion(condition, facts))
      })
    )
  })

  it('VERDICT-14 fall into the parts that && joins', () => {
    const texts = (condition: string): readonly string[] => compile(condition)?.conjuncts.map(({ text }) => text) ?? []
    expect(texts('event.type == "a.b" && (delegated || event.index - (event.index - 1) == 1) && overlap.size() > 0')).toEqual([
      'event.type == "a.b"',
      'delegated || event.index - (event.index - 1) == 1',
      'overlap.size() > 0'
    ])
    expect(texts('(event.index + 1) * 2 == 4 && !(delegated && event.tag == ")")')).toEqual([
      '(event.index + 1) * 2 == 4',
      '!(delegated && event.tag == ")")'
    ])
  })

  it('VERDICT-15 wait for content only where no part without content is false', () => {
    const outcome = (condition: string): Outcome => evaluate(compile(condition) as CompiledRule, waiting)
    expect(outcome('overlap.size() > 0 && event.type == "a.b"')).toBe('fails')
    expect(outcome('event.type == "sbom.published" && overlap.size() > 0')).toBe('waits')
    expect(outcome('gates.license == "pass"')).toBe('waits')
    expect(outcome('int(event.tag) == 1 && "MIT" in content.licenses')).toBe('waits')
    expect(outcome('int(event.tag) == 1')).toBe('error')
    const compiled = compile('event.type == "sbom.published" && int(event.tag) == 1 && overlap.size() > 0') as CompiledRule
    expect(conjunctValues(compiled, waiting).map(({ value }) => value)).toEqual(['true', 'error', 'unknown'])
  })

  it('VERDICT-15 that fail without content fail with any', () => {
    holds(
      fc.property(anyCondition, anyCase, (condition, one) => {
        const compiled = compile(condition)
        if (compiled === undefined) return
        const bare = factsOf({ ...one.evidence, content: undefined }, trustFile(), one.standing)
        const outcome = evaluate(compiled, bare)
        const full = factsOf(one.evidence, trustFile(), one.standing)
        if (outcome !== 'waits') expect(evaluate(compiled, full)).toBe(outcome)
      })
    )
  })

  it('VERDICT-16 over lists that are too long, or walked too often, are errors', () => {
    const many = (count: number): Facts => ({
      ...fetched,
      content: {
        ...someContent,
        components: Array.from({ length: count }, (_, i) => ({ name: `c${i}`, version: '1', purl: `pkg:a/c${i}`, licenses: [] }))
      }
    })
    for (const native of [true, false]) {
      const one = compile('content.components.exists(c, c.name == "none")', native) as CompiledRule
      expect(evaluate(one, many(20_000))).toBe('fails')
      expect(evaluate(one, many(20_001))).toBe('error')
      const squared = compile(
        'content.components.exists(c, content.components.exists(d, c.name == d.purl))',
        native
      ) as CompiledRule
      expect(evaluate(squared, many(100))).toBe('fails')
      expect(evaluate(squared, many(20_000))).toBe('error')
      const asked = compile('content.components.all(c, c.purl in content.licenses)', native) as CompiledRule
      expect(evaluate(asked, many(20_000))).toBe('fails')
    }
  })
})
