import type { Component } from '../core/index.ts'
import { type ContentDraft, itemCounter } from './content-draft.ts'
import { bomEvent } from './cyclonedx.ts'
import { addBomVulnerability, type BomVulnerability } from './cyclonedx-content.ts'
import { isBomNamespace } from './cyclonedx-xml.ts'
import { scanXml } from './xml.ts'

interface ComponentDraft {
  name: string
  version: string
  purl: string
  readonly ref: string
  readonly licenses: string[]
  /** not one of a pedigree */
  readonly isListed: boolean
  readonly isAbout: boolean
}

interface VulnerabilityDraft extends BomVulnerability {
  id: string
  state: string
  justification: string
  detail: string
  readonly ratings: { severity?: string; score?: number; method?: string }[]
  readonly refs: string[]
}

/** Elements of each of which something is kept. */
const countedElements: ReadonlySet<string> = new Set(['component', 'vulnerability', 'rating', 'target', 'license', 'expression'])

/** Takes the text of an element inside a component; the path ends with its name. */
function takeOfComponent(component: ComponentDraft, path: readonly string[], text: string): void {
  const [fourth, third, second, name] = path.slice(-4)
  if (second === 'component') {
    if (name === 'name' && component.name === '') component.name = text
    if (name === 'version' && component.version === '') component.version = text
    if (name === 'purl' && component.purl === '') component.purl = text
  }
  // not those of evidence, which come one level deeper
  if (fourth === 'component' && third === 'licenses' && second === 'license' && (name === 'id' || name === 'name'))
    component.licenses.push(text)
  if (third === 'component' && second === 'licenses' && name === 'expression') component.licenses.push(text)
}

/** Takes the text of an element inside bom/vulnerabilities/vulnerability. */
function takeOfVulnerability(found: VulnerabilityDraft, path: readonly string[], text: string): void {
  const inner = path.slice(3).join('/')
  const rating = found.ratings.at(-1)
  if (inner === 'id') found.id = text
  if (inner === 'analysis/state') found.state = text
  if (inner === 'analysis/justification') found.justification = text
  if (inner === 'analysis/detail') found.detail = text
  if (inner === 'affects/target/ref' && text !== '') found.refs.push(text)
  if (rating === undefined) return
  if (inner === 'ratings/rating/severity') rating.severity = text
  if (inner === 'ratings/rating/score' && /^[0-9]+(?:\.[0-9]+)?$/.test(text)) rating.score = Number(text)
  if (inner === 'ratings/rating/method') rating.method = text
}

/**
 * Reads a CycloneDX document in XML; elements of other namespaces are passed over.
 * @returns false where it is other XML
 * @throws E_XML E_TOO_DEEP E_TOO_LARGE
 */
export function cyclonedxXmlContent(text: string, draft: ContentDraft): boolean {
  let isBom = false
  let bomNamespace = ''
  const isOurs: boolean[] = []
  const open: ComponentDraft[] = []
  const components: ComponentDraft[] = []
  const vulnerabilities: VulnerabilityDraft[] = []
  let listsComponents = false
  const count = itemCounter('components, vulnerabilities, licences, ratings and references')
  scanXml(text, {
    open: (path, namespace, attributes) => {
      if (path.length === 1) {
        isBom = path[0] === 'bom' && isBomNamespace(namespace)
        bomNamespace = namespace
      }
      const ours = namespace === bomNamespace && isOurs.at(-1) !== false
      isOurs.push(ours)
      if (!ours || !isBom) return
      const [parent, name] = path.slice(-2)
      if (countedElements.has(name ?? '')) count(1)
      if (name === 'component') {
        const isAbout = path.length === 3 && parent === 'metadata'
        const isListed = isAbout || (parent === 'components' && open.every((outer) => outer.isListed))
        const ref = attributes.get('bom-ref') ?? ''
        const component: ComponentDraft = { name: '', version: '', purl: '', ref, licenses: [], isListed, isAbout }
        open.push(component)
        if (isListed) components.push(component)
        if (path.length === 3 && parent === 'components') listsComponents = true
      }
      if (path.length === 3 && path[1] === 'vulnerabilities' && name === 'vulnerability')
        vulnerabilities.push({ id: '', ratings: [], state: '', justification: '', detail: '', refs: [] })
      if (path.length === 5 && parent === 'ratings' && name === 'rating') vulnerabilities.at(-1)?.ratings.push({})
    },
    close: (path, own) => {
      if (isOurs.pop() === false || !isBom) return
      if (path.at(-1) === 'component') {
        open.pop()
        return
      }
      const component = open.at(-1)
      const found = path[1] === 'vulnerabilities' ? vulnerabilities.at(-1) : undefined
      if (component !== undefined) takeOfComponent(component, path, own.trim())
      else if (found !== undefined) takeOfVulnerability(found, path, own.trim())
    }
  })
  if (!isBom) return false
  addAll(components, vulnerabilities, bomEvent(vulnerabilities.length > 0, listsComponents) === 'vex.published', draft)
  return true
}

function addAll(
  components: readonly ComponentDraft[],
  vulnerabilities: readonly VulnerabilityDraft[],
  isVex: boolean,
  draft: ContentDraft
): void {
  const purlOf = new Map<string, string>()
  for (const { name, version, purl, ref, licenses, isAbout } of components) {
    if (ref !== '' && purl !== '') purlOf.set(ref, purl)
    const component: Component = { name, version, purl, licenses: licenses.filter((license) => license !== '') }
    if (!(isVex && isAbout)) draft.addComponent(component)
  }
  for (const found of vulnerabilities) addBomVulnerability(found, purlOf, draft)
}
