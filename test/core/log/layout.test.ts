import { integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blobPath,
  checkpointCosePath,
  checkpointPath,
  digestOf,
  entriesFileName,
  entriesPath,
  logFolder,
  logIdOf,
  nodePathOf,
  parseDigest,
  privateEntriesPath,
  tileIndexPath,
  tilePath,
  utf8
} from '../../../src/core/index.ts'
import { holds } from '../../property.ts'
import { sampleSigner } from '../sample.ts'

const log = logIdOf(utf8('x'))

describe('paths', () => {
  it('LOG-10: put 1,024 entries into a file', () => {
    expect([0, 1023, 1024, 10_000_000].map(entriesFileName)).toEqual([
      '000000.ndjson',
      '000000.ndjson',
      '000001.ndjson',
      '009765.ndjson'
    ])
    expect(entriesPath(log, 1024)).toBe(`logs/${log}/entries/000001.ndjson`)
    expect(privateEntriesPath(log, 1024)).toBe(`private/logs/${log}/entries/000001.ndjson`)
  })

  it('LOG-14: spell tile indexes as C2SP tlog-tiles does', () => {
    expect([0, 7, 999, 1000, 1234067].map(tileIndexPath)).toEqual(['000', '007', '999', 'x001/000', 'x001/x234/067'])
    expect(tilePath(log, 0, 0)).toBe(`logs/${log}/tile/0/000`)
    expect(tilePath(log, 2, 1234)).toBe(`logs/${log}/tile/2/x001/234`)
    holds(
      property(integer({ min: 0, max: 2 ** 32 }), (index) => {
        expect(Number(tileIndexPath(index).replaceAll(/[x/]/g, ''))).toBe(index)
      })
    )
  })

  it('are lower-case ASCII that FAT32 and exFAT allow, and at most as deep as a tile of the largest log', () => {
    const paths = [
      logFolder(log),
      checkpointPath(log),
      checkpointCosePath(log),
      entriesPath(log, 2 ** 40),
      tilePath(log, 0, 2 ** 32),
      blobPath(digestOf(utf8('x'))),
      blobPath(parseDigest(`sha512:${'a'.repeat(128)}`)),
      `frontiers/${nodePathOf(sampleSigner('x').publicKey)}`
    ]
    for (const path of paths) expect(path).toMatch(/^[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*$/)
    expect(checkpointCosePath(log)).toBe(`logs/${log}/checkpoint.cose`)
    expect(blobPath(digestOf(utf8('')))).toBe('blobs/sha256/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })
})
