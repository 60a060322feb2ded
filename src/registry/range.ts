/** Bytes of a blob that a request asks for: from `from` up to, but not with, `to`. */
export interface AskedRange {
  readonly from: number
  readonly to: number
}

/**
 * Returns the range that a Range header asks for: undefined where all is to be sent (no header, another unit, a list of ranges),
 * `unsatisfiable` where the blob has none of it.
 * @see RFC 9110, section 14
 */
export function rangeOf(header: string | undefined, sizeBytes: number): AskedRange | 'unsatisfiable' | undefined {
  const found = header === undefined ? null : /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/.exec(header)
  if (found === null) return undefined
  const [, first = '', last = ''] = found
  if (first === '' && last === '') return undefined
  if (first === '') {
    const count = Math.min(Number(last), sizeBytes)
    return count === 0 ? 'unsatisfiable' : { from: sizeBytes - count, to: sizeBytes }
  }
  const from = Number(first)
  if (last !== '' && Number(last) < from) return undefined
  if (from >= sizeBytes) return 'unsatisfiable'
  return { from, to: last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1) }
}

/** Returns the bounds that a Content-Range of an upload names, both inclusive; undefined where it is malformed. */
export function contentRangeOf(header: string): { readonly first: number; readonly last: number } | undefined {
  const found = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header)
  if (found === null) return undefined
  const [first, last] = [Number(found[1]), Number(found[2])]
  return last < first ? undefined : { first, last }
}
