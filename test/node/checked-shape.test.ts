import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { hex, sha256, utf8 } from '../../src/core/index.ts'
import { checkedShape } from '../../src/node/checked-shape.ts'
import { inspectTrustFile } from '../../src/trust/index.ts'

const good = utf8('apiVersion: rejoin/v1\nkind: TrustPolicy\nname: a\nversion: 1\n')
const badShape = utf8('apiVersion: rejoin/v1\nkind: TrustPolicy\nname: a\nversion: one\n')
const badMeaning = utf8('apiVersion: rejoin/v1\nkind: TrustPolicy\nname: a\nversion: 1\nidentities: {bob: {keys: [none]}}\n')

test('the shape of a trust file is looked at once for each file and schema, and what it means each time', () => {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-shape-'))
  mkdirSync(join(root, 'private'))
  const path = join(root, 'private/trust.checked')
  const known = checkedShape(root)
  const inspect = (bytes: Uint8Array): string => inspectTrustFile(bytes, undefined, undefined, known).kind

  expect(inspect(badShape)).toBe('bad')
  expect(() => readFileSync(path)).toThrow('ENOENT')
  expect(inspect(good)).toBe('good')
  const note = readFileSync(path, 'latin1')
  const [schema, digest] = note.trim().split(' ') as [string, string]
  expect(known.has(digest)).toBe(true)
  expect(inspect(badShape)).toBe('bad')
  expect(known.has(digest)).toBe(true)
  // only because of the note this one passes: so it is the note that saves the look
  writeFileSync(path, `${schema} ${hex(sha256(badShape))}\n`)
  expect(inspect(badShape)).toBe('good')

  expect(inspect(badMeaning)).toBe('bad')
  expect(inspect(badMeaning)).toBe('bad')

  writeFileSync(path, `${'0'.repeat(64)} ${digest}\n`)
  expect(known.has(digest)).toBe(false)
  expect(inspect(good)).toBe('good')
  expect(readFileSync(path, 'latin1')).toBe(`${schema} ${digest}\n`)
  writeFileSync(path, 'garbage')
  expect(inspect(good)).toBe('good')
  rmSync(join(root, 'private'), { recursive: true })
  writeFileSync(join(root, 'private'), 'no folder')
  expect(inspect(good)).toBe('good')
  rmSync(root, { recursive: true })
})
