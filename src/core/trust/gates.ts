import type { Component, Content, Vulnerability } from './facts.ts'
import type { TrustGates } from './file.ts'
import { type LicenseLists, licenseTest } from './license.ts'
import { packageKey, parsePurl, type Purl, purlCovers } from './purl.ts'
import { type InRange, rangeTest, type RangeTest } from './version-range.ts'

/** What a gate says: `none` where there is nothing for it to judge. */
export type GateResult = 'pass' | 'fail' | 'none'

/** A VEX statement, or a vulnerability that a document speaks of. */
export interface VexStatement extends Vulnerability {
  /** the parts of its products that it is about; none: the products themselves */
  readonly subcomponents?: readonly string[]
}

/** A VEX statement and the roles of whoever made it. */
export interface AttributedVex {
  readonly statement: VexStatement
  readonly roles: readonly string[]
}

type VulnerabilityGate = NonNullable<TrustGates['vulnerability']>

const severities: readonly Vulnerability['severity'][] = ['none', 'low', 'medium', 'high', 'critical']

/** Returns whether a severity is over the most that is let through; an unknown one is. */
function isOver(severity: Vulnerability['severity'], max: VulnerabilityGate['maxSeverity']): boolean {
  return severity === 'unknown' || severities.indexOf(severity) > severities.indexOf(max)
}

/** Returns what is said of a product's name: a package URL, taken apart, or the name as it stands. */
function nameOf(product: string): Purl | string {
  const purl = parsePurl(product)
  return typeof purl === 'string' ? product : purl
}

function covers(general: Purl | string, particular: Purl | string): boolean {
  if (typeof general === 'string' || typeof particular === 'string') return general === particular
  return purlCovers(general, particular)
}

/** Returns the digest that a `pkg:oci` or `pkg:docker` URL names, undefined for any other. */
function digestOfPurl(purl: Purl | string): string | undefined {
  return typeof purl !== 'string' && (purl.type === 'oci' || purl.type === 'docker') ? purl.version : undefined
}

/**
 * Returns a VEX statement as it is to be read beside a subject's own documents: what names the subject as its product is about all
 * of it, or about the parts that it names; undefined where it names other products only, and parts of those.
 * @param names package URLs and digests (`sha256:…`) of the subject
 */
export function aboutSubject(statement: VexStatement, names: readonly string[]): VexStatement | undefined {
  const { subcomponents = [], ...rest } = statement
  const known = names.map(nameOf)
  const digests = new Set(names)
  const namesSubject = statement.products.some((product) => {
    const name = nameOf(product)
    return digests.has(digestOfPurl(name) ?? product) || known.some((subject) => covers(name, subject))
  })
  if (namesSubject || statement.products.length === 0) return { ...rest, products: subcomponents }
  return subcomponents.length === 0 ? rest : undefined
}

interface Ranked {
  readonly order: number
  /** place of the best of its maker's roles in vexRoles; 0 is the highest */
  readonly rank: number
  readonly status: string
}

/** The statements on one vulnerability that count. */
interface Statements {
  readonly whole: Ranked[]
  readonly byProduct: Map<string, { readonly name: Purl | string; readonly ranked: Ranked }[]>
}

function keysOf(name: Purl | string): readonly string[] {
  if (typeof name === 'string') return [name]
  const key = packageKey(name)
  return name.version === '' ? [key] : [key, `${key}\n${name.version}`]
}

/** Sorts the statements that count by vulnerability: those of a role in vexRoles; not_affected only where it says why. */
function statementsById(vex: readonly AttributedVex[], gate: VulnerabilityGate): ReadonlyMap<string, Statements> {
  const found = new Map<string, Statements>()
  for (const [order, { statement, roles }] of vex.entries()) {
    const rank = gate.vexRoles.findIndex((role) => roles.includes(role))
    if (rank === -1 || statement.status === '') continue
    if (statement.status === 'not_affected' && statement.justification.trim() === '') continue
    // about parts of a product that was not seen to be the subject
    if (statement.subcomponents !== undefined && statement.subcomponents.length > 0) continue
    const statements: Statements = found.get(statement.id) ?? { whole: [], byProduct: new Map() }
    found.set(statement.id, statements)
    const ranked = { order, rank, status: statement.status }
    if (statement.products.length === 0) statements.whole.push(ranked)
    for (const product of statement.products) {
      const name = nameOf(product)
      const key = keysOf(name).at(-1) as string
      const bucket = statements.byProduct.get(key)
      if (bucket === undefined) statements.byProduct.set(key, [{ name, ranked }])
      else bucket.push({ name, ranked })
    }
  }
  return found
}

/** Returns the status that stands in the end: a later statement overrides an earlier one of an equal or lower role only. */
function standing(ranked: readonly Ranked[]): string | undefined {
  let last: Ranked | undefined
  for (const next of ranked.toSorted((a, b) => a.order - b.order)) if (last === undefined || next.rank <= last.rank) last = next
  return last?.status
}

function statusOf(statements: Statements | undefined, product: string | undefined): string | undefined {
  if (statements === undefined) return undefined
  if (product === undefined) return standing(statements.whole)
  const name = nameOf(product)
  const about = keysOf(name).flatMap((key) => statements.byProduct.get(key) ?? [])
  return standing([...statements.whole, ...about.filter((item) => covers(item.name, name)).map(({ ranked }) => ranked)])
}

/** A VEX document says something of others; who may say it is a matter of rules, not of this gate. */
function isVexAlone({ components, vulnerabilities }: Content): boolean {
  return components.length === 0 && vulnerabilities.length > 0 && vulnerabilities.every(({ status }) => status !== '')
}

/**
 * Judges the vulnerabilities that a content speaks of: `fail` where one is over the gate's maxSeverity (an unknown severity is) and
 * for one of its products no VEX statement stands whose status is in unlessVex. What the content itself says of its status does not
 * count, unless it is in `vex` too.
 * @param vex in the order in which they were made, read with aboutSubject; those without a role in vexRoles do not count
 * @param gate undefined: `none`
 */
export function gateVulnerability(
  content: Content,
  vex: readonly AttributedVex[],
  gate: TrustGates['vulnerability']
): GateResult {
  if (gate === undefined || isVexAlone(content)) return 'none'
  const byId = statementsById(vex, gate)
  const cancels = new Set(gate.unlessVex)
  for (const { id, products, severity } of content.vulnerabilities) {
    if (!isOver(severity, gate.maxSeverity)) continue
    const statements = byId.get(id)
    const about = products.length === 0 ? [undefined] : products
    if (!about.every((product) => cancels.has(statusOf(statements, product) ?? ''))) return 'fail'
  }
  return 'pass'
}

/**
 * Judges the licences of a content's components: `fail` where one is denied and no alternative of it is not.
 * @param gate undefined: `none`, as for a content without components
 * @see licenseTest
 */
export function gateLicense(content: Content, gate: LicenseLists | undefined): GateResult {
  if (gate === undefined || content.components.length === 0) return 'none'
  const passes = licenseTest(gate)
  return content.components.every(({ licenses }) => passes(licenses)) ? 'pass' : 'fail'
}

/** A package of which versions are denied: `{purl: "pkg:npm/openssl-wrapper", deny: "vers:npm/<3.0.14"}` */
export interface DeniedVersions {
  readonly purl: string
  readonly deny: string
}

/** RPM's epoch is a qualifier of the package URL, and part of the version in a range. */
function versionsOf({ type, version, qualifiers }: Purl, component: Component): readonly string[] {
  const epoch = type === 'rpm' ? (qualifiers.get('epoch') ?? '') : ''
  const spelled = [version, component.version].filter((text) => text !== '')
  return [...new Set(spelled.map((text) => (epoch === '' || text.includes(':') ? text : `${epoch}:${text}`)))]
}

function deniedBy(test: RangeTest, versions: readonly string[]): InRange {
  const found = (versions.length === 0 ? [''] : versions).map(test)
  if (found.includes('in')) return 'in'
  return found.includes('unknown') ? 'unknown' : 'out'
}

/**
 * Judges the versions of components: `fail` where one is of a denied package, and in its range or not to be compared with it.
 * Where a component has one version in its package URL and another beside it, both count.
 * @returns `none` where there are no components or nothing is denied
 */
export function gateVersion(components: readonly Component[], denied: readonly DeniedVersions[]): GateResult {
  if (denied.length === 0 || components.length === 0) return 'none'
  const byPackage = new Map<string, RangeTest[]>()
  for (const { purl, deny } of denied) {
    const parsed = parsePurl(purl)
    // a trust file with another text is not loaded
    if (typeof parsed === 'string') continue
    const key = packageKey(parsed)
    byPackage.set(key, [...(byPackage.get(key) ?? []), rangeTest(deny)])
  }
  for (const component of components) {
    const purl = parsePurl(component.purl)
    if (typeof purl === 'string') continue
    const tests = byPackage.get(packageKey(purl))
    if (tests === undefined) continue
    const versions = versionsOf(purl, component)
    if (tests.some((test) => deniedBy(test, versions) !== 'out')) return 'fail'
  }
  return 'pass'
}
