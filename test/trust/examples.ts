import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LogId, Signer } from '../../src/core/index.ts'
import { sampleLog, sampleSigner } from '../core/sample.ts'

/** The three trust files of protocols/trust.md. */
export const exampleNames = ['air-gapped', 'edge', 'pool'] as const

/** Returns the bytes of an example. */
export function exampleBytes(name: (typeof exampleNames)[number]): Uint8Array {
  return readFileSync(join(import.meta.dirname, 'examples', `${name}.yaml`))
}

/** Returns the signer of a key of the examples, by its name there. */
export function exampleSigner(name: string): Signer {
  return sampleSigner(`example ${name}`)
}

/** Returns the ID of the log of a key of the examples. */
export function exampleLog(name: string): LogId {
  return sampleLog(2, `example ${name}`).log
}
