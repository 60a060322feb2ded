import { type FSWatcher, watch } from 'node:fs'
import { dirname, join } from 'node:path'

/** an editor writes a file in several steps */
const settleMs = 200

/**
 * Calls back some time after trust.yaml of a data folder, its signatures, or a key set that it names changed. Returns how to stop it.
 * @param named paths of the key sets, asked for again after each change
 */
export function watchTrust(root: string, onChange: () => void, named: () => readonly string[] = () => []): () => void {
  let timer: NodeJS.Timeout | undefined
  const watchers = new Map<string, FSWatcher>()
  const watchFolder = (folder: string): void => {
    if (watchers.has(folder)) return
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => changed(folder, name ?? ''))
      // a file system that can't be watched: SIGHUP and `rejoin trust reload` are left
      watcher.on('error', () => {
        watcher.close()
        watchers.delete(folder)
      })
      watchers.set(folder, watcher)
    } catch {
      // likewise
    }
  }
  const watchNamed = (): void => {
    for (const path of named()) watchFolder(dirname(join(root, path)))
  }
  const changed = (folder: string, name: string): void => {
    const isRules = folder === root && (name === 'trust.yaml' || name === 'trust.yaml.sigs')
    if (!isRules && !named().some((path) => join(root, path) === join(folder, name))) return
    clearTimeout(timer)
    timer = setTimeout(() => {
      onChange()
      watchNamed()
    }, settleMs)
  }
  watchFolder(root)
  watchNamed()
  return () => {
    clearTimeout(timer)
    for (const watcher of watchers.values()) watcher.close()
  }
}
