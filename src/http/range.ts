/** Bytes of a file from `from` up to, but not with, `to`. */
export interface Span {
  readonly from: number
  readonly to: number
}

const form = /^bytes=(?<first>\d{0,15})-(?<last>\d{0,15})$/

/**
 * Returns the bytes that a Range header asks for: undefined for all of the file, where it asks for none, or for something that may be answered
 * with all; `none` where it lies behind the end.
 * @see RFC 9110 section 14.2
 */
export function spanOf(header: string | undefined, sizeBytes: number): Span | 'none' | undefined {
  const { first = '', last = '' } = form.exec(header ?? '')?.groups ?? {}
  if (first === '' && last === '') return undefined
  if (first === '') {
    const count = Number(last)
    return count === 0 || sizeBytes === 0 ? 'none' : { from: Math.max(0, sizeBytes - count), to: sizeBytes }
  }
  const from = Number(first)
  const to = last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1)
  if (last !== '' && Number(last) < from) return undefined
  return from >= sizeBytes ? 'none' : { from, to }
}

/** Returns whether an If-None-Match header names a version; weakly, as for GET. @see RFC 9110 section 13.1.2 */
export function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  const plain = etag.replace(/^W\//, '')
  return header.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === plain)
}
