type Ending = () => unknown

const ofTest: Ending[] = []
const ofFile: Ending[] = []

/**
 * Has something done after each test, in every file of tests. What files share calls this and not vitest's afterEach: it is evaluated once in a
 * process, and a hook would belong to the first file alone.
 */
export function afterEveryTest(ending: Ending): void {
  ofTest.unshift(ending)
}

/** Has something done after the last test of every file. */
export function afterEveryFile(ending: Ending): void {
  ofFile.unshift(ending)
}

/** Does what was asked for after each test, what was asked for last first. */
export async function endTest(): Promise<void> {
  for (const ending of ofTest) await ending()
}

/** Does what was asked for after each file. */
export async function endFile(): Promise<void> {
  for (const ending of ofFile) await ending()
}
