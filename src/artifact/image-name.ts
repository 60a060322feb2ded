const label = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?'
const domainShape = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?$`)
const part = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const pathShape = new RegExp(`^${part}(?:/${part})*$`)
const tailShape =
  /^(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$/
const hub = 'docker.io'
const maxPathChars = 255
const maxChars = 1024

/** what stands before the first slash is a host where it can't be a part of a path */
function isDomain(first: string): boolean {
  return (/[.:A-Z]/.test(first) || first === 'localhost') && domainShape.test(first)
}

/**
 * Returns an image reference as container tools spell it out, so that equal ones are equal texts: `ubuntu` is `docker.io/library/ubuntu`. No tag is
 * added. Undefined where it is no reference to an image of a registry.
 * @see https://github.com/distribution/reference, ParseNormalizedNamed
 */
export function fullImageName(text: string): string | undefined {
  if (text.length > maxChars) return undefined
  const slash = text.indexOf('/')
  const first = slash < 0 ? '' : text.slice(0, slash)
  const hasDomain = isDomain(first)
  const rest = hasDomain ? text.slice(slash + 1) : text
  const at = rest.search(/[:@]/)
  const [path, tail] = at < 0 ? [rest, ''] : [rest.slice(0, at), rest.slice(at)]
  if (path.length > maxPathChars || !pathShape.test(path) || !tailShape.test(tail)) return undefined
  // 64 hexadecimal digits alone are the ID of an image
  if (/^[0-9a-f]{64}$/.test(text)) return undefined
  const domain = !hasDomain || first === `index.${hub}` ? hub : first
  return `${domain}/${domain === hub && !path.includes('/') ? 'library/' : ''}${path}${tail}`
}
