import type { ComponentLogger, Logger } from '@libp2p/interface'

/** The part of a pino logger that net uses. */
export interface NetLog {
  readonly debug: (fields: object, message: string) => void
  readonly info: (fields: object, message: string) => void
  readonly warn: (fields: object, message: string) => void
  readonly error: (fields: object, message: string) => void
  readonly isLevelEnabled?: (level: string) => boolean
}

const silent = (): void => {}

/** A log that says nothing. */
export const noLog: NetLog = { debug: silent, info: silent, warn: silent, error: silent }

function format(template: unknown, values: readonly unknown[]): string {
  let next = 0
  return String(template).replaceAll(/%[a-zA-Z%]/g, (token) => {
    if (token === '%%') return '%'
    const value = values[next++]
    return value instanceof Error ? value.message : String(value)
  })
}

/** Returns libp2p's logger: all that libp2p says goes to `debug`, its trace nowhere; nothing is formatted that isn't wanted. */
export function libp2pLogger(log: NetLog): ComponentLogger {
  const wanted = log !== noLog && log.isLevelEnabled?.('debug') !== false
  const forComponent = (name: string): Logger => {
    const say = wanted
      ? (template: unknown, ...values: unknown[]): void => log.debug({ component: name }, format(template, values))
      : silent
    return Object.assign((...args: [unknown, ...unknown[]]) => say(...args), {
      enabled: wanted,
      error: say,
      trace: Object.assign(silent, { enabled: false }),
      newScope: (scope: string) => forComponent(`${name}:${scope}`)
    })
  }
  return { forComponent }
}
