/** What Node has, and counts thirty times as fast with. */
const native = (globalThis as { readonly Buffer?: { byteLength(text: string): number } }).Buffer

/** Bytes that a text takes in UTF-8, counted without encoding it. Half of a pair by itself takes three. */
export function utf8Length(text: string): number {
  return native === undefined ? countUtf8(text) : native.byteLength(text)
}

/** The same, where the platform doesn't count. */
export function countUtf8(text: string): number {
  let length = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.codePointAt(index) as number
    if (code >= 0x10000) index++
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return length
}
