import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const project = join(import.meta.dirname, '..')
const folder = join(project, 'protocols')
const readme = readFileSync(join(folder, 'README.md'), 'utf8')
const rows = [...readme.matchAll(/^\| \[[^\]]+\]\(([^)]+)\).*$/gm)].map(([row, page = '']) => ({ row, page }))

describe('protocols/README.md', () => {
  it('has a row for each page', () => {
    const pages = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md')
    expect(pages.length).toBeGreaterThan(4)
    expect(rows.map(({ page }) => page).toSorted()).toEqual(pages.toSorted())
  })

  it.each(rows)('$page: page, source and vectors of its row are there', ({ row, page }) => {
    const [, , version, source = '', vectors = '', state] = row.split('|').map((cell) => cell.trim())
    expect(existsSync(join(folder, page)), page).toBe(true)
    expect(version).toMatch(/^[0-9]+$/)
    expect(readFileSync(join(folder, page), 'utf8')).toMatch(new RegExp(`^# .*, version ${version}\n`))
    for (const [, file = ''] of source.matchAll(/`([^`]+)`/g)) expect(existsSync(join(project, 'src', file)), file).toBe(true)
    for (const [, file = ''] of vectors.matchAll(/`([^`]+)`/g)) expect(existsSync(join(folder, file)), file).toBe(true)
    expect(state).toMatch(/^(?:draft|stable)$/)
  })

  it('and the pages link to files that are there', () => {
    for (const page of readdirSync(folder).filter((name) => name.endsWith('.md'))) {
      const links = readFileSync(join(folder, page), 'utf8').matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)
      for (const [, target = ''] of links) expect(existsSync(join(folder, target)), `${page}: ${target}`).toBe(true)
    }
  })
})
