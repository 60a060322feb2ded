import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { sharedPath } from './shared.ts'

/** For each row of the table of threats the tests that show its defence: a file, and words of a title in it. */
const shown: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  eclipse: [['net/range-slots.test.ts', 'lets 64 peers in from one range']],
  equivocation: [
    ['node/fork.test.ts', 'two announced heads of one size are proof enough'],
    ['core/log/fork.test.ts', 'can not be made against an honest writer']
  ],
  replay: [
    ['replica/gap-lines.test.ts', 'what is left of a block'],
    ['core/sync/attack.test.ts', 'what is asked of two sources is stored once'],
    ['core/sync/gossip.test.ts', 'of what is here already is accepted']
  ],
  rollback: [
    ['replica/local.test.ts', 'an older head that its writer signed puts none back'],
    ['core/trust/root.test.ts', 'has no lower version'],
    ['e2e/copies.test.ts', 'a folder restored from an older backup'],
    ['core/log/cosignature.test.ts', 'cosigns nothing smaller']
  ],
  freeze: [['core/trust/decide.test.ts', 'warns of age']],
  'mix-and-match': [
    ['core/medium/selection.test.ts', "describe('seal'"],
    ['node/one-way.test.ts', "describe('a seal'"]
  ],
  'malicious stick': [
    ['store/outside.test.ts', 'no link, folder, pipe or device is read as a file'],
    ['store/outside.test.ts', 'larger than it may be']
  ],
  'zip-slip / traversal': [
    ['core/medium/tar.test.ts', 'absolute and climbing paths'],
    ['http/replica-folder.test.ts', 'follows no link']
  ],
  'decompression bomb': [['sync/drive.test.ts', 'LINES that decompress to more than they say']],
  'JSON bombs': [
    ['artifact/recognise.test.ts', '100,000 arrays'],
    ['core/event/event.test.ts', 'is nested 16 levels deep at most']
  ],
  'duplicate keys': [
    ['core/event/event.test.ts', 'E_DUPLICATE_KEY'],
    ['artifact/recognise.test.ts', 'E_DUPLICATE_KEY']
  ],
  'prototype pollution': [
    ['core/event/event.test.ts', 'E_FORBIDDEN_KEY'],
    ['artifact/recognise.test.ts', 'E_FORBIDDEN_KEY']
  ],
  'digest confusion': [['core/digest.test.ts', 'is of the bytes, and no other bytes have it']],
  'leaf/node confusion': [
    ['core/log/merkle.test.ts', 'hashes leaves and nodes with different prefixes'],
    ['core/log/proof.test.ts', 'has an index below the size'],
    ['core/log/proof.test.ts', 'has exactly as many hashes as the size asks for']
  ],
  'cross-protocol signature reuse': [
    ['core/log/separation.test.ts', 'begins differently for each purpose'],
    ['core/log/cosignature.test.ts', 'has the key ID of its type']
  ],
  'verifier disagreement': [['core/ed25519-cctv.test.ts', 'we accept 43']],
  'gossip flooding': [
    ['node/hostile.test.ts', 'ignores a flood before it verifies signatures'],
    ['node/peer-score.test.ts', 'PEERS-2']
  ],
  'signature-check exhaustion': [['node/hostile.test.ts', 'ignores a flood before it verifies signatures']],
  'policy DoS': [
    ['trust/condition.test.ts', 'refuses lists, nesting and conditions over their limits'],
    ['trust/condition.test.ts', 'over lists that are too long, or walked too often, are errors']
  ],
  'key theft': [
    ['node/rotation.test.ts', 'revoking at a size takes the text beyond it everywhere'],
    ['core/trust/root.test.ts', 'must be of as many root keys as the threshold says']
  ],
  'revoked-key backdating': [
    ['core/trust/identity.test.ts', 'is believed below the revoked size of the named log and nowhere else']
  ],
  'revocation withheld': [
    ['node/rotation.test.ts', 'through nodes that refuse the author'],
    ['node/fork.test.ts', 'through nodes that know neither writer nor log']
  ],
  'stale JWKS / token replay': [
    ['core/trust/token.test.ts', 'names the audience of the issuer and the key of the log'],
    ['core/trust/token.test.ts', 'counts at the time of its event, for ever']
  ],
  'poisoned VEX': [
    ['core/trust/gates.test.ts', 'not_affected without justification'],
    ['core/trust/gates.test.ts', 'later overrides earlier from an equal or higher role only'],
    ['core/trust/gates.test.ts', 'of others than vexRoles change nothing']
  ]
}
/** what is not built: usage receipts, and limits on what refers to one artifact */
const open: readonly string[] = ['referrers spam', 'false usage receipts']

it('each row of the table of threats has a test that shows its defence, or is known to be open', () => {
  const page = readFileSync(sharedPath('TRUST.md'), 'utf8')
  const table = page.slice(page.indexOf('## Threats and the required defence'))
  const rows = [...table.matchAll(/^\| ([^|]+) \| /gm)]
    .map(([, name]) => name as string)
    .filter((name) => name !== 'attack' && !/^-+$/.test(name))
  expect(rows.length).toBeGreaterThan(20)
  expect([...Object.keys(shown), ...open].toSorted()).toEqual(rows.toSorted())
  const text = (file: string): string => readFileSync(join(import.meta.dirname, file), 'utf8')
  const absent = Object.entries(shown).flatMap(([row, tests]) =>
    tests.filter(([file, words]) => !text(file).includes(words)).map(([file, words]) => `${row}: ${file}: ${words}`)
  )
  expect(absent).toEqual([])
  expect(Object.values(shown).every((tests) => tests.length > 0)).toBe(true)
})
