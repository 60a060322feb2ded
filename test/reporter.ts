import type { Reporter, TestModule } from 'vitest/node'

/** Prints the closing line that CI reads: `N passed, N failed`. A file that can't be loaded counts as one failure. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    let passed = 0
    let failed = unhandled.length
    for (const module of modules) {
      let testCount = 0
      for (const test of module.children.allTests()) {
        testCount++
        if (test.result().state === 'passed') passed++
        else failed++
      }
      if (testCount === 0 || module.errors().length > 0) failed += Math.max(1, module.errors().length)
    }
    process.stdout.write(`${passed} passed, ${failed} failed\n`)
  }
}
