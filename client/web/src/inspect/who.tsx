import { npubEncode } from 'nostr-tools/nip19'
import { shortKey } from '../parts/words.js'
import { useInspected } from './inspected.js'

/** A key as words: whether it is this account's, else its beginning and end, with all of it as a title. */
export function Who({ pubkey }: { readonly pubkey: string }) {
  const { account } = useInspected()
  const npub = npubEncode(pubkey)
  return (
    <span title={npub}>{pubkey === account.pubkey ? 'This account' : <code>{shortKey(npub)}</code>}</span>
  )
}
