import { codeOf, type ErrorCode } from '../src/core/index.ts'

/** Returns the code that a call throws, undefined where it returns; any other error than ours goes on, and so fails the test. */
export function thrownBy(run: () => unknown): ErrorCode | undefined {
  try {
    run()
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) throw error
    return code
  }
  return undefined
}
