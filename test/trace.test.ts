import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { trace } from '../scripts/trace.ts'

const folder = mkdtempSync(join(tmpdir(), 'rejoin-trace-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let projectCount = 0
/** Returns what trace finds in a project of one page and one test. */
function faultsOf(page: string, test: string, name = 'blobs.md'): readonly string[] {
  const project = join(folder, String(projectCount++))
  mkdirSync(join(project, 'protocols/vectors'), { recursive: true })
  mkdirSync(join(project, 'test/room'), { recursive: true })
  writeFileSync(join(project, 'protocols', name), page)
  writeFileSync(join(project, 'test/room/one.test.ts'), test)
  return trace(project).faults
}

// the numbers are put together here, so that this file cites none of them
const n = (number: number): string => `BLOB-${number}`

describe('scripts/trace', () => {
  it('lists a requirement without a test', () => {
    const page = `# Blobs\n\n- **${n(1)}** A blob MUST be.\n- **${n(2)}** UTF-8 MUST be.\n`
    expect(faultsOf(page, `it('${n(1)}: is')`)).toEqual([`protocols/blobs.md:4: ${n(2)} has no test`])
    expect(faultsOf(page, `it('${n(1)} ${n(2)}: is')`)).toEqual([])
    expect(faultsOf(page, `it('${n(12)}: is')`)).toHaveLength(3)
  })

  it('finds requirements in tables and headings', () => {
    const page = `| ${n(1)} | MUST |\n\n### ${n(2)}\n\n\`${n(3)}\` MUST\nsee ${n(4)}\n`
    expect(faultsOf(page, '').map((fault) => fault.split(' ')[1])).toEqual([n(1), n(2), n(3)])
  })

  it('lists a number that is defined twice, or cited and not defined', () => {
    expect(faultsOf(`- ${n(1)} MUST\n- ${n(1)} MUST\n`, n(1))).toEqual([`protocols/blobs.md:2: ${n(1)} is defined twice`])
    expect(faultsOf(`- ${n(1)} MUST\n`, `${n(1)} ${n(9)} SHA-256`)).toEqual([`test: ${n(9)} is cited but not defined`])
  })

  it('fails where there is nothing to check', () => {
    expect(faultsOf('# Blobs\n', '')).toEqual(['protocols/blobs.md: no numbered requirement', 'no requirement was found at all'])
    expect(faultsOf('# All\n', '', 'README.md')).toEqual(['no requirement was found at all'])
  })
})
