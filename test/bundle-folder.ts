import { resolve } from 'node:path'
import { pid } from 'node:process'

/** Where the command line of this run of tests lies, with what it compiled; only the process of vitest itself may ask. */
export const bundleFolder: string = resolve(import.meta.dirname, `../.bundle-${pid}`)
