import type { SyncClient } from '@onyx-sync/client'
import { publicKeyText } from '../account/key-text.js'

/** What it takes to tell who wrote some messages of a chat. */
export interface AuthorsQuestion {
  readonly client: Pick<SyncClient, 'chats'>
  /** Of this account, 64 hex characters. */
  readonly pubkey: string
  readonly address: string
  readonly owner: string
  /** Of the messages. */
  readonly ids: readonly string[]
  /** Whether the server may be asked for what this device doesn't know; called where there is something. */
  mayAsk(): boolean
}

/** Keys, `npub1…`, of those who wrote messages that this account didn't, by message id; empty where nobody can tell. */
export async function findAuthors(question: AuthorsQuestion): Promise<ReadonlyMap<string, string>> {
  const { client, pubkey, address, owner, ids, mayAsk } = question
  let known = await client.chats.knownAuthors(address, ids)
  const missing = ids.find((id) => !known.has(id))
  if (missing !== undefined && mayAsk()) {
    // For the whole chat, whichever message it is asked of.
    await client.chats.authorOf(address, missing).catch(() => {})
    known = await client.chats.knownAuthors(address, ids)
  }
  const isShared = owner !== pubkey || client.chats.members(address).length > 0
  const others = ids.filter((id) => (known.get(id) ?? (isShared ? '' : pubkey)) !== pubkey)
  return new Map(others.map((id) => [id, publicKeyText(known.get(id) ?? '')]))
}
