import { npubEncode } from 'nostr-tools/nip19'
import { shortKey } from './words.js'

/**
 * A public key as words: for one's `own` what `ownName` says, else its beginning and end, with all of it as a title. Both
 * keys are 64 hex characters.
 */
export function KeyName({
  pubkey,
  own,
  ownName = 'You',
}: {
  readonly pubkey: string
  readonly own: string
  readonly ownName?: string
}) {
  const npub = npubEncode(pubkey)
  return <span title={npub}>{pubkey === own ? ownName : <code>{shortKey(npub)}</code>}</span>
}
