import { chunkBytes, chunkCount, codeOf, dagOfLeaves, equal, maxChunks, RejoinError, rangesOf, Schedule } from '../core/index.ts'
import type { PartialBlob, PartShape } from '../store/index.ts'
import type { BlobClient } from './blob-client.ts'
import type { BlobWant, FetchRun } from './blob-fetch.ts'
import { Bell, bring, type SourceLink } from './blob-source.ts'

/**
 * Fetches one blob of more than 1 MiB, chunk by chunk, from all sources that have it. Where the signed root CID is known, the leaf
 * hashes are verified against it, so that each chunk is. Else each source is held to the list that it gave itself: sources whose
 * lists are equal bring the blob together, and should the whole digest then be wrong, they are blamed, and the next list is tried.
 */
export async function fetchLarge(want: BlobWant, run: FetchRun): Promise<void> {
  const out = new Set<string>()
  while (!run.isOver()) {
    const shape = await findShape(want, run, out)
    if (shape === undefined) return
    let part: PartialBlob
    try {
      part = await run.store.partial(want.digest, shape)
    } catch (error) {
      // Somebody else in this process is fetching it.
      if (codeOf(error) !== 'E_LOCKED') run.fail(error)
      return
    }
    const vouched = await fetchPart(part, want, run, out)
    try {
      if (run.isFull()) return await part.discard()
      if (run.isOver() || part.haveCount < part.chunkCount) return
      await run.store.finish(part, { private: run.isPrivate })
      run.finish(want.digest)
      return
    } catch (error) {
      if (codeOf(error) === 'E_NO_SPACE') await part.discard()
      if (codeOf(error) !== 'E_BAD_OBJECT') return run.fail(error)
      // Every chunk has its hash. So the list was wrong; or, where it was signed, the event contradicts itself, which is nobody's fault here.
      if (want.cid !== undefined) return await part.discard()
      for (const name of vouched) {
        run.blame(want.digest, name)
        out.add(name)
      }
      // What was fetched by a wrong list may still be right by the next one.
      if (run.links.every((link) => link.isDead || out.has(link.name))) await part.discard()
    } finally {
      await part[Symbol.asyncDispose]()
    }
  }
}

/** Returns the shape that the first source gives, of those that are not out; a source that gives a wrong one is out. */
async function findShape(want: BlobWant, run: FetchRun, out: Set<string>): Promise<PartShape | undefined> {
  for (const link of run.links) {
    while (!run.isOver() && !link.isDead && !out.has(link.name)) {
      const shape = await askShape(link, want, run, out)
      if (shape !== undefined) return shape
    }
  }
  return undefined
}

/** Asks one source for the leaf hashes; returns undefined where it is out, or its stream broke. */
async function askShape(link: SourceLink, want: BlobWant, run: FetchRun, out: Set<string>): Promise<PartShape | undefined> {
  const opening = link.ready()
  const attempt = link.attemptNumber
  try {
    const { sizeBytes, bytes: leaves } = await (await opening).leaves(want.digest, want.sizeBytes)
    if (leaves !== undefined && (want.cid === undefined || dagOfLeaves(leaves, sizeBytes).root === want.cid))
      return { sizeBytes, leaves }
    if (leaves !== undefined) run.blame(want.digest, link.name)
    out.add(link.name)
  } catch (error) {
    if (codeOf(error) === 'E_BAD_OBJECT') {
      run.blame(want.digest, link.name)
      out.add(link.name)
    }
    link.broke(attempt)
  }
  return undefined
}

/** Brings what a part lacks; returns the sources whose list of hashes it was held to. */
async function fetchPart(part: PartialBlob, want: BlobWant, run: FetchRun, out: Set<string>): Promise<ReadonlySet<string>> {
  const { digest, shape } = part
  const schedule = new Schedule(chunkCount(shape.sizeBytes))
  for (let chunk = 0; chunk < schedule.itemCount; chunk++) if (part.has(chunk)) schedule.finish(chunk)
  const bell = new Bell()
  const vouched = new Set<string>()

  const bringFrom = async (link: SourceLink): Promise<void> => {
    if (out.has(link.name)) return
    const isOut = (): boolean => run.isOver() || out.has(link.name)
    const takeChunk = async (chunk: number, bytes: Uint8Array): Promise<void> => {
      let isRight: boolean
      try {
        isRight = await part.write(chunk, bytes)
      } catch (error) {
        run.fail(error)
        throw error
      }
      if (isRight) {
        if (!schedule.finish(chunk)) return
        run.came(bytes.length)
      } else {
        run.blame(digest, link.name)
        out.add(link.name)
      }
      bell.ring()
      if (!isRight) throw new RejoinError('E_BAD_OBJECT', `${link.name} sent wrong bytes for ${digest} at ${chunk * chunkBytes}`)
    }
    const ask = async (client: BlobClient, chunks: readonly number[]): Promise<void> => {
      const asked = rangesOf(chunks, maxChunks).map(
        async (range) => await client.chunks(digest, range, shape.sizeBytes, takeChunk)
      )
      const statuses = await Promise.all(asked)
      if (statuses.some((status) => status !== 'here')) {
        out.add(link.name)
        bell.ring()
        throw new RejoinError('E_NOT_FOUND', `${link.name} does not have ${digest}`)
      }
    }
    if (want.cid === undefined && !(await vouches(link, shape, want, run, out))) return
    vouched.add(link.name)
    await bring(link, { schedule, bell, batchCount: () => link.windowCount, isOver: isOut, ask })
  }
  await Promise.all(run.links.map(bringFrom))
  return vouched
}

/** Returns whether a source gives the same list of hashes. One that gives another stays in: it may be the right one. */
async function vouches(link: SourceLink, shape: PartShape, want: BlobWant, run: FetchRun, out: Set<string>): Promise<boolean> {
  while (!run.isOver() && !link.isDead && !out.has(link.name)) {
    const own = await askShape(link, want, run, out)
    if (own !== undefined) return own.sizeBytes === shape.sizeBytes && equal(own.leaves, shape.leaves)
  }
  return false
}
