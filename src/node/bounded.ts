/** Something that a node waits for when it goes down. */
export interface Ending {
  /** what it is, as it stands in a notice: `the peers` */
  readonly what: string
  readonly work: () => Promise<unknown>
}

/**
 * Ends one thing after the other; each gets so much time, and what did not end in it is told and left behind. Never throws.
 * @param limitMs for each, in milliseconds
 */
export async function endInTime(endings: readonly Ending[], limitMs: number, onLate: (notice: string) => void): Promise<void> {
  for (const { what, work } of endings) {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), limitMs)
    })
    try {
      if ((await Promise.race([work(), late])) === 'late')
        onLate(`going down: ${what} did not end within ${limitMs / 1000} s and was left behind`)
    } catch (error) {
      onLate(`going down: ${what} failed: ${(error as Error).message}`)
    } finally {
      clearTimeout(timer)
    }
  }
}
