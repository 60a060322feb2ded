import { createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { codeOf, fromHex, isLowOrder, parsePublicKey, utf8, verifySignature } from '../../src/core/index.ts'
import { sharedPath } from '../shared.ts'

interface Vector {
  readonly number: number
  readonly key: string
  readonly sig: string
  readonly msg: string
  readonly flags: readonly string[] | null
}

const vectors = JSON.parse(
  readFileSync(sharedPath('corpus/ed25519-cctv/ed25519__ed25519vectors.json'), 'utf8')
) as readonly Vector[]
const bytesOf = (text: string): Uint8Array => fromHex(text) as Uint8Array

function platformAccepts({ key, sig, msg }: Vector): boolean {
  const der = Buffer.concat([bytesOf('302a300506032b6570032100'), bytesOf(key)])
  return verify(null, utf8(msg), createPublicKey({ key: der, format: 'der', type: 'spki' }), bytesOf(sig))
}

function weAccept({ key, sig, msg }: Vector): boolean {
  try {
    return verifySignature(parsePublicKey(bytesOf(key)), utf8(msg), bytesOf(sig))
  } catch (error) {
    if (codeOf(error) === 'E_KEY') return false
    throw error
  }
}

// Runtimes differ over these: run them on each change of Node.
describe('the 914 Ed25519 edge cases of C2SP CCTV', () => {
  it('CHECKPOINT-9: we accept 43, none of them with a key or an R of low order', () => {
    expect(vectors.length).toBe(914)
    const accepted = vectors.filter(weAccept)
    expect(accepted.length).toBe(43)
    expect(accepted.filter(({ flags }) => flags?.includes('low_order_A') || flags?.includes('low_order_R'))).toEqual([])
  })

  it('CHECKPOINT-9: we accept what node:crypto accepts, less keys and R of low order', () => {
    const expected = vectors.filter(
      (vector) => platformAccepts(vector) && !vector.flags?.includes('low_order_A') && !vector.flags?.includes('low_order_R')
    )
    expect(vectors.filter(weAccept)).toEqual(expected)
  })

  it('CHECKPOINT-9: the points of low order are known in all their spellings: 526 keys and 586 R', () => {
    const keys = vectors.filter(({ key }) => isLowOrder(bytesOf(key)))
    const rs = vectors.filter(({ sig }) => isLowOrder(bytesOf(sig).subarray(0, 32)))
    expect(keys).toEqual(vectors.filter(({ flags }) => flags?.includes('low_order_A')))
    expect(rs).toEqual(vectors.filter(({ flags }) => flags?.includes('low_order_R')))
    expect([keys.length, rs.length]).toEqual([526, 586])
  })
})
