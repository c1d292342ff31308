import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'

/** Tells where a request came from, through the proxies that may say so. Source: SPEC PROX1–PROX3. */
export interface ClientAddresses {
  /**
   * The address that limits count: the nearest one that isn't a trusted proxy's. `isBehindProxy` says that a proxy
   * that isn't trusted added a header, so that everybody behind it seems to be one.
   */
  of(request: IncomingMessage): { readonly address: string; readonly isBehindProxy: boolean }
}

/** Whether a text is an IP address, or a network as in `10.0.0.0/8` or `fd00::/8`. */
export function isNetwork(text: string): boolean {
  const [address = '', length, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (version === 4 ? 32 : 128))
}

/** @param trustedProxies addresses and networks of proxies whose word is taken, see {@link isNetwork} */
export function createClientAddresses(trustedProxies: readonly string[]): ClientAddresses {
  const trusted = new BlockList()
  for (const network of trustedProxies) {
    const [address = '', length] = network.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (length === undefined) trusted.addAddress(address, family)
    else trusted.addSubnet(address, Number(length), family)
  }
  const isTrusted = (address: string) => trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')

  return {
    of({ headers, socket }) {
      let address = plain(socket.remoteAddress ?? '')
      const hops = forwardedFor(headers)
      while (isIP(address) !== 0 && isTrusted(address)) {
        const hop = hops.pop()
        // Nothing behind the last trusted proxy, or something that is no address ("unknown"): it is the proxy.
        if (hop === undefined || isIP(hop) === 0) break
        address = hop
      }
      return { address: toLimited(address), isBehindProxy: hops.length > 0 && !isTrusted(address) }
    },
  }
}

/** Addresses that proxies have added, the nearest last. `Forwarded` (RFC 7239) counts before `X-Forwarded-For`. */
function forwardedFor(headers: IncomingHttpHeaders): string[] {
  const forwarded = [headers.forwarded ?? []].flat().join(',')
  if (forwarded !== '') {
    return forwarded.split(',').map((element) => {
      const node = /(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;\s]*))/i.exec(element)
      return plain(node?.[1] ?? node?.[2] ?? '')
    })
  }
  const list = [headers['x-forwarded-for'] ?? []].flat().join(',')
  return list === '' ? [] : list.split(',').map(plain)
}

/** An address without brackets, port, zone, and the mark of an IPv4 address in IPv6 form. */
function plain(text: string): string {
  const trimmed = text.trim()
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(trimmed)?.[1] ?? /^([\d.]+):\d+$/.exec(trimmed)?.[1] ?? trimmed
  return bare.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')
}

/** Whoever has an IPv6 address has a network of 64 bits of them. */
export function toLimited(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const behind = tail === '' ? [] : tail.split(':')
    const missing = 8 - groups.length - behind.length
    groups.push(...new Array<string>(Math.max(0, missing)).fill('0'), ...behind)
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
