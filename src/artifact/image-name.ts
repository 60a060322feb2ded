const domainShape =
  /^(?:localhost|[A-Za-z0-9-]*[A-Z][A-Za-z0-9-]*|[A-Za-z0-9.-]*\.[A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$|^[A-Za-z0-9.-]+:[0-9]+$/
const pathShape = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/
const tailShape = /^(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,})?$/
const hub = 'docker.io'

/**
 * Returns an image reference as container tools spell it out, so that equal ones are equal texts: `ubuntu` is `docker.io/library/ubuntu`. No tag is
 * added. Undefined where it is no reference to an image of a registry.
 * @see https://github.com/distribution/reference, ParseNormalizedNamed
 */
export function fullImageName(text: string): string | undefined {
  const slash = text.indexOf('/')
  const first = slash < 0 ? '' : text.slice(0, slash)
  const hasDomain = domainShape.test(first)
  const rest = hasDomain ? text.slice(slash + 1) : text
  const at = rest.search(/[:@]/)
  const [path, tail] = at < 0 ? [rest, ''] : [rest.slice(0, at), rest.slice(at)]
  if (!pathShape.test(path) || !tailShape.test(tail)) return undefined
  const domain = !hasDomain || first === `index.${hub}` ? hub : first
  return `${domain}/${domain === hub && !path.includes('/') ? 'library/' : ''}${path}${tail}`
}
