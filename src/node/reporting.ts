import type { VerbRecord } from './control.ts'

/** how often progress is told at most, in milliseconds */
const progressMs = 200

/**
 * Runs work that tells records while it goes on, and yields them; of progress records only the newest one, a few times a second.
 * @returns what the work returns
 * @throws what it throws, after all that it told
 */
export async function* reporting<Result>(
  work: (say: (record: VerbRecord) => void) => Promise<Result>
): AsyncGenerator<VerbRecord, Result> {
  const records: VerbRecord[] = []
  let progress: VerbRecord | undefined
  let wake: () => void = () => {}
  let ended = false
  const result = work((record) => {
    if (record.kind === 'progress') progress = record
    else {
      records.push(record)
      wake()
    }
  })
  const settled = result.then(
    () => {},
    () => {}
  )
  void settled.then(() => {
    ended = true
    wake()
  })
  while (!ended) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, progressMs)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
      if (records.length > 0 || ended) wake()
    })
    if (progress !== undefined) yield progress
    progress = undefined
    yield* records.splice(0)
  }
  yield* records.splice(0)
  return await result
}
