import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evidenceVectors } from '../../scripts/vectors-evidence.ts'
import {
  closedLogOf,
  didOf,
  encodeForkProof,
  encodeVerifierKey,
  type ErrorCode,
  type LogId,
  parseClosing,
  parseCosignerKey,
  parseForkProof,
  parseKey,
  parseNote,
  parseTlogPolicy,
  quorumOf,
  RejoinError,
  textOf,
  utf8,
  verifiedCosignatures,
  verifyCheckpoint,
  verifyClosing,
  verifyForkProof,
  verifySuccessor
} from '../../src/core/index.ts'
import { thrownBy } from '../thrown.ts'

const folder = join(import.meta.dirname, '../../protocols/vectors')
const load = <T>(name: string): T => JSON.parse(readFileSync(join(folder, name), 'utf8')) as T

interface Case {
  readonly name: string
  readonly code?: ErrorCode
}

function table<T extends Case>(cases: readonly T[]): [string, string, T][] {
  expect(cases.length).toBeGreaterThan(2)
  return cases.map((one) => [one.name, one.code ?? 'valid', one])
}

it('protocols/vectors: witness, fork and closing are what scripts/vectors-evidence.ts writes', () => {
  for (const [name, text] of evidenceVectors()) expect(readFileSync(join(folder, name), 'utf8'), name).toBe(text)
})

describe('witness.json', () => {
  interface Quorum {
    readonly policy: string
    readonly note: string
    readonly quorum: unknown
  }
  const file = load<{
    readonly log: LogId
    readonly publicKey: string
    readonly witnesses: Readonly<Record<string, string>>
    readonly cases: readonly (Case & { readonly note: string; readonly names: readonly string[] })[]
    readonly policies: readonly (Case & { readonly text: string; readonly line?: number })[]
    readonly quorums: readonly (Case & Quorum)[]
  }>('witness.json')
  const names = Object.keys(file.witnesses)
  const keys = Object.values(file.witnesses).map(parseCosignerKey)

  it('WITNESS-2: the keys of the witnesses', () => {
    expect(keys.map(({ type }) => type)).toEqual([4, 4, 4, 6])
    expect(keys.map(encodeVerifierKey)).toEqual(Object.values(file.witnesses))
  })
  it.each(table(file.cases))('WITNESS-1 WITNESS-5: %s', (_, __, { note, names: expected }) => {
    verifyCheckpoint(utf8(note), file.log, parseKey(file.publicKey))
    const good = verifiedCosignatures(parseNote(utf8(note)), keys)
    expect(good.map(({ key }) => names[keys.indexOf(key)])).toEqual(expected)
  })
  it.each(table(file.policies))('WITNESS-9: a policy: %s: %s', (_, __, { text, code, line }) => {
    expect(thrownBy(() => parseTlogPolicy(text))).toBe(code)
    try {
      parseTlogPolicy(text)
    } catch (error) {
      expect((error as RejoinError).at).toBe(line === undefined ? undefined : `line ${line}`)
    }
  })
  it.each(table(file.quorums))('WITNESS-10: a quorum: %s', (_, __, { policy, note, quorum }) => {
    expect(quorumOf(parseTlogPolicy(policy), parseNote(utf8(note)))).toEqual(quorum)
  })
})

describe('fork.json', () => {
  interface Proof {
    readonly proof: string
    readonly [member: string]: unknown
  }
  const file = load<{ readonly cases: readonly (Case & Proof)[] }>('fork.json')
  it.each(table(file.cases))('FORK-1: %s: %s', (_, __, { name, proof, code, ...expected }) => {
    expect(thrownBy(() => verifyForkProof(utf8(proof)))).toBe(code)
    if (code !== undefined) return
    const { log, author, atIndex, exact } = verifyForkProof(utf8(proof))
    expect({ log, author: didOf(author), atIndex, exact }, name).toEqual(expected)
    expect(textOf(encodeForkProof(parseForkProof(utf8(proof))))).toBe(proof)
  })
})

describe('closing.json', () => {
  interface Closed {
    readonly closing: string
    readonly size?: number
    readonly successor?: LogId
  }
  interface Set {
    readonly closings: readonly string[]
    readonly kept: number
    readonly [member: string]: unknown
  }
  const file = load<{
    readonly opened: string
    readonly cases: readonly (Case & Closed)[]
    readonly successors: readonly (Case & { readonly closing: string; readonly line: string })[]
    readonly sets: readonly (Case & Set)[]
  }>('closing.json')
  const verify = (closing: string) => verifyClosing(utf8(closing), utf8(file.opened))
  it.each(table(file.cases))('CLOSING-1 CLOSING-2: %s: %s', (_, __, { closing, code, size, successor }) => {
    expect(thrownBy(() => verify(closing))).toBe(code)
    if (code === undefined) expect([parseClosing(utf8(closing)).size, verify(closing).successor]).toEqual([size, successor])
  })
  it.each(table(file.successors))('CLOSING-6: a successor: %s: %s', (_, __, { closing, line, code }) => {
    expect(thrownBy(() => verifySuccessor(verify(closing), utf8(line)))).toBe(code)
  })
  it.each(table(file.sets))('CLOSING-8: closings of one log: %s', (_, __, { name, closings, kept, ...expected }) => {
    const { root: _root, closings: left, ...found } = closedLogOf(closings.map(verify)) ?? { root: undefined, closings: [] }
    expect(found, name).toEqual(expected)
    expect(left.length).toBe(kept)
  })
})
