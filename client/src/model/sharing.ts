import {
  type DocumentAddress,
  formatAddress,
  isHex64,
  type Member,
  type Role,
  SyncError,
} from '@onyx-sync/shared'
import type { ModelDocuments } from '../core/model-documents.js'

/** Who else may read and write a chat; a part of `Chats`. What is decided here needs no connection. */
export interface Sharing {
  /**
   * Lets a key into a chat of one's own, or gives it another role: `read`, or `write`, which includes reading.
   * Decides about this key only: what another device decides about others at the same time holds as well.
   * Rejects with `VALUE_INVALID` in a chat of somebody else, with `TOO_LARGE` beyond `maxMembers`.
   */
  share(chat: string, pubkey: string, options?: { readonly role?: Role }): Promise<void>
  /** Takes a key out of a chat of one's own. Whatever it received before stays with it. */
  unshare(chat: string, pubkey: string): Promise<void>
  /** The members of a chat, by key, as far as this device knows; the owner is not among them. */
  members(chat: string): readonly Member[]
  /** Makes these keys the members, each with the role `write`, and removes all others that this device knows. */
  setMembers(chat: string, pubkeys: readonly string[]): Promise<void>
}

export interface SharingOptions {
  readonly pubkey: string
  readonly documents: ModelDocuments
  /** Throws `DOCUMENT_NOT_FOUND`. */
  resolve(chat: string): DocumentAddress
}

/** @returns the sharing of chats, and what refuses an edit that the server would refuse */
export function createSharing({ pubkey, documents, resolve }: SharingOptions) {
  function membersOf(address: DocumentAddress): readonly Member[] {
    return documents.info(formatAddress(address))?.members ?? []
  }

  function ownChat(chat: string, keys: readonly string[]): DocumentAddress {
    const address = resolve(chat)
    if (address.owner !== pubkey)
      throw new SyncError('VALUE_INVALID', 'only the owner of a chat says who its members are')
    for (const key of keys) {
      if (!isHex64(key))
        throw new SyncError('VALUE_INVALID', `${JSON.stringify(key)} is not 64 lower-case hex characters`)
    }
    return address
  }

  const sharing: Sharing = {
    async share(chat, key, { role = 'write' } = {}) {
      const address = ownChat(chat, [key])
      if (key === pubkey) throw new SyncError('VALUE_INVALID', 'the owner of a chat needs no role in it')
      if (role !== 'read' && role !== 'write')
        throw new SyncError('VALUE_INVALID', `a role is "read" or "write", not ${JSON.stringify(role)}`)
      await documents.decideMembers(formatAddress(address), [{ pubkey: key, role }])
    },

    async unshare(chat, key) {
      const address = ownChat(chat, [key])
      if (membersOf(address).some((member) => member.pubkey === key))
        await documents.decideMembers(formatAddress(address), [{ pubkey: key, role: 'none' }])
    },

    members: (chat) => membersOf(resolve(chat)),

    async setMembers(chat, pubkeys) {
      const address = ownChat(chat, pubkeys)
      const wanted = [...new Set(pubkeys)].filter((key) => key !== pubkey)
      const removed = membersOf(address).filter((member) => !wanted.includes(member.pubkey))
      await documents.decideMembers(formatAddress(address), [
        ...wanted.map((key) => ({ pubkey: key, role: 'write' as const })),
        ...removed.map((member) => ({ pubkey: member.pubkey, role: 'none' as const })),
      ])
    },
  }

  /** Throws `WRITE_RESTRICTED` where this account is known to have no right to write. */
  function assertMayWrite(address: DocumentAddress): void {
    const own = membersOf(address).find((member) => member.pubkey === pubkey)
    if (own?.role === 'read')
      throw new SyncError('WRITE_RESTRICTED', `your role in ${formatAddress(address)} is "read"`)
  }

  return { sharing, assertMayWrite }
}
