import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

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

/** Returns the folder for what this machine knows of its nodes beside their data folders, so that a restored one is noticed. */
export function stateFolder(): string {
  return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local/state'), 'rejoin')
}

/** Returns the folder that keeps compiled code from one start to the next: nobody else may write there, so it is not in /tmp. */
export function compiledFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'rejoin/compiled')
}
