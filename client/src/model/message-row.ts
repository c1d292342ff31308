import { isHighSurrogate } from './message.js'

/**
 * Most that text and data of a row may take together, bytes of UTF-8: Android's SQLite reads no row above 1 MB at best,
 * and half of that is what the rest of the store keeps to.
 */
export const MAX_ROW_BYTES = 400_000

/** What of a message goes into its row. */
export interface FittedRow {
  readonly content: string
  /** JSON of all other fields. */
  readonly data: string
  /** Whether something was left out: the document has it. */
  readonly isPartial: boolean
}

/**
 * A message's text and other fields, so that they fit into a row. What is too large stays in the document only: first
 * the results of tools, the largest first, in whose place `resultBytes` says how large they are; then their arguments;
 * then all other fields; and in the end the rest of the text.
 */
export function fitRow(content: string, fields: Readonly<Record<string, unknown>>): FittedRow {
  const data = toJsonText(fields)
  // Three bytes are the most that a code unit takes.
  if (
    (content.length + data.length) * 3 <= MAX_ROW_BYTES ||
    sizeOf(content) + sizeOf(data) <= MAX_ROW_BYTES
  ) {
    return { content, data, isPartial: false }
  }
  const room = Math.max(0, MAX_ROW_BYTES - sizeOf(content))
  const smaller = [withoutLarge(fields, 'result', room), withoutLarge(fields, 'args', room), {}].map(
    toJsonText,
  )
  const fitting = smaller.find((candidate) => sizeOf(candidate) <= room) ?? '{}'
  return { content: cutTo(content, MAX_ROW_BYTES - sizeOf(fitting)), data: fitting, isPartial: true }
}

/** The fields without what is large in tool calls: results, and with `args` arguments too. */
function withoutLarge(
  fields: Readonly<Record<string, unknown>>,
  upTo: 'result' | 'args',
  room: number,
): Record<string, unknown> {
  const tools = Array.isArray(fields.tools)
    ? (fields.tools as Record<string, unknown>[]).map((call) => ({ ...call }))
    : []
  const sizes = tools
    .flatMap((call) =>
      (upTo === 'args' ? (['result', 'args'] as const) : (['result'] as const)).map((key) => ({ call, key })),
    )
    .filter(({ call, key }) => call[key] !== undefined)
    .map(({ call, key }) => ({ call, key, bytes: sizeOf(toJsonText(call[key])) }))
    .sort((a, b) => b.bytes - a.bytes)
  for (const { call, key, bytes } of sizes) {
    if (sizeOf(toJsonText({ ...fields, tools })) <= room) break
    delete call[key]
    call[`${key}Bytes`] = bytes
  }
  return { ...fields, tools }
}

/** The beginning of a text, of so many bytes at most, no character cut. */
function cutTo(text: string, bytes: number): string {
  if (sizeOf(text) <= bytes) return text
  const cut = new TextDecoder()
    .decode(new TextEncoder().encode(text).subarray(0, bytes))
    .replace(/\ufffd+$/, '')
  return isHighSurrogate(cut, cut.length - 1) ? cut.slice(0, -1) : cut
}

function sizeOf(text: string): number {
  return new TextEncoder().encode(text).byteLength
}

/** JSON of what a document may hold: Yjs carries undefined and BigInt too, which JSON doesn't. */
export function toJsonText(value: unknown): string {
  return JSON.stringify(value ?? null, (_key, item) => (typeof item === 'bigint' ? String(item) : item))
}
