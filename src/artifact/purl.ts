const maxChars = 4096

/**
 * Returns what is wrong with a package URL, or undefined where it is one. Types are not looked up: new ones come up all the time.
 *
 * `pkg:npm/%40angular/animation@12.3.1?arch=x#src`
 * @see ECMA-427 (https://github.com/package-url/purl-spec)
 */
export function purlFault(text: string): string | undefined {
  if (text.length > maxChars) return 'it is too long'
  if (!/^pkg:/i.test(text)) return 'it does not begin with pkg:'
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return 'it has a % without two hexadecimal digits'
  const [withQualifiers = ''] = text.slice(4).split('#')
  const [whole = ''] = withQualifiers.split('?')
  const path = whole.replace(/^\/+/, '')
  const slash = path.indexOf('/')
  const type = slash === -1 ? path : path.slice(0, slash)
  if (!/^[A-Za-z][A-Za-z0-9.+-]*$/.test(type)) return 'it has no type'
  const named = slash === -1 ? '' : path.slice(slash + 1)
  // npm's scope is often left unescaped: an "@" before the last "/" starts no version
  const at = named.indexOf('@', named.lastIndexOf('/') + 1)
  const name = (at === -1 ? named : named.slice(0, at)).split('/').at(-1)
  return name === '' ? 'it has no name' : undefined
}
