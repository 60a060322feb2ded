import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decideAnnouncement, fromHex, leafHash, parsePublicKey, Tree, utf8 } from '../../../src/core/index.ts'

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, '../../../protocols/vectors/gossip.json'), 'utf8')) as {
  readonly publicKey: string
  readonly known: readonly string[]
  readonly announcements: readonly { readonly name: string; readonly message: string; readonly verdict: string }[]
}

describe('the announcements of the vectors', () => {
  it.each(vectors.announcements)('are decided on: $name', ({ message, verdict }) => {
    const tree = new Tree()
    for (const line of vectors.known) tree.append(leafHash(utf8(line)))
    const key = parsePublicKey(fromHex(vectors.publicKey) as Uint8Array)
    const known = { key, admitted: true, frozen: false, tree }
    expect(decideAnnouncement(fromHex(message) as Uint8Array, () => known).verdict).toBe(verdict)
  })
})
