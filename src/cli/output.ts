import { styleText } from 'node:util'
import { codeOf, errorCodes, firstError, RejoinError } from '../core/error.ts'

/** What could steer a terminal, turn the order of what it shows, or stand there unseen so that two names look alike. */
const steering =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g
const escaped = (text: string): string =>
  Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')

/** Writes one line to standard output. Whatever of it came from elsewhere, it steers no terminal and stays one line. */
export function print(line: string): void {
  process.stdout.write(`${printable(line)}\n`)
}

/** Writes a record as one line of JSON, in which what could steer a terminal is escaped: the same value to a reader. */
export function printJson(record: object): void {
  process.stdout.write(`${JSON.stringify(record).replace(steering, escaped)}\n`)
}

/** Writes a notice to standard error: what happened, for a person. */
export function notice(text: string): void {
  process.stderr.write(`rejoin: ${printable(text)}\n`)
}

/** Returns a text without the characters that could steer a terminal, or turn or hide what it shows. */
export function printable(text: string): string {
  return text.replace(steering, '\ufffd')
}

/** Prints an error in two lines (or one JSON object) and returns the exit code that goes with it. */
export function printError(thrown: unknown, json: boolean): number {
  const error = firstError(thrown)
  const code = codeOf(error)
  if (!(error instanceof RejoinError) || code === undefined) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const shown = text.split('\n').map(printable).join('\n')
    process.stderr.write(`rejoin: bug: ${shown}\nrejoin: hint: please report this, with what you did\n`)
    return 1
  }
  if (json) printJson({ kind: 'error', code, error: error.message, ...(error.hint !== undefined && { hint: error.hint }) })
  const paint = (text: string): string => (process.stderr.isTTY ? styleText('red', text) : text)
  process.stderr.write(`rejoin: ${paint('error:')} ${printable(error.message)} (${code})\n`)
  if (error.hint !== undefined) process.stderr.write(`rejoin: hint: ${printable(error.hint)}\n`)
  return errorCodes[code].exit
}

/** Shows progress on standard error, in place, where that is a terminal. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${printable(text)}`)
}

/** Ends a progress line. */
export function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
}
