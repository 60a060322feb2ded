/** Returns the regular files of a plain tar by their names. */
export function filesOfTar(tar: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  const text = (at: number, length: number): string =>
    new TextDecoder().decode(tar.subarray(at, at + length)).replace(/\0.*$/s, '')
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const sizeBytes = Number.parseInt(text(at + 124, 12), 8)
    const kind = text(at + 156, 1)
    const prefix = text(at + 257, 5) === 'ustar' ? text(at + 345, 155) : ''
    const name = prefix === '' ? text(at, 100) : `${prefix}/${text(at, 100)}`
    if (kind === '' || kind === '0') files.set(name.replace(/^\.\//, ''), tar.slice(at + 512, at + 512 + sizeBytes))
    at += 512 + Math.ceil(sizeBytes / 512) * 512
  }
  return files
}
