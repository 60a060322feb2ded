import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { didOf, type TrustFile, utf8 } from '../../src/core/index.ts'
import { compileTrustBytes, diffTrust } from '../../src/trust/index.ts'
import { sampleSigner } from '../core/sample.ts'
import { exampleBytes, exampleNames } from './examples.ts'

const did = (name: string): string => didOf(sampleSigner(name).publicKey)
const head = 'apiVersion: rejoin/v1\nkind: TrustPolicy\n'
const file = (text: string): TrustFile => compileTrustBytes(utf8(`${head}${text}`)).file
const words = (before: TrustFile, after: TrustFile): readonly string[] =>
  diffTrust(before, after).map(({ part, name, change, text }) => `${part} ${name} ${change}: ${text}`)

const people = (names: readonly string[], more = ''): string =>
  `keys:\n${names.map((name) => `  ${name}: {did: "${did(name)}"}\n`).join('')}identities:\n${names.map((name) => `  ${name}: {keys: [${name}]}\n`).join('')}${more}`
const rules = (ids: readonly string[], verdict = 'keep'): string =>
  `rules:\n${ids.map((id) => `  - {id: ${id}, when: 'event.type == "${id}.x"', verdict: ${verdict}}\n`).join('')}default: hold\n`

describe('the difference of two trust files', () => {
  it.each(exampleNames)('CLI-8 is nothing for one file and itself: %s', (name) => {
    const one = compileTrustBytes(exampleBytes(name)).file
    expect(diffTrust(one, one)).toEqual([])
  })

  it('CLI-8 names identities, keys and what of them changed', () => {
    const after = file(
      `keys:\n  alice: {did: "${did('alice')}", until: 2027-01-01}\n  bob: {did: "${did('bob')}"}\nidentities: {alice: {keys: [alice], roles: [builder]}, bob: {keys: [bob]}}\n`
    )
    expect(words(file(people(['alice', 'carol'])), after)).toEqual([
      `key carol removed: did ${did('carol')}`,
      'key alice changed: until is now 2027-01-01T00:00:00Z',
      `key bob added: did ${did('bob')}`,
      'identity carol removed: keys carol',
      'identity alice changed: roles gains builder',
      'identity bob added: keys bob'
    ])
  })

  it('CLI-8 names delegations, lists, limits, gates, freshness and the default', () => {
    const before = file(
      people(
        ['alice'],
        'delegations: [{from: root, to: alice, paths: ["apps/**"]}]\nmediaTypes: {allow: ["text/*"]}\ngates: {license: {deny: ["MIT"]}}\n'
      )
    )
    const after = file(
      people(
        ['alice'],
        'delegations: [{from: root, to: alice, paths: ["apps/web/**"], threshold: 1}]\nmediaTypes: {deny: ["image/*"]}\nlimits: {entryBytes: 4096}\nfreshness: {warnAfter: 36h}\nrules: []\ndefault: refuse\n'
      )
    )
    expect(words(before, after)).toEqual([
      'delegation root → alice changed: paths gains apps/web/**; paths loses apps/**',
      'list mediaTypes changed: allow gains all; allow loses text/*; deny gains image/*',
      'limit entryBytes changed: value was 65535 and is 4096',
      'gate license removed: deny MIT',
      'freshness warnAfter changed: value was never and is 1.5 days',
      'rule rules added: known identities are no longer relayed without a rule',
      'default default changed: verdict is now refuse'
    ])
  })

  it('CLI-8 says where an added rule stands, and of a new order only what moved', () => {
    const before = file(people(['alice'], rules(['a', 'b', 'c', 'd'])))
    const after = file(people(['alice'], rules(['d', 'a', 'new', 'c'])))
    expect(words(before, after)).toEqual([
      'rule b removed: condition event.type == "b.x"; verdict keep; on error hold',
      'rule new added: condition event.type == "new.x"; verdict keep; on error hold; after a',
      'rule d moved: now first, before a'
    ])
    expect(words(before, file(people(['alice'], rules(['a', 'b', 'c', 'd'], 'relay'))))).toEqual(
      ['a', 'b', 'c', 'd'].map((id) => `rule ${id} changed: verdict was keep and is relay`)
    )
    expect(words(before, file(people(['alice'])))).toContain('rule rules removed: every event of a known identity is relayed')
  })

  it('moves only rules that are out of order, and so few that the others are in order', () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    const before = file(people(['alice'], rules(ids)))
    fc.assert(
      fc.property(fc.shuffledSubarray(ids, { minLength: 1 }), (order) => {
        const moved = new Set(
          diffTrust(before, file(people(['alice'], rules(order)))).flatMap(({ change, name }) =>
            change === 'moved' ? [name] : []
          )
        )
        const stay = order.filter((id) => !moved.has(id))
        expect(stay).toEqual(stay.toSorted())
        expect(moved.size).toBeLessThan(order.length)
      })
    )
  })
})
