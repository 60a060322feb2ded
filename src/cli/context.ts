import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { RejoinError } from '../core/index.ts'

/** What every command is given besides its own arguments. */
export interface Context {
  readonly root: string
  readonly json: boolean
  readonly quiet: boolean
  readonly signal: AbortSignal
}

/** The options that every command has. */
export interface GlobalOptions {
  readonly data?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

/** Returns the data folder: --data, else REJOIN_DATA, else the XDG data directory. */
export function dataFolder(flag: string | undefined): string {
  const named = flag ?? process.env['REJOIN_DATA']
  if (named !== undefined) return resolve(named)
  return join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local/share'), 'rejoin')
}

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
