import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { findLog } from '../../src/node/find.ts'
import { Node } from '../../src/node/index.ts'
import { thrownBy } from '../thrown.ts'
import { bring, trustText, writtenLog } from './logs.ts'

it('CLI-21 a log is found by the name that this node has for its writer, not by the one that it gives itself', async () => {
  const root = mkdtempSync(join(tmpdir(), 'rejoin-names-'))
  try {
    await Node.init(root, 'node', 'test')
    // both call themselves "sample" in their first lines
    const [alice, mallory] = [writtenLog('alice', [{ type: 'a.b' }]), writtenLog('mallory', [{ type: 'a.b' }])]
    writeFileSync(join(root, 'trust.yaml'), trustText({ sample: [alice], mallory: [mallory] }, ''))
    await using node = await Node.open(root)
    await bring(node, mallory)
    expect(thrownBy(() => findLog(node, 'sample'))).toBe('E_NOT_FOUND')
    await bring(node, alice)
    expect(findLog(node, 'sample')).toBe(alice.log)
    expect(findLog(node, 'mallory')).toBe(mallory.log)
    expect([findLog(node, 'me'), findLog(node, 'node')]).toEqual([node.log, node.log])
  } finally {
    rmSync(root, { recursive: true })
  }
})
