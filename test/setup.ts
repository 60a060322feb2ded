import { afterAll, afterEach } from 'vitest'
import { endFile, endTest } from './endings.ts'

// vitest evaluates this for every file of tests
afterAll(endFile)
afterEach(endTest)
