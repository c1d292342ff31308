const TYPE = /^\s*\[\s*"([A-Z-]{1,16})"/
const SECOND = /^\s*\[\s*"[A-Z-]{1,16}"\s*,\s*"([^"\\]{1,64})"/
/** Within a JSON string every quote has a backslash before it, so this can't match inside the content. */
const EVENT_ID = /"id"\s*:\s*"([0-9a-f]{64})"/

/** The type of a message, as far as that can be told without parsing it; `''` if none is seen. */
export function peekType(text: string): string {
  return TYPE.exec(text)?.[1] ?? ''
}

/**
 * What a message is about: the id of the event, or of the subscription; `''` if none is seen. Reads just enough of it to
 * refuse it: parsing a megabyte for somebody who sends too much would be the very work that the refusal saves.
 */
export function peekId(type: string, text: string): string {
  const pattern = type === 'EVENT' || type === 'AUTH' ? EVENT_ID : SECOND
  return pattern.exec(text)?.[1] ?? ''
}
