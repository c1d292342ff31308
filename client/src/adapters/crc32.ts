const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/**
 * CRC-32 (IEEE 802.3) of a text of Latin-1 characters, such as base64: finds every single flipped bit.
 *
 * @param before that of the text before it, whose rest this is
 */
export function crc32(text: string, before = 0): number {
  let crc = before ^ 0xffffffff
  for (let index = 0; index < text.length; index++) {
    crc = (TABLE[(crc ^ text.charCodeAt(index)) & 0xff] as number) ^ (crc >>> 8)
  }
  return (crc ^ 0xffffffff) >>> 0
}
