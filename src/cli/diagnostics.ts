import { createRequire } from 'node:module'
import type { Logger } from 'pino'
import { RejoinError } from '../core/error.ts'
import { printable } from './output.ts'

const levels = ['debug', 'info', 'warn', 'error', 'silent'] as const
type Level = (typeof levels)[number]
type Say = (fields: object, message: string) => void

/** The diagnostics of one room: what a person or a machine that watches the node may want to know, never a result. */
export interface RoomLog {
  readonly debug: Say
  readonly info: Say
  readonly warn: Say
  readonly error: Say
  readonly isLevelEnabled: (level: string) => boolean
}

const load = createRequire(import.meta.url)

/** Returns the level of REJOIN_LOG; --quiet, a flag, comes before it. @throws E_CONFIG for an unknown one */
function levelOf(quiet: boolean): Level {
  if (quiet) return 'error'
  const word = process.env['REJOIN_LOG'] ?? ''
  if (word === '') return 'warn'
  const level = levels.find((one) => one === word)
  if (level !== undefined) return level
  throw new RejoinError('E_CONFIG', `REJOIN_LOG: unknown level ${JSON.stringify(word)}`, {
    hint: `levels are ${levels.join(', ')}`
  })
}

/** Returns one line of JSON as a person reads it, e.g. `rejoin: info: connected again {"address":"/ip4/…"}`. */
function worded(line: string): string {
  const { level, time: _, room: _room, msg, ...fields } = JSON.parse(line) as Readonly<Record<string, unknown>>
  const rest = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`
  return `rejoin: ${level === 'warn' ? '' : `${String(level)}: `}${printable(String(msg) + rest)}\n`
}

/** Loads pino, when there is the first line to say: it takes 14 ms that most commands need not wait for. */
function open(level: Level): Logger {
  const { pino } = load('pino') as typeof import('pino')
  const { stderr } = process
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    { write: (line) => void stderr.write(stderr.isTTY ? worded(line) : line) }
  )
}

/**
 * Returns the log of each room, on standard error: JSON lines, or words where that is a terminal.
 * @throws E_CONFIG where REJOIN_LOG is no level
 */
export function diagnostics({ quiet }: { readonly quiet: boolean }): (room: string) => RoomLog {
  const level = levelOf(quiet)
  let logger: Logger | undefined
  const isLevelEnabled = (one: string): boolean => levels.indexOf(one as Level) >= levels.indexOf(level)
  return (room) => {
    const say = (one: Exclude<Level, 'silent'>): Say => {
      if (!isLevelEnabled(one)) return () => {}
      return (fields, message) => {
        logger ??= open(level)
        logger[one]({ room, ...fields }, message)
      }
    }
    return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error'), isLevelEnabled }
  }
}
