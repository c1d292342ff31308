import { SyncError } from '@onyx-sync/shared'

const SECRET_KEY = /mnemonic|seed.?phrase|private.?key|secret|password|(access|push|auth|github).?token/i
const SECRET_VALUE = new RegExp(
  [
    String.raw`\b(nsec1|ncryptsec1|ghp_|gho_|github_pat_|ExponentPushToken\[)`,
    // API keys, bearer tokens and JSON web tokens, as they stand in what HTTP clients report.
    String.raw`\b(sk-[\w-]{16,}|Bearer\s+[\w.~+/=-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}\.)`,
  ].join('|'),
)

/** Whether a text looks as if it held a private key or a token. A guard against slips, not a proof (trap C18). */
export function looksSecret(text: string): boolean {
  return SECRET_VALUE.test(text)
}

/** Throws `VALUE_INVALID` where a name or the JSON of its value looks as if it had to stay on the device (trap C18). */
export function checkNoSecret(key: string, json: string): void {
  if (!SECRET_KEY.test(key) && !looksSecret(json)) return
  throw new SyncError(
    'VALUE_INVALID',
    `${JSON.stringify(key)} looks like a secret: settings are sent to the server, keep it in the device's secure storage`,
  )
}
