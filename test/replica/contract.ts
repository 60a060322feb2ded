import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chunkBytes, type Digest, digestOf, hex, type LogId, Plan, textOf, Tree, utf8 } from '../../src/core/index.ts'
import { type FileHead, type FileReplica, FolderReplica } from '../../src/replica/index.ts'
import { LogFolder, openBlobs, verifyFolder } from '../../src/store/index.ts'
import { takeBlobs, Taker } from '../../src/sync/index.ts'
import { sampleLog, type SampleLog } from '../core/sample.ts'

/** Limits how long a call may take. */
export const patient = (): { readonly signal: AbortSignal } => ({ signal: AbortSignal.timeout(60_000) })

/** What the folder of the contract holds. */
export interface Contents {
  readonly root: string
  readonly logs: readonly SampleLog[]
  readonly blobs: ReadonlyMap<Digest, Uint8Array>
}

/** Writes a log as a node that passes all of it on does. */
export async function writeLog(root: string, { log, lines, checkpoint, cose }: SampleLog): Promise<void> {
  const folder = LogFolder.create(root, log, lines[0] as Uint8Array)
  const text = utf8(lines.map((line) => `${textOf(line)}\n`).join(''))
  folder.append({ from: 0, count: lines.length, text })
  folder.commit(checkpoint, cose.bytes, false)
  folder.writePartialTile()
  await folder.close()
}

/** Makes a folder with two logs, of 700 and of 3 entries, and three blobs, one of them of several chunks. */
export async function sampleContents(root: string): Promise<Contents> {
  await using made = FolderReplica.open(root, 'lab')
  made.begin()
  const logs = [sampleLog(700, 'writer'), sampleLog(3, 'other')]
  for (const one of logs) await writeLog(root, one)
  const blobs = new Map<Digest, Uint8Array>()
  for (const bytes of [utf8('small'), new Uint8Array(0), randomBytes(2 * chunkBytes + 17)]) {
    await openBlobs(root).put(bytes)
    blobs.set(digestOf(bytes), bytes)
  }
  return { root, logs, blobs }
}

/**
 * What every kind of replica that is files keeps to, whatever it is made of.
 * @param open makes one out of a folder's contents, and opens it
 */
export function fileReplicaContract(kind: string, open: (contents: Contents, folder: string) => Promise<FileReplica>): void {
  describe(`a replica of files: ${kind}`, () => {
    let lab = ''
    let contents: Contents
    let replica: FileReplica
    const headOf = async (log: LogId): Promise<FileHead> =>
      (await replica.heads(patient())).find((head) => head.log === log) as FileHead

    beforeAll(async () => {
      lab = mkdtempSync(join(tmpdir(), 'rejoin-contract-'))
      contents = await sampleContents(join(lab, 'sample'))
      replica = await open(contents, lab)
    })
    afterAll(async () => {
      await replica[Symbol.asyncDispose]()
      rmSync(lab, { recursive: true })
    })

    it('names its network and lists the heads of its logs', async () => {
      expect(replica.network).toBe('lab')
      const heads = await replica.heads(patient())
      const byLog = (a: { readonly log: LogId }, b: { readonly log: LogId }): number => (a.log < b.log ? -1 : 1)
      expect(heads.map(({ log, size }) => ({ log, size })).toSorted(byLog)).toEqual(
        contents.logs.map(({ log, lines }) => ({ log, size: lines.length })).toSorted(byLog)
      )
    })

    it.each([false, true])(
      'offers hashes that lead to the signed head from any entry (derived from lines: %s)',
      async (derive) => {
        for (const { log, lines, checkpoint } of contents.logs)
          for (const from of [0, 1, 255, 256, 300, 512, lines.length].filter((at) => at <= lines.length)) {
            const have = new Tree()
            for (const line of sampleLines(contents, log).slice(0, from)) have.append(line)
            const plan = Plan.make(have, await replica.offer(await headOf(log), from, { ...patient(), derive }))
            expect([plan.to, hex(plan.offer.checkpoint.root)]).toEqual([checkpoint.size, hex(checkpoint.root)])
            let at = from
            for await (const block of replica.blocks(log, from, plan.to, patient())) {
              expect(block.from).toBe(at)
              plan.prove(block)
              at += block.count
            }
            expect(at).toBe(lines.length)
          }
      }
    )

    it('gives blobs from any chunk on, and says which are not there', async () => {
      for (const [digest, bytes] of contents.blobs) {
        expect(await replica.size(digest, patient())).toBe(bytes.length)
        for (const from of [0, chunkBytes, 2 * chunkBytes].filter((at) => at < Math.max(1, bytes.length))) {
          const pieces = await Array.fromAsync(replica.blob(digest, from, patient()), (piece) => piece.slice())
          expect(Buffer.compare(Buffer.concat(pieces), bytes.subarray(from))).toBe(0)
          expect(pieces.slice(0, -1).every(({ length }) => length === chunkBytes)).toBe(true)
        }
      }
      expect(await replica.size(digestOf(utf8('elsewhere')), patient())).toBeUndefined()
    })

    it('is taken over by a folder, which verifies', async () => {
      const root = join(lab, 'taken')
      {
        await using target = FolderReplica.open(root, 'lab')
        const result = await new Taker(target, patient()).takeAll(replica)
        expect(result).toMatchObject({ events: 703, logs: 2, faults: [], conflicts: [] })
        const needs = [...contents.blobs.keys()].map((digest) => ({ digest }))
        const { done, bad, missing } = await takeBlobs(replica, target.blobs, needs, patient())
        expect([done.length, bad, missing]).toEqual([3, [], []])
      }
      expect(await Array.fromAsync(verifyFolder(root, patient()))).toEqual([])
    })

    it('stops when it is told to', async () => {
      const stopped = { signal: AbortSignal.abort(new Error('stop')) }
      const [one] = contents.logs as [SampleLog]
      await expect(Array.fromAsync(replica.blocks(one.log, 0, 700, stopped))).rejects.toThrow('stop')
    })
  })
}

function sampleLines({ logs }: Contents, log: LogId): readonly Uint8Array[] {
  const one = logs.find((each) => each.log === log) as SampleLog
  return one.lines.map((_, index) => one.read(0, index))
}
