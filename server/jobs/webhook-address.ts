import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3') // RFC 4291; whatever lies outside is for something else

/**
 * Says of an address whether messages may be sent there: a public unicast address, or one in the given networks
 * (`10.0.0.0/8`, `fd00::/8`). Loopback, private, link-local (where clouds keep their metadata), carrier-grade NAT, multicast,
 * reserved and documentation addresses are not public; nor is IPv6 that stands for IPv4 (mapped, compatible, NAT64, 6to4,
 * Teredo), which might lead to any of these. Throws on a network that cannot be read.
 */
export function targetChecker(networks: readonly string[]): (address: string) => boolean {
  const allowed = networks.map(network => ipaddr.parseCIDR(network))
  return text => {
    if (isIP(text) === 0) return false // ipaddr.js also reads shortened and octal forms
    const address = ipaddr.parse(text)
    const isAllowed = allowed.some(
      ([base, bits]) => base.kind() === address.kind() && address.match(base, bits),
    )
    return isAllowed || isPublic(address)
  }
}

function isPublic(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.range() !== 'unicast') return false
  return address.kind() === 'ipv4' || address.match(...GLOBAL_UNICAST)
}
