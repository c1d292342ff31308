const NEWLINE = 0x0a

/**
 * Lines of UTF-8, without their ends. Only a line feed ends one: Node's readline also breaks at U+2028, which
 * stands unescaped in JSON. What comes after the last line feed is a line, too.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let pending: Uint8Array[] = []
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      pending.push(chunk.subarray(start, end))
      yield textOf(pending)
      pending = []
      start = end + 1
    }
    if (start < chunk.byteLength) pending.push(chunk.subarray(start))
  }
  if (pending.length > 0) yield textOf(pending)
}

function textOf(parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString('utf8')
}
