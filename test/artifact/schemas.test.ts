import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sharedPath } from '../shared.ts'

const folder = join(import.meta.dirname, '../../protocols/schemas')
const files = readdirSync(folder, { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
  .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
  // written here, not copied: protocols/trust.md
  .filter((file) => file !== join('trust', 'trust.schema.json'))
const rows = [
  ...readFileSync(join(folder, 'SOURCES.md'), 'utf8').matchAll(
    /^\| `([^`]+\.json)` \| ([^|]+) \| `([^`]+)` \| `([0-9a-f]{12})` \| ([^|]+) \|$/gm
  )
]
const index = readFileSync(sharedPath('corpus/INDEX.md'), 'utf8').split('\n')

describe('protocols/schemas', () => {
  it('are all named in SOURCES.md, and nothing else is', () => {
    expect(files.length).toBeGreaterThan(15)
    expect(rows.map(([, file]) => file).toSorted()).toEqual(files.toSorted())
  })

  it.each(
    rows.map(([, file = '', repository = '', path = '', commit = '', licence = '']) => ({
      file,
      repository,
      path,
      commit,
      licence
    }))
  )('$file is what $repository published', ({ file, repository, path, commit, licence }) => {
    const row = index.find(
      (line) => line.startsWith(`| schemas/${file.split('/')[0]}/`) && line.includes(`| ${repository} | ${path} | ${commit} |`)
    )
    const [, copy = '', , , , said] = (row ?? expect.unreachable()).split('|').map((cell) => cell.trim())
    expect(said).toBe(licence)
    expect(readFileSync(join(folder, file)).equals(readFileSync(sharedPath(`corpus/${copy}`)))).toBe(true)
  })
})
