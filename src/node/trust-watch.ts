import { type FSWatcher, watch } from 'node:fs'

/** an editor writes a file in several steps */
const settleMs = 200

/** Calls back some time after trust.yaml of a data folder, or its signatures, changed. Returns how to stop it. */
export function watchTrust(root: string, onChange: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  let watcher: FSWatcher | undefined
  try {
    watcher = watch(root, { persistent: false }, (_, name) => {
      if (name !== 'trust.yaml' && name !== 'trust.yaml.sigs') return
      clearTimeout(timer)
      timer = setTimeout(onChange, settleMs)
    })
    // a file system that can't be watched: SIGHUP and `rejoin trust reload` are left
    watcher.on('error', () => watcher?.close())
  } catch {
    return () => {}
  }
  return () => {
    clearTimeout(timer)
    watcher?.close()
  }
}
