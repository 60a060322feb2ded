import { BlockList, isIP } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'

/** addresses that nobody on the internet has: loopback, link-local, LANs, carrier-grade NAT and its use in overlay networks */
const privateRanges = new BlockList()
for (const [address, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10]
] as const)
  privateRanges.addSubnet(address, bits, 'ipv4')
privateRanges.addAddress('::1', 'ipv6')
privateRanges.addSubnet('fe80::', 10, 'ipv6')
privateRanges.addSubnet('fc00::', 7, 'ipv6')

/** Returns the eight groups of an IPv6 address that isIP accepts. */
function groupsOf(address: string): readonly number[] {
  const [bare = ''] = address.split('%')
  const text = bare.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [(Number(a) << 8) | Number(b), (Number(c) << 8) | Number(d)].map((group) => group.toString(16)).join(':')
  )
  const [left = '', right] = text.split('::')
  const numbers = (part: string): number[] =>
    part.split(':').flatMap((group) => (group === '' ? [] : [Number.parseInt(group, 16)]))
  const [head, tail] = [numbers(left), numbers(right ?? '')]
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
}

/** Returns the IPv4 address that an IPv6 address stands for (::ffff:a.b.c.d), as a listener on :: sees it. */
function mapped(groups: readonly number[]): string | undefined {
  const [, , , , , marker, high = 0, low = 0] = groups
  if (marker !== 0xffff || groups.slice(0, 5).some((group) => group !== 0)) return undefined
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/**
 * Returns the range of addresses that one site or one attacker has: `192.0.2.0/24`, `2001:db8:0:1::/64`; undefined for an address of a
 * private network, and where the other end's address isn't known, as through a relay.
 * @param countPrivate whether private addresses have ranges too
 */
export function rangeOf(
  address: Multiaddr,
  { countPrivate = false }: { readonly countPrivate?: boolean } = {}
): string | undefined {
  const parts = address.getComponents()
  const host = parts[0]?.value ?? ''
  if (isIP(host) === 0 || parts.some(({ name }) => name === 'p2p-circuit')) return undefined
  const groups = isIP(host) === 6 ? groupsOf(host) : []
  const ipv4 = isIP(host) === 4 ? host : mapped(groups)
  if (!countPrivate && (ipv4 === undefined ? privateRanges.check(host.split('%')[0] ?? '', 'ipv6') : privateRanges.check(ipv4)))
    return undefined
  if (ipv4 !== undefined) return `${ipv4.slice(0, ipv4.lastIndexOf('.'))}.0/24`
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}
