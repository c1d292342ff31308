import { isIP, SocketAddress } from 'node:net'

/**
 * An IP address in the one form in which two are compared: IPv4 that is mapped into IPv6 as IPv4, IPv6 as short as it
 * goes, without a zone. Undefined for what is no address.
 */
export function normalizeIp(text: string): string | undefined {
  const bare = text.trim().replace(/%.*$|\/64$/, '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare
  const family = isIP(mapped)
  if (family === 0) return undefined
  if (family === 4) return mapped
  return new URL(`http://[${new SocketAddress({ address: mapped, family: 'ipv6' }).address}]`).hostname.slice(
    1,
    -1,
  )
}
