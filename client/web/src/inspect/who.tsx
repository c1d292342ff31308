import { KeyName } from '../parts/key-name.js'
import { useInspected } from './inspected.js'

/** A key as words, in tables of one account's data. */
export function Who({ pubkey }: { readonly pubkey: string }) {
  const { account } = useInspected()
  return <KeyName pubkey={pubkey} own={account.pubkey} ownName="This account" />
}
