/** What a message is about, as far as that can be told without parsing it. */
export interface Peeked {
  readonly type: string
  /** Id of the event, or of the subscription; `''` if none is seen. */
  readonly id: string
}

const HEAD = /^\s*\[\s*"([A-Z-]{1,16})"\s*(?:,\s*"([^"\\]{1,64})")?/
/** Within a JSON string every quote has a backslash before it, so this can't match inside the content. */
const EVENT_ID = /"id"\s*:\s*"([0-9a-f]{64})"/

/**
 * Reads just enough of a message to refuse it: parsing a megabyte for somebody who sends too much would be the very
 * work that the refusal saves. Tells nothing wrong of a well-formed message; of another, an empty id.
 */
export function peekMessage(text: string): Peeked {
  const [, type = '', id = ''] = HEAD.exec(text) ?? []
  const isEvent = type === 'EVENT' || type === 'AUTH'
  return { type, id: isEvent ? (EVENT_ID.exec(text)?.[1] ?? '') : id }
}
