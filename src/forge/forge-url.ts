import { isDigest, isRepository, isTag, RejoinError } from '../core/index.ts'

/** A place in a registry: its address, and what of it is meant. */
export interface ForgePlace {
  /** scheme, host and port: https://registry.example:5000 */
  readonly origin: string
  /** host and port, as credentials are kept by: registry.example:5000 */
  readonly host: string
  readonly repository: string | undefined
  readonly tag: string | undefined
  readonly digest: string | undefined
}

const maxUrlLength = 1024
const schemes: Readonly<Record<string, string>> = { 'docker:': '', 'http:': 'http:', 'https:': 'https:' }

/** Returns whether a host is this machine, to which Docker's tools speak plain HTTP. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}

/**
 * Returns the place that `docker://host[:port]/repository[:tag|@digest]`, `https://host[:port][/repository…]` or `http://…` names.
 * `docker://` means HTTP on the loopback and HTTPS elsewhere, as Docker's tools have it.
 * @throws E_USAGE
 */
export function parseForgeUrl(text: string): ForgePlace {
  const bad = (why: string): RejoinError =>
    new RejoinError('E_USAGE', `not the address of a registry: ${JSON.stringify(text.slice(0, 120))} (${why})`, {
      hint: 'https://HOST[:PORT], or docker://HOST[:PORT]/REPOSITORY[:TAG]'
    })
  if (text.length > maxUrlLength || !/^[\x21-\x7e]+$/.test(text)) throw bad('too long, or not printable')
  const [, scheme = '', hostname = '', port = '', path = ''] =
    /^([a-z]+:)\/\/(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?(?:\/(.*))?$/.exec(text) ?? []
  const wire = schemes[scheme]
  if (wire === undefined || hostname === '') throw bad('docker://, https:// or http:// and a host are expected')
  if (port !== '' && (Number(port) === 0 || Number(port) > 65_535)) throw bad('no such port')
  const host = `${hostname.toLowerCase()}${port === '' ? '' : `:${port}`}`
  const origin = `${wire === '' ? (isLoopback(hostname.toLowerCase()) ? 'http:' : 'https:') : wire}//${host}`
  const name = path.replace(/\/+$/, '')
  if (name === '') return { origin, host, repository: undefined, tag: undefined, digest: undefined }
  const [before = '', digest] = name.split('@', 2)
  if (digest !== undefined && !isDigest(digest)) throw bad('what follows @ is no digest')
  const colon = before.lastIndexOf(':')
  const [repository, tag] = colon < 0 ? [before, undefined] : [before.slice(0, colon), before.slice(colon + 1)]
  if (!isRepository(repository)) throw bad('the repository has a name that no registry takes')
  if (tag !== undefined && !isTag(tag)) throw bad('the tag is none')
  return { origin, host, repository, tag, digest }
}
