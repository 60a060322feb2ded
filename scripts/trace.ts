// Lists every numbered requirement of protocols/*.md that no file of test/ cites: node scripts/trace.ts [PROJECT]. Exits 1 where there is any.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { argv, exit, stdout } from 'node:process'

/** Pages that have no requirements of their own. */
const withoutRequirements: ReadonlySet<string> = new Set(['README.md'])
/** A requirement's number where it is defined: the first word of a list item, table row or heading, or in bold at the start of a line. */
const definition = /^[ \t]*(?:(?:[-*] +|\| *|#+ +)[*_`]*|[*_`]+)([A-Z]{3,})-([0-9]+)\b/gm
const citation = /\b([A-Z]{3,})-([0-9]+)\b/g

/** What scripts/trace finds. */
export interface Trace {
  /** requirements that were found */
  readonly count: number
  /** what is wrong, one line each */
  readonly faults: readonly string[]
}

/** Returns whether a prefix belongs to a page: its name begins with it, as blobs.md does with BLOB. So UTF-8 is no requirement. */
function belongsTo(prefix: string, page: string): boolean {
  return page.startsWith(prefix.toLowerCase())
}

function citedBelow(folder: string): ReadonlySet<string> {
  const cited = new Set<string>()
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !/\.(?:ts|md|json|py|sh)$/.test(entry.name)) continue
    for (const [number] of readFileSync(join(entry.parentPath, entry.name), 'utf8').matchAll(citation)) cited.add(number)
  }
  return cited
}

/** Returns the requirements of a project without a test, defined twice, and pages without any. */
export function trace(project: string): Trace {
  const folder = join(project, 'protocols')
  const cited = citedBelow(join(project, 'test'))
  const faults: string[] = []
  const defined = new Set<string>()
  for (const page of readdirSync(folder).filter((name) => name.endsWith('.md') && !withoutRequirements.has(name))) {
    const text = readFileSync(join(folder, page), 'utf8')
    let own = 0
    for (const match of text.matchAll(definition)) {
      const [, prefix = '', number] = match
      if (!belongsTo(prefix, page)) continue
      const name = `${prefix}-${number}`
      const where = `protocols/${page}:${text.slice(0, match.index).split('\n').length}`
      own++
      if (defined.has(name)) faults.push(`${where}: ${name} is defined twice`)
      else if (!cited.has(name)) faults.push(`${where}: ${name} has no test`)
      defined.add(name)
    }
    if (own === 0) faults.push(`protocols/${page}: no numbered requirement`)
  }
  const prefixes = new Set([...defined].map((name) => name.slice(0, name.indexOf('-'))))
  for (const name of cited)
    if (prefixes.has(name.slice(0, name.indexOf('-'))) && !defined.has(name))
      faults.push(`test: ${name} is cited but not defined`)
  if (defined.size === 0) faults.push('no requirement was found at all')
  return { count: defined.size, faults }
}

if (argv[1] === import.meta.filename) {
  const project = resolve(argv[2] ?? join(import.meta.dirname, '..'))
  const { count, faults } = trace(project)
  for (const fault of faults) stdout.write(`${fault}\n`)
  stdout.write(`trace: ${count} requirements in ${relative('.', join(project, 'protocols')) || '.'}, ${faults.length} faults\n`)
  exit(faults.length > 0 ? 1 : 0)
}
