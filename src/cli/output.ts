import { styleText } from 'node:util'
import { codeOf, errorCodes, RejoinError } from '../core/index.ts'

/** Writes one line to standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Writes a record as one line of JSON. */
export function printJson(record: object): void {
  process.stdout.write(`${JSON.stringify(record)}\n`)
}

/** Writes a notice to standard error: what happened, for a person. */
export function notice(text: string): void {
  process.stderr.write(`rejoin: ${text}\n`)
}

/** Returns a text without the control characters that could steer a terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}

/** Prints an error in two lines (or one JSON object) and returns the exit code that goes with it. */
export function printError(error: unknown, json: boolean): number {
  const code = codeOf(error)
  if (!(error instanceof RejoinError) || code === undefined) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`rejoin: bug: ${text}\nrejoin: hint: please report this, with what you did\n`)
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
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}

/** Ends a progress line. */
export function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
}
