import { applyUpdate, chatAddress, formatAddress, SyncError, settingsAddress } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { SyncClient } from '../client-api.js'

/** What a move did. */
export interface MoveReport {
  /** Chats that are the new account's now. */
  readonly chats: number
  /** Addresses of chats that belong to others: their owners have to state the new key as a member. */
  readonly left: readonly string[]
}

/**
 * Moves everything that one account owns to another, such as from a key that was made to begin with to the user's real
 * one: chats, deleted ones too, settings, drafts. Both are open on databases of their own. The new account's devices get
 * it as edits of its own, signed by its own key; the old account keeps what it has. May be called again, after a crash or
 * when the old account was used on: what is there already is not doubled. Resolves when all of it is durable. Rejects with
 * `DOCUMENT_NOT_HELD` for a chat that isn't on this device and can't be brought now, `VALUE_INVALID` for one account.
 *
 * With `checking: 'idle'` wait for the old one to be `synced()` first: what is unchecked would be moved with the rest.
 */
export async function moveAccount(from: SyncClient, to: SyncClient): Promise<MoveReport> {
  if (from.pubkey === to.pubkey)
    throw new SyncError(
      'VALUE_INVALID',
      'both databases belong to the same account: there is nothing to move',
    )
  const left: string[] = []
  let chats = 0
  for (const chat of await from.chats.list({ includeDeleted: true })) {
    if (chat.owner !== from.pubkey) {
      left.push(chat.address)
      continue
    }
    const address = formatAddress(chatAddress(to.pubkey, chat.id))
    await copy(from, chat.address, to, address)
    if (chat.draft !== '') await to.chats.setDraft(address, chat.draft)
    if (chat.unreadCount === 0) await to.chats.markRead(address)
    chats++
  }
  const [oldSettings, newSettings] = [from, to].map(({ pubkey }) => formatAddress(settingsAddress(pubkey)))
  await copy(from, oldSettings as string, to, newSettings as string)
  return { chats, left }
}

/** The whole state as it is, under the client ids that wrote it: a second time it brings nothing new. */
async function copy(from: SyncClient, source: string, to: SyncClient, target: string): Promise<void> {
  const old = await from.openDocument(source)
  const own = await to.openDocument(target)
  try {
    applyUpdate(own.doc, Y.encodeStateAsUpdate(old.doc))
    await to.flush()
  } finally {
    old.release()
    own.release()
  }
}
