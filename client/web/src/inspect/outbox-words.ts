import type { EditState } from '@onyx-sync/client'

/** How far a document's edits are, and what happens to them next. */
export const STATE_WORDS: Readonly<Record<EditState, string>> = {
  local: 'On this device; sent when there is a connection',
  sent: 'Signed and sent; the server hasn’t said that it has it',
  saved: 'On the server’s disk',
  refused: 'Refused, see below',
}

/** By the word before the colon of a refusal (NIP-01): what to do about it. */
const ADVICE: Readonly<Record<string, string>> = {
  restricted: 'This account may not write there any more: ask the chat’s owner to let it, then send again.',
  blocked:
    'The server doesn’t take this from this account: its words say why, and its operator can change that.',
  'rate-limited': 'It was too much at once: wait a little, then send again.',
  invalid: 'The server can’t take it as it is. Save it as a file, and report it.',
  pow: 'The server wants proof of work, which this device doesn’t do: use another server.',
  error: 'Something failed on the server: send again later.',
  'auth-required': 'The server doesn’t know who this is: check the device’s clock, then send again.',
}

const FULL =
  'There is no room left for this account: delete something for good, or ask the operator for more, then send again.'

/** The code and the words of a refusal apart, and what to do. */
export function explainRefusal(reason: string): {
  readonly code: string
  readonly words: string
  readonly advice: string
} {
  const [, code = '', words = reason] = /^([a-z-]+): ?(.*)$/s.exec(reason) ?? []
  const isFull = words.startsWith('quota:')
  const advice = isFull ? FULL : (ADVICE[code] ?? 'Send it again later, or save it as a file.')
  return { code: code === '' ? 'none' : code, words, advice }
}
