import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hex, makeReceipt, makeTlogProof, originOf, vkeyOf } from '../../../src/core/index.ts'
import { sharedPath } from '../../shared.ts'
import { sampleLog } from '../sample.ts'

// Checkers that share no code with rejoin. They need the Debian packages of scripts/debian-packages.txt.
const folder = mkdtempSync(join(tmpdir(), 'rejoin-oracles-'))
const tlogOracle = join(folder, 'verify-tlog-proof')
const sizes = [2, 3, 7, 8, 9, 256, 257, 1000]
const entryFile = join(folder, 'entry')
const proofFile = join(folder, 'proof')

function needed(packages: string): Error {
  return new Error(`an oracle can't run: apt-get install ${packages} (all of them: scripts/debian-packages.txt)`)
}

function run(command: string, args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return { status, output: `${stdout}${stderr}` }
}

beforeAll(() => {
  try {
    const environment = {
      ...process.env,
      GO111MODULE: 'off',
      GOPATH: '/usr/share/gocode',
      GOCACHE: join(folder, 'cache'),
      GOFLAGS: ''
    }
    const source = sharedPath('oracles/verify-tlog-proof.go')
    execFileSync('go', ['build', '-o', tlogOracle, source], { cwd: folder, env: environment, stdio: 'pipe' })
  } catch (cause) {
    throw Object.assign(needed('golang-go golang-golang-x-mod-dev'), { cause })
  }
  if (run('/usr/bin/python3', ['-c', 'import cbor2, cryptography']).status !== 0)
    throw needed('python3-cbor2 python3-cryptography')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the Go oracle (golang.org/x/mod/sumdb)', () => {
  it.each([1, ...sizes])('PROOF-6: takes our proof files of a log of %i entries', (size) => {
    const { log, signer, lines, checkpoint, read } = sampleLog(size)
    const vkey = vkeyOf(originOf(log), signer.publicKey)
    for (const index of new Set([0, size >> 1, size - 1])) {
      writeFileSync(entryFile, lines[index] as Uint8Array)
      writeFileSync(proofFile, makeTlogProof(checkpoint, index, read))
      const { status, output } = run(tlogOracle, [vkey, entryFile, proofFile])
      expect(output).toBe(`verified: entry ${index} of ${size} in ${originOf(log)}\n`)
      expect(status).toBe(0)
    }
  })

  it('PROOF-9: refuses a proof file with another entry', () => {
    const { log, signer, lines, checkpoint, read } = sampleLog(9)
    writeFileSync(entryFile, lines[4] as Uint8Array)
    writeFileSync(proofFile, makeTlogProof(checkpoint, 5, read))
    expect(run(tlogOracle, [vkeyOf(originOf(log), signer.publicKey), entryFile, proofFile]).status).toBe(1)
  })
})

describe('the Python oracle (cbor2, cryptography)', () => {
  it.each(sizes)('PROOF-10: takes our COSE receipts of a log of %i entries', (size) => {
    const { signer, lines, cose, read } = sampleLog(size)
    for (const index of new Set([0, size >> 1, size - 1])) {
      writeFileSync(entryFile, lines[index] as Uint8Array)
      writeFileSync(proofFile, makeReceipt(cose, index, read))
      const script = sharedPath('oracles/verify-cose-receipt.py')
      const { status, output } = run('/usr/bin/python3', [script, hex(signer.publicKey), entryFile, proofFile])
      expect(output).toBe(`verified: entry ${index} of ${size}\n`)
      expect(status).toBe(0)
    }
  })

  it('PROOF-13: refuses a COSE receipt with another entry', () => {
    const { signer, lines, cose, read } = sampleLog(9)
    writeFileSync(entryFile, lines[4] as Uint8Array)
    writeFileSync(proofFile, makeReceipt(cose, 5, read))
    const script = sharedPath('oracles/verify-cose-receipt.py')
    expect(run('/usr/bin/python3', [script, hex(signer.publicKey), entryFile, proofFile]).status).toBe(1)
  })

  it('PROOF-11: finds our CBOR to be deterministic', () => {
    const { cose, read } = sampleLog(300)
    const check = 'import sys, cbor2\nb = open(sys.argv[1], "rb").read()\nm = cbor2.loads(b)\nh = cbor2.loads(m.value[0])\n'
    for (const bytes of [cose.bytes, makeReceipt(cose, 299, read)]) {
      writeFileSync(proofFile, bytes)
      const equal = `${check}assert cbor2.dumps(m) == b\nassert cbor2.dumps(h, canonical=True) == m.value[0]\nprint(sorted(h))`
      expect(run('/usr/bin/python3', ['-c', equal, proofFile]).output).toBe('[1, 4, 15, 395]\n')
    }
  })
})
