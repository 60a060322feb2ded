import { RejoinError } from '../core/error.ts'

/** Returns a signal that SIGINT and SIGTERM abort; a second one ends the process at once. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  const on = (name: 'SIGINT' | 'SIGTERM', error: RejoinError, exit: number): void => {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(exit)
      stop.abort(error)
    })
  }
  on('SIGINT', new RejoinError('E_INTERRUPTED', 'interrupted'), 130)
  on('SIGTERM', new RejoinError('E_TERMINATED', 'asked to end'), 143)
  return stop.signal
}
