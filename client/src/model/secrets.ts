import { SyncError } from '@onyx-sync/shared'
import type { JsonValue } from './json.js'

const SECRET_KEY =
  /mnemonic|seed.?phrase|priv(ate)?.?key|\bnsec\b|api.?key|secret|password|(access|push|auth|refresh|github).?token/i
const SECRET_VALUE = new RegExp(
  [
    String.raw`\b(nsec1|ncryptsec1|gh[pousr]_|github_pat_|Expo(?:nent)?PushToken\[)`,
    // API keys, bearer tokens and JSON web tokens, as they stand in what HTTP clients report.
    String.raw`\b(sk-[\w-]{16,}|Bearer\s+[\w.~+/=-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}\.)`,
  ].join('|'),
)

/** The whole of what {@link SECRET_VALUE} finds the beginning of. */
const SECRET_TEXT =
  /\b(?:nsec1\w+|ncryptsec1\w+|gh[pousr]_\w+|github_pat_\w+|Expo(?:nent)?PushToken\[[^\]]*\]?|sk-[\w-]{16,}|Bearer\s+[\w.~+/=-]{16,}|eyJ[\w-]{8,}\.[\w.-]{8,})/g

/** Whether a text looks as if it held a private key or a token. A guard against slips, not a proof (trap C18). */
export function looksSecret(text: string): boolean {
  return SECRET_VALUE.test(text)
}

/** Throws `VALUE_INVALID` where a name or its value looks as if it had to stay on the device, at any depth (trap C18). */
export function checkNoSecret(key: string, value: JsonValue): void {
  const json = JSON.stringify(value)
  if (!SECRET_KEY.test(key) && !looksSecret(json) && JSON.stringify(redactSecrets(value)) === json) return
  throw new SyncError(
    'VALUE_INVALID',
    `${JSON.stringify(key)} looks like a secret: settings are sent to the server, keep it in the device's secure storage`,
  )
}

/** What stands in place of a secret. */
const REMOVED = '[secret removed]'

/** The value without what looks like a key or a token: in texts, and whole under names of secrets (trap C18). */
export function redactSecrets(value: JsonValue): JsonValue {
  if (typeof value === 'string') return value.replace(SECRET_TEXT, REMOVED)
  if (Array.isArray(value)) return value.map(redactSecrets)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const isSecret = SECRET_KEY.test(key) && typeof item === 'string' && item !== ''
      return [key, isSecret ? REMOVED : redactSecrets(item)]
    }),
  )
}
