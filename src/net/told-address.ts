import { CODE_DNS, CODE_DNS4, CODE_DNS6, CODE_IP4, CODE_IP6, CODE_P2P, CODE_TCP, type Multiaddr } from '@multiformats/multiaddr'

const hostCodes: ReadonlySet<number> = new Set([CODE_IP4, CODE_IP6, CODE_DNS, CODE_DNS4, CODE_DNS6])
const maxLength = 300

const hostOf = (address: Multiaddr): string | undefined => address.getComponents()[0]?.value
const isLoopback = (host: string | undefined): boolean => host === '::1' || host?.startsWith('127.') === true

/** Returns whether something can be dialled at an address: a host, a TCP port, no relay, and this peer if it names one. */
function isDialable(address: Multiaddr, peerId: string): boolean {
  const [host, port, ...rest] = address.getComponents()
  return (
    host !== undefined &&
    hostCodes.has(host.code) &&
    port?.code === CODE_TCP &&
    Number(port.value) > 0 &&
    rest.every(({ code, name, value }) => name !== 'p2p-circuit' && (code !== CODE_P2P || value === peerId)) &&
    address.toString().length <= maxLength
  )
}

/**
 * Returns under which of the addresses that a peer says it listens on it can be dialled from here, with its peer ID: preferably one of the
 * host that its connection comes from. The port of that connection leads nowhere, since it was made for it alone.
 */
export function toldAddress(listens: readonly Multiaddr[], seenAt: Multiaddr, peerId: string): string | undefined {
  const dialable = listens.filter((address) => isDialable(address, peerId))
  const seenHost = hostOf(seenAt)
  const best =
    dialable.find((address) => hostOf(address) === seenHost) ?? dialable.find((address) => !isLoopback(hostOf(address)))
  if (best === undefined) return undefined
  const text = best.toString()
  return best.getComponents().some(({ code }) => code === CODE_P2P) ? text : `${text}/p2p/${peerId}`
}
