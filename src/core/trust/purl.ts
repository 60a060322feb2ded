const maxChars = 4096

/** A package URL, taken apart; its parts are percent-decoded. `pkg:npm/%40angular/animation@12.3.1?arch=x#src` */
export interface Purl {
  /** lower case */
  readonly type: string
  /** empty where there is none */
  readonly namespace: string
  readonly name: string
  /** empty where there is none */
  readonly version: string
  /** names in lower case */
  readonly qualifiers: ReadonlyMap<string, string>
  /** empty where there is none */
  readonly subpath: string
}

/** Types whose namespace and name are compared in lower case. @see the types' pages of package-url/purl-spec */
const foldedTypes: ReadonlySet<string> = new Set([
  'alpm',
  'apk',
  'bitbucket',
  'composer',
  'deb',
  'github',
  'golang',
  'hex',
  'oci',
  'pypi'
])

/** Decodes what is valid UTF-8 and leaves the rest as it stands. */
function decoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function segmentsOf(path: string): readonly string[] {
  return path.split('/').filter((segment) => segment !== '')
}

function qualifiersOf(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const pair of text.split('&')) {
    const equals = pair.indexOf('=')
    // a qualifier without value is none
    if (equals > 0 && equals < pair.length - 1) found.set(pair.slice(0, equals).toLowerCase(), decoded(pair.slice(equals + 1)))
  }
  return found
}

/** Cuts a text at the first separator; the second part is empty where there is none. */
function cut(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

/**
 * Returns a package URL taken apart, or what is wrong with it, as in `it has no type`. Types are not looked up: new ones come up
 * all the time.
 * @see ECMA-427 (https://github.com/package-url/purl-spec)
 */
export function parsePurl(text: string): Purl | string {
  if (text.length > maxChars) return 'it is too long'
  if (!/^pkg:/i.test(text)) return 'it does not begin with pkg:'
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return 'it has a % without two hexadecimal digits'
  const [beforeSubpath, subpath] = cut(text.slice(4), '#')
  const [whole, qualifiers] = cut(beforeSubpath, '?')
  const [type, named] = cut(whole.replace(/^\/+/, ''), '/')
  if (!/^[A-Za-z][A-Za-z0-9.+-]*$/.test(type)) return 'it has no type'
  // npm's scope is often left unescaped: an "@" before the last "/" starts no version
  const at = named.indexOf('@', named.lastIndexOf('/') + 1)
  const path = at === -1 ? named : named.slice(0, at)
  const segments = segmentsOf(path).map(decoded)
  const name = path.endsWith('/') ? '' : (segments.at(-1) ?? '')
  if (name === '') return 'it has no name'
  const folded = foldedTypes.has(type.toLowerCase())
  const namespace = segments.slice(0, -1).join('/')
  return {
    type: type.toLowerCase(),
    namespace: folded ? namespace.toLowerCase() : namespace,
    name: folded ? foldedName(type.toLowerCase(), name) : name,
    version: at === -1 ? '' : decoded(named.slice(at + 1)),
    qualifiers: qualifiersOf(qualifiers),
    subpath: segmentsOf(subpath).map(decoded).join('/')
  }
}

function foldedName(type: string, name: string): string {
  return type === 'pypi' ? name.toLowerCase().replaceAll('_', '-') : name.toLowerCase()
}

/** Returns what two package URLs of one package have in common and no others do, for a map; not for showing. */
export function packageKey({ type, namespace, name }: Purl): string {
  return `${type}\n${namespace}\n${name}`
}

/** Returns a part percent-encoded; ":" stays, as the specification has it. */
function encoded(part: string): string {
  if (/^[A-Za-z0-9._:-]*$/.test(part)) return part
  return encodeURIComponent(part.toWellFormed()).replaceAll('%3A', ':')
}

function packageOf({ type, namespace, name }: Purl): string {
  const path = namespace === '' ? [name] : [...namespace.split('/'), name]
  return `pkg:${type}/${path.map(encoded).join('/')}`
}

/**
 * Returns a package URL without qualifiers and subpath, in one spelling: `pkg:npm/%40angular/animation@12.3.1`; undefined where
 * it is none.
 */
export function purlWithoutQualifiers(text: string): string | undefined {
  const purl = parsePurl(text)
  if (typeof purl === 'string') return undefined
  return purl.version === '' ? packageOf(purl) : `${packageOf(purl)}@${encoded(purl.version)}`
}

/**
 * Returns whether what is said of one package URL is said of another: the same package, and whatever version, qualifiers and
 * subpath the first has, the second has too.
 */
export function purlCovers(general: Purl, particular: Purl): boolean {
  if (packageKey(general) !== packageKey(particular)) return false
  if (general.version !== '' && general.version !== particular.version) return false
  if (general.subpath !== '' && general.subpath !== particular.subpath) return false
  for (const [key, value] of general.qualifiers) if (particular.qualifiers.get(key) !== value) return false
  return true
}
