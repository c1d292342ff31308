const HEX_64 = /^[0-9a-f]{64}$/
const HEX_128 = /^[0-9a-f]{128}$/

/** Whether a value is 32 bytes as 64 lower-case hex characters: an event id or a public key (NIP-01). */
export function isHex64(value: unknown): value is string {
  return typeof value === 'string' && HEX_64.test(value)
}

/** Whether a value is 64 bytes as 128 lower-case hex characters: a signature (NIP-01). */
export function isHex128(value: unknown): value is string {
  return typeof value === 'string' && HEX_128.test(value)
}

/** Lower-case hex of some bytes. */
export function bytesToHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return hex
}

/** The bytes of hex of an even length. */
export function hexToBytes(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2)
  for (let index = 0; index < bytes.length; index++)
    bytes[index] = Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16)
  return bytes
}
