import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  cosign,
  cosignerOf,
  encodeVerifierKey,
  makeTlogProof,
  mlDsaCosignerOf,
  mlDsaSignerOf,
  originOf,
  vkeyOf,
  withCosignatures
} from '../../../src/core/index.ts'
import { sharedPath } from '../../shared.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

// Go's own implementation of signed notes. It needs the Debian packages of scripts/debian-packages.txt.
const folder = mkdtempSync(join(tmpdir(), 'rejoin-cosignature-'))
const noteFile = join(folder, 'note')
const source = join(import.meta.dirname, 'verify-cosignature.go')
const [witnessOracle, logOracle] = [join(folder, 'verify-cosignature'), join(folder, 'verify-tlog-proof')]

beforeAll(() => {
  const environment = {
    ...process.env,
    GO111MODULE: 'off',
    GOPATH: '/usr/share/gocode',
    GOCACHE: join(folder, 'cache'),
    GOFLAGS: ''
  }
  for (const [oracle, file] of [
    [witnessOracle, source],
    [logOracle, sharedPath('oracles/verify-tlog-proof.go')]
  ] as const) {
    try {
      execFileSync('go', ['build', '-o', oracle, file], { cwd: folder, env: environment, stdio: 'pipe' })
    } catch (cause) {
      throw new Error('an oracle can not run: apt-get install golang-go golang-golang-x-mod-dev', { cause })
    }
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const { log, signer, lines, read, checkpoint } = sampleLog(9)
const witnesses = ['a', 'b'].map((name) => cosignerOf(sampleSigner(name)))
const pq = mlDsaCosignerOf(mlDsaSignerOf(new Uint8Array(32)))
const given = [...witnesses, pq].map((one) => cosign(checkpoint, one, 1_795_000_000_000))
const cosigned = withCosignatures(checkpoint, signer.publicKey, given)
const run = (vkey: string) => spawnSync(witnessOracle, [vkey, noteFile], { encoding: 'utf8' })

it('WITNESS-1: Go takes our cosignatures, each beside three other lines', () => {
  writeFileSync(noteFile, cosigned.note)
  for (const { key } of witnesses)
    expect(run(encodeVerifierKey(key)).stdout).toBe('verified: size 9 at 1795000000, 3 other lines\n')
})

it('WITNESS-1: Go refuses one that is on another checkpoint', () => {
  const other = sampleLog(8)
  writeFileSync(noteFile, withCosignatures(other.checkpoint, other.signer.publicKey, given).note)
  for (const { key } of witnesses) expect(run(encodeVerifierKey(key)).status).toBe(1)
})

it('WITNESS-6: Go takes a proof file whose checkpoint has cosignatures', () => {
  writeFileSync(noteFile, makeTlogProof(cosigned, 4, read))
  const entry = join(folder, 'entry')
  writeFileSync(entry, lines[4] as Uint8Array)
  const { stdout } = spawnSync(logOracle, [vkeyOf(originOf(log), signer.publicKey), entry, noteFile], { encoding: 'utf8' })
  expect(stdout).toBe(`verified: entry 4 of 9 in ${originOf(log)}\n`)
})
