// Writes the table of protocols/errors.md from src/core/error.ts: node scripts/errors.ts.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { argv } from 'node:process'
import { errorCodes } from '../src/core/index.ts'

const page = join(import.meta.dirname, '../protocols/errors.md')
const begin = '| code | meaning | exit code | HTTP status | try again |\n|---|---|---|---|---|\n'

/** Returns the rows of the table, in the order of src/core/error.ts. */
export function errorRows(): string {
  return Object.entries(errorCodes)
    .map(
      ([code, { meaning, exit, http, retry }]) => `| \`${code}\` | ${meaning} | ${exit} | ${http} | ${retry ? 'yes' : 'no'} |\n`
    )
    .join('')
}

/** Returns the rows that protocols/errors.md has. @throws where it has no such table */
export function documentedRows(): string {
  const text = readFileSync(page, 'utf8')
  const start = text.indexOf(begin)
  if (start < 0) throw new Error('protocols/errors.md has no table of codes')
  return text.slice(start + begin.length).split('\n\n', 1)[0] as string
}

if (argv[1] === import.meta.filename) {
  const text = readFileSync(page, 'utf8')
  writeFileSync(
    page,
    text.replace(`${begin}${documentedRows()}`, () => `${begin}${errorRows().trimEnd()}`)
  )
}
