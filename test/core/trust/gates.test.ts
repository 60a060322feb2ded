import { array, boolean, constantFrom, property, record, tuple } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  aboutSubject,
  type AttributedVex,
  type Component,
  type Content,
  gateLicense,
  gateVersion,
  gateVulnerability,
  type VexStatement
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'

const component: Component = { name: 'a', version: '1.0.0', purl: 'pkg:npm/a@1.0.0', licenses: [] }
const about = (parts: Partial<Content>): Content => ({
  components: [component],
  vulnerabilities: [],
  licenses: [],
  layerTypes: [],
  signers: [],
  ...parts
})
const found = (parts: Partial<VexStatement> = {}): VexStatement => ({
  id: 'CVE-1',
  products: ['pkg:npm/a@1.0.0'],
  severity: 'critical',
  status: '',
  justification: '',
  ...parts
})
const vex = (parts: Partial<VexStatement>, ...roles: readonly string[]): AttributedVex => ({
  statement: found({ severity: 'unknown', products: [], justification: 'component_not_present', ...parts }),
  roles: roles.length === 0 ? ['vendor'] : roles
})
const gate = { maxSeverity: 'high', unlessVex: ['not_affected', 'fixed'], vexRoles: ['security', 'vendor'] } as const
const judge = (vulnerability: VexStatement, ...statements: readonly AttributedVex[]): string =>
  gateVulnerability(about({ vulnerabilities: [vulnerability] }), statements, gate)

describe('CONTENT-9: the gate of vulnerabilities', () => {
  it.each([
    ['none', 'pass'],
    ['low', 'pass'],
    ['high', 'pass'],
    ['critical', 'fail'],
    ['unknown', 'fail']
  ] as const)('%s under a limit of high: %s', (severity, expected) => {
    expect(judge(found({ severity }))).toBe(expected)
    expect(judge(found({ severity, products: [] }))).toBe(expected)
  })

  it('passes what has no vulnerability, and says none where there is no gate', () => {
    expect(gateVulnerability(about({}), [], gate)).toBe('pass')
    expect(gateVulnerability(about({ components: [] }), [], gate)).toBe('pass')
    expect(gateVulnerability(about({ vulnerabilities: [found()] }), [], undefined)).toBe('none')
  })

  it('does not judge VEX documents, which have no components and a status for all that they name', () => {
    const statements = [found({ status: 'affected' }), found({ status: 'fixed' })]
    expect(gateVulnerability(about({ components: [], vulnerabilities: statements }), [], gate)).toBe('none')
    expect(gateVulnerability(about({ components: [], vulnerabilities: [...statements, found()] }), [], gate)).toBe('fail')
  })

  it('does not take the word of the content itself', () => {
    expect(judge(found({ status: 'not_affected', justification: 'component_not_present' }))).toBe('fail')
  })
})

describe('CONTENT-10: VEX statements', () => {
  it('cancel with a status in unlessVex, of a role in vexRoles', () => {
    expect(judge(found(), vex({ status: 'not_affected' }))).toBe('pass')
    expect(judge(found(), vex({ status: 'fixed' }))).toBe('pass')
    expect(judge(found(), vex({ status: 'affected' }))).toBe('fail')
    expect(judge(found(), vex({ status: 'under_investigation' }))).toBe('fail')
    expect(judge(found(), vex({ status: 'fixed' }, 'builder'))).toBe('fail')
    expect(judge(found(), vex({ status: 'fixed' }, 'builder', 'vendor'))).toBe('pass')
    expect(judge(found(), vex({ id: 'CVE-2', status: 'fixed' }))).toBe('fail')
  })

  it('not_affected without justification or impact statement does not count', () => {
    expect(judge(found(), vex({ status: 'not_affected', justification: '' }))).toBe('fail')
    expect(judge(found(), vex({ status: 'not_affected', justification: ' ' }))).toBe('fail')
    expect(judge(found(), vex({ status: 'affected' }), vex({ status: 'not_affected', justification: '' }))).toBe('fail')
    expect(judge(found(), vex({ status: 'fixed', justification: '' }))).toBe('pass')
  })

  it('later overrides earlier from an equal or higher role only', () => {
    const [affected, fixed] = [{ status: 'affected' }, { status: 'fixed' }]
    expect(judge(found(), vex(affected, 'vendor'), vex(fixed, 'vendor'))).toBe('pass')
    expect(judge(found(), vex(fixed, 'vendor'), vex(affected, 'vendor'))).toBe('fail')
    expect(judge(found(), vex(affected, 'security'), vex(fixed, 'vendor'))).toBe('fail')
    expect(judge(found(), vex(affected, 'vendor'), vex(fixed, 'security'))).toBe('pass')
    expect(judge(found(), vex(fixed, 'security'), vex(affected, 'vendor'))).toBe('pass')
  })

  it('are about the products that they name, and all versions and qualifiers of them that they leave open', () => {
    const fixed = (...products: readonly string[]): AttributedVex => vex({ status: 'fixed', products })
    expect(judge(found(), fixed('pkg:npm/a'))).toBe('pass')
    expect(judge(found(), fixed('pkg:npm/a@1.0.0'))).toBe('pass')
    expect(judge(found(), fixed('pkg:npm/a@1.0.1'))).toBe('fail')
    expect(judge(found(), fixed('pkg:npm/b'))).toBe('fail')
    expect(judge(found({ products: ['pkg:npm/a@1.0.0', 'pkg:npm/b@1'] }), fixed('pkg:npm/a'))).toBe('fail')
    expect(judge(found({ products: ['pkg:npm/a@1.0.0', 'pkg:npm/b@1'] }), fixed('pkg:npm/a'), fixed('pkg:npm/b'))).toBe('pass')
    expect(judge(found({ products: ['pkg:apk/a@1?arch=x86'] }), fixed('pkg:apk/a@1?arch=armv7'))).toBe('fail')
    expect(judge(found({ products: ['CSAFPID-1'] }), fixed('CSAFPID-1'))).toBe('pass')
    // what is said of all of the document is not cancelled by what is said of a part
    expect(judge(found({ products: [] }), fixed('pkg:npm/a'))).toBe('fail')
    expect(judge(found({ products: [] }), fixed())).toBe('pass')
    // a part of a product that nobody saw to be the subject
    expect(judge(found(), vex({ status: 'fixed', products: [], subcomponents: ['pkg:npm/a'] }))).toBe('fail')
  })

  it('are read beside a subject: its own name means all of it, or the parts that are named', () => {
    const digest = `sha256:${'a'.repeat(64)}`
    const names = [digest, 'pkg:oci/app?repository_url=x']
    const image = `pkg:oci/app@${encodeURIComponent(digest)}`
    const read = (products: readonly string[], subcomponents?: readonly string[]): readonly string[] | undefined =>
      aboutSubject(found({ products, ...(subcomponents && { subcomponents }) }), names)?.products
    expect(read([image])).toEqual([])
    expect(read([digest])).toEqual([])
    expect(read([])).toEqual([])
    expect(read(['pkg:oci/app'])).toEqual([])
    expect(read([image], ['pkg:npm/a'])).toEqual(['pkg:npm/a'])
    expect(read(['pkg:npm/a'])).toEqual(['pkg:npm/a'])
    expect(read([`pkg:oci/app@sha256%3A${'b'.repeat(64)}`], ['pkg:npm/a'])).toBeUndefined()
  })

  const statement = record({
    status: constantFrom('not_affected', 'fixed', 'affected', 'under_investigation'),
    role: constantFrom('security', 'vendor', 'builder'),
    products: constantFrom([], ['pkg:npm/a'], ['pkg:npm/b']),
    justified: boolean()
  }).map(({ status, role, products, justified }) => vex({ status, products, justification: justified ? 'x' : '' }, role))
  it('of others than vexRoles change nothing, and without any of theirs nothing is cancelled', () => {
    holds(
      property(array(statement, { maxLength: 8 }), (statements) => {
        const counted = statements.filter(({ roles }) => !roles.includes('builder'))
        expect(judge(found(), ...statements)).toBe(judge(found(), ...counted))
        if (counted.length === 0) expect(judge(found(), ...statements)).toBe('fail')
      })
    )
  })

  it('as many as there are, take time that grows with their number only', () => {
    const products = Array.from({ length: 20_000 }, (_, i) => `pkg:npm/p${i}@1.0.0`)
    expect(judge(found({ products }), vex({ status: 'fixed', products }))).toBe('pass')
  })
})

describe('CONTENT-11: the gate of licences', () => {
  const deny = ['AGPL-3.0-only', 'SSPL-1.0']
  const judgeLicenses = (allow: readonly string[], ...licenses: readonly string[]): string =>
    gateLicense(about({ components: [{ ...component, licenses }] }), { allow, deny })

  it.each([
    ['MIT', 'pass'],
    ['AGPL-3.0-only', 'fail'],
    ['agpl-3.0-only', 'fail'],
    ['AGPL-3.0', 'fail'],
    ['AGPL-3.0+', 'fail'],
    ['AGPL-3.0-or-later', 'fail'],
    ['AGPL-3.0-only WITH Classpath-exception-2.0', 'fail'],
    ['AGPL-3.0-only OR MIT', 'pass'],
    ['MIT or AGPL-3.0-only', 'pass'],
    ['AGPL-3.0-only OR SSPL-1.0', 'fail'],
    ['MIT AND AGPL-3.0-only', 'fail'],
    ['MIT AND (AGPL-3.0-only OR Apache-2.0)', 'pass'],
    ['MIT OR ISC AND AGPL-3.0-only', 'pass'],
    ['(MIT OR ISC) AND AGPL-3.0-only', 'fail'],
    ['LicenseRef-own', 'pass'],
    ['DocumentRef-x:LicenseRef-own', 'pass'],
    ['The Apache License, Version 2.0', 'pass'],
    ['GNU (AGPL-3.0-only), see LICENSE', 'fail'],
    ['MIT OR', 'pass'],
    ['AGPL-3.0-only OR', 'fail'],
    [`${'('.repeat(100)}AGPL-3.0-only${')'.repeat(100)}`, 'fail'],
    [`${'('.repeat(2000)}MIT`, 'pass']
  ])('%s: %s', (text, expected) => expect(judgeLicenses([], text)).toBe(expected))

  it('takes several licences of a component as all of them', () => {
    expect(judgeLicenses([], 'MIT', 'AGPL-3.0-only')).toBe('fail')
    expect(judgeLicenses([], 'MIT', 'ISC')).toBe('pass')
    expect(judgeLicenses([])).toBe('pass')
  })

  it('with an allow list takes nothing else, and nothing without a licence', () => {
    const allow = ['MIT', 'Apache-2.0', 'GPL-2.0-only WITH Classpath-exception-2.0', 'AGPL-3.0-only']
    expect(judgeLicenses(allow, 'MIT')).toBe('pass')
    expect(judgeLicenses(allow, 'ISC')).toBe('fail')
    expect(judgeLicenses(allow, 'ISC OR MIT')).toBe('pass')
    expect(judgeLicenses(allow, 'GPL-2.0 WITH Classpath-exception-2.0')).toBe('pass')
    expect(judgeLicenses(allow, 'GPL-2.0-only')).toBe('fail')
    expect(judgeLicenses(allow, 'AGPL-3.0-only')).toBe('fail')
    expect(judgeLicenses(allow, 'some text')).toBe('fail')
    expect(judgeLicenses(allow)).toBe('fail')
  })

  it('says none where there is no gate or no component', () => {
    expect(gateLicense(about({}), undefined)).toBe('none')
    expect(gateLicense(about({ components: [] }), { allow: [], deny })).toBe('none')
  })

  const id = constantFrom('MIT', 'ISC', 'AGPL-3.0-only', 'AGPL-3.0-or-later', 'GPL-2.0+', 'GPL-2.0', 'a text of no kind')
  const expression = tuple(id, constantFrom(' AND ', ' OR ', ' WITH ', ' '), id).map((parts) => parts.join(''))
  it('adding a deny never turns fail into pass', () => {
    holds(
      property(array(expression), array(id), array(id), id, (licenses, allow, denied, more) => {
        const content = about({ components: [{ ...component, licenses }] })
        if (gateLicense(content, { allow, deny: denied }) === 'fail')
          expect(gateLicense(content, { allow, deny: [...denied, more] })).toBe('fail')
      })
    )
  })
})

describe('CONTENT-12: the gate of versions', () => {
  const denied = [{ purl: 'pkg:npm/openssl-wrapper', deny: 'vers:npm/<3.0.14' }]
  const judgeVersion = (purl: string, version = ''): string => gateVersion([component, { ...component, purl, version }], denied)

  it.each([
    ['pkg:npm/openssl-wrapper@3.0.13', '', 'fail'],
    ['pkg:npm/openssl-wrapper@3.0.13?x=y#z', '', 'fail'],
    ['pkg:NPM/openssl%2Dwrapper@3.0.13', '', 'fail'],
    ['pkg:npm/openssl-wrapper@3.0.14', '', 'pass'],
    ['pkg:npm/openssl-wrapper@3.0.14', '3.0.14', 'pass'],
    ['pkg:npm/openssl-wrapper@3.0.14', '3.0.1', 'fail'],
    ['pkg:npm/openssl-wrapper@3.0.14', 'a version', 'fail'],
    ['pkg:npm/openssl-wrapper', '3.0.1', 'fail'],
    ['pkg:npm/openssl-wrapper', '3.1.0', 'pass'],
    ['pkg:npm/openssl-wrapper', '', 'fail'],
    ['pkg:npm/other@3.0.1', '', 'pass'],
    ['pkg:npm/x/openssl-wrapper@3.0.1', '', 'pass'],
    ['openssl-wrapper@3.0.1', '', 'pass']
  ])('%s %s: %s', (purl, version, expected) => expect(judgeVersion(purl, version)).toBe(expected))

  it("knows RPM's epoch from the package URL", () => {
    const rpm = (purl: string): string =>
      gateVersion([{ ...component, purl, version: '' }], [{ purl: 'pkg:rpm/fedora/a', deny: 'vers:rpm/<1%3A2.0' }])
    expect(rpm('pkg:rpm/fedora/a@3.0-1')).toBe('fail')
    expect(rpm('pkg:rpm/fedora/a@3.0-1?epoch=1')).toBe('pass')
  })

  it('says none where nothing is denied, or there is no component', () => {
    expect(gateVersion([component], [])).toBe('none')
    expect(gateVersion([], denied)).toBe('none')
  })

  const purl = constantFrom('pkg:npm/a@1.0.0', 'pkg:npm/a@2.0.0', 'pkg:npm/a', 'pkg:npm/b@1.0.0', 'pkg:npm/b@x', 'none')
  const item = record({
    purl: constantFrom('pkg:npm/a', 'pkg:npm/b'),
    deny: constantFrom('vers:npm/<1.5.0', 'vers:npm/*', 'vers:npm/2.0.0', 'vers:what/1', 'broken')
  })
  it('adding a deny never turns fail into pass, and neither does adding a component', () => {
    holds(
      property(array(purl), array(item), item, purl, (purls, list, more, another) => {
        const components = purls.map((text) => ({ ...component, version: '', purl: text }))
        if (gateVersion(components, list) !== 'fail') return
        expect(gateVersion(components, [...list, more])).toBe('fail')
        expect(gateVersion([...components, { ...component, purl: another }], list)).toBe('fail')
      })
    )
  })
})
