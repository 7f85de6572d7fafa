import { createHmac } from 'node:crypto'
import { BlockList, isIP, isIPv6, SocketAddress } from 'node:net'
import type { Request } from 'express'

/** Where a request comes from, for limits and for the owner of an anonymous host. */
export interface Origin {
  readonly address: string
  /** In one of the networks that many people share by design, by default loopback. */
  readonly shared: boolean
}

/** Reads origins by the networks of the settings, written as `10.0.0.0/8` or `fd00::/8`. Throws on any other text. */
export function originReader(sharedPrefixes: readonly string[]): (req: Pick<Request, 'ip'>) => Origin {
  const shared = blockList(sharedPrefixes)
  return req => {
    // express reads X-Forwarded-For only behind the proxies that the operator named.
    const address = plainAddress(req.ip ?? '')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    // A proxy may pass on what a client claims to be: what is no address is shared with nobody.
    return { address, shared: isIP(address) !== 0 && shared.check(address, family) }
  }
}

/** A name for the network an address is in (IPv4 /24, IPv6 /48) from which the network cannot be found without the secret. */
export function prefixName(address: string, secret: string): string {
  return createHmac('sha256', secret)
    .update(`prefix|${networkOf(address)}`)
    .digest('hex')
    .slice(0, 32)
}

/** The same of an address alone; whoever has one of IPv6 has as many as there are stars, so that is a network too. */
export const addressName = (address: string, secret: string): string =>
  isIPv6(address)
    ? prefixName(address, secret)
    : createHmac('sha256', secret).update(`address|${address}`).digest('hex').slice(0, 32)

/** The network a request comes from: its name, or null when many people share it by design. */
export interface Network {
  readonly prefix: string | null
}

/** Reads the networks of requests. Throws as `originReader` does. */
export function networkReader(
  sharedPrefixes: readonly string[],
  secret: string,
): (req: Pick<Request, 'ip'>) => Network {
  const originOf = originReader(sharedPrefixes)
  return req => {
    const { address, shared } = originOf(req)
    return { prefix: shared ? null : prefixName(address, secret) }
  }
}

const IPV6_GROUPS_KEPT = 3 // of 16 bits: /48

function networkOf(address: string): string {
  if (!isIPv6(address)) return address.split('.').slice(0, 3).join('.')
  const full = new SocketAddress({ address, family: 'ipv6' }).address
  const [head = '', tail] = full.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeros, ...after].slice(0, IPV6_GROUPS_KEPT).join(':')
}

// A dual-stack socket shows IPv4 callers as ::ffff:a.b.c.d, and a link-local one names its interface after a %.
// A mapped one may also be spelled ::ffff:cb00:7107.
function plainAddress(text: string): string {
  const address = text.replace(/%.*$/, '')
  if (!isIPv6(address)) return address
  return new SocketAddress({ address, family: 'ipv6' }).address.replace(/^::ffff:(?=\d+\.)/, '')
}

function blockList(prefixes: readonly string[]): BlockList {
  const list = new BlockList()
  for (const prefix of prefixes) {
    const [address = '', bits = ''] = prefix.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(bits || (family === 'ipv6' ? 128 : 32)), family)
  }
  return list
}
