import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { documentedRows, errorRows } from '../../scripts/errors.ts'
import { codeOf, errorCodes, RejoinError } from '../../src/core/index.ts'

const source = join(import.meta.dirname, '../../src')

describe('errors', () => {
  it('ERROR-1: are those of protocols/errors.md (node scripts/errors.ts writes its table)', () => {
    expect(`${documentedRows()}\n`).toBe(errorRows())
    expect(Object.keys(errorCodes).length).toBeGreaterThan(40)
  })

  it('ERROR-1: end with a known exit code and an HTTP status of failure', () => {
    for (const [code, { exit, http, meaning }] of Object.entries(errorCodes)) {
      expect(code).toMatch(/^E_[A-Z0-9_]+$/)
      expect([1, 2, 10, 11, 12, 13, 14, 15, 130, 143]).toContain(exit)
      expect(http >= 400 && http < 600).toBe(true)
      expect(meaning).toMatch(/^[^A-Z].*[^.]$|^JSON .*[^.]$/)
    }
  })

  it('ERROR-2: have messages without a capital first and a full stop last', () => {
    const found: string[] = []
    for (const entry of readdirSync(source, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue
      const text = readFileSync(join(entry.parentPath, entry.name), 'utf8')
      for (const [, message = ''] of text.matchAll(/new RejoinError\(\s*'E_[A-Z_0-9]+',\s*['`]((?:[^'`\\]|\\.)*)['`]/g))
        found.push(message)
    }
    expect(found.length).toBeGreaterThan(50)
    expect(found.filter((message) => /^[A-Z][a-z]+ |\.$|\n/.test(message))).toEqual([])
  })

  it('carry code, hint, place and cause', () => {
    const cause = new Error('inner')
    const error = new RejoinError('E_JSON', 'text is not JSON', { hint: 'see x', at: '1:2', cause })
    expect([error.code, error.hint, error.at, error.cause, error.name]).toEqual(['E_JSON', 'see x', '1:2', cause, 'RejoinError'])
    expect('cause' in new RejoinError('E_JSON', 'text is not JSON')).toBe(false)
    expect([codeOf(error), codeOf(cause), codeOf(undefined)]).toEqual(['E_JSON', undefined, undefined])
  })
})
