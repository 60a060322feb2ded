import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

const sharedFolder = resolve(import.meta.dirname, '../../shared')

/** Returns the path of a file or folder under ../shared, beside the project. @throws when it is absent: these tests can't run without it */
export function sharedPath(path: string): string {
  const whole = join(sharedFolder, path)
  if (!existsSync(whole)) throw new Error(`${whole} is absent: the tests need the shared folder beside the project`)
  return whole
}
