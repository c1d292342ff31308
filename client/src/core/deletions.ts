import {
  createDeletionTemplate,
  KIND,
  type Logger,
  type NostrEvent,
  parseAddress,
  parseDeletion,
  SyncError,
} from '@onyx-sync/shared'
import type { BodyState, OutboxEntry } from '../ports/store.js'
import type { Documents } from './documents-api.js'
import type { JournalChange } from './journal.js'
import type { Outbox } from './outbox.js'
import { confirmedEntry, entryIdOf } from './outbox-events.js'
import { DELETION_LANE } from './outbox-lanes.js'

/** A deletion request of an owner, with the addresses of the chats that it names. */
export interface ReceivedDeletion {
  readonly event: NostrEvent
  readonly chats: readonly string[]
}

/** Chats that were deleted for good (NIP-09). Source: SPEC DLD1–DLD6. */
export interface Deletions {
  /** Reads a request that came from the server. Throws for one that its author didn't sign. */
  open(event: NostrEvent): ReceivedDeletion
  /** Marks the chats as deleted, at once. @returns what to write together with the cursor that covers the request */
  apply(received: ReceivedDeletion): JournalChange
  /** Deletes a chat of this account for good. Resolves once that is durable here; the server hears of it later. */
  deleteChat(address: string, createdAt: number): Promise<void>
  /** Takes bodies off the device whose edits the server has refused by now, or that nobody uses any more. */
  tidy(): void
}

export interface DeletionsOptions {
  readonly pubkey: string
  readonly documents: Documents
  readonly outbox: Outbox
  readonly logger: Logger
  verify(event: NostrEvent): void
}

/** Whether a document is deleted for good, whatever of it is still here. */
export function isDeleted(body: BodyState | undefined): boolean {
  return body === 'deleting' || body === 'deleted'
}

/** What a call on a document that was deleted for good is rejected with. */
export function deletedError(address: string): SyncError {
  return new SyncError('DELETED', `${address} was deleted by its owner, for good`)
}

export function createDeletions(options: DeletionsOptions): Deletions {
  const { pubkey, documents, outbox, logger } = options
  const { journal } = documents

  /** Documents with the body `deleting`. */
  const deleting = new Set(
    documents.list().flatMap(({ address, body }) => (body === 'deleting' ? address : [])),
  )

  const isOwn = (address: string): boolean => parseAddress(address)?.owner === pubkey

  /** Nothing of it is shown from here on, whatever is still to be sent. */
  function markDeleted(address: string, deletedAtMs: number): void {
    documents.markDeleted(address, deletedAtMs)
    deleting.add(address)
  }

  /** Whether edits of it wait for the server to say that it doesn't take them. */
  function hasUnsent(address: string): boolean {
    return outbox.firstUnsent(address) !== undefined || journal.unwrittenLanes().includes(address)
  }

  function tidyOne(address: string): void {
    // Not while it is open: whoever has it open lets go of it later.
    if (hasUnsent(address) || !documents.dropBody(address, 'deleted')) return
    deleting.delete(address)
    journal.flush().catch(() => {})
  }

  /** Kept so that any device of the account can bring the request back to a server that was set back. */
  function entryOf(event: NostrEvent): OutboxEntry[] {
    if (event.pubkey !== pubkey || outbox.hasEntry(DELETION_LANE, entryIdOf(event))) return []
    return [confirmedEntry(DELETION_LANE, journal.nextSeq(), event)]
  }

  return {
    open(event) {
      options.verify(event)
      const chats = parseDeletion(event).documents.filter(
        (address) => parseAddress(address)?.kind === KIND.chat,
      )
      return { event, chats }
    },

    apply({ event, chats: named }) {
      // Now, because what comes before it in the same batch may have brought the chat.
      const chats = named.filter((address) => {
        const info = documents.info(address)
        return info !== undefined && !isDeleted(info.body)
      })
      for (const address of chats) {
        logger.info('a chat was deleted by its owner', { address })
        markDeleted(address, event.created_at * 1000)
      }
      // It may still be on a plain relay, which knows of no requests, and come from there. Of others' chats only what is
      // known is noted: somebody who shares one could name any number.
      const unknown = named.filter((address) => documents.info(address) === undefined && isOwn(address))
      for (const address of unknown) documents.setBody(address, 'deleted')
      // What the server had saved is gone with the rest; what it hasn't seen is refused there, and listed.
      const outboxDelete = chats.flatMap((address) => outbox.forgetSaved(address))
      const outboxPut = entryOf(event)
      outbox.keep(outboxPut)
      return { outboxDelete, outboxPut }
    },

    async deleteChat(address, createdAt) {
      if (!isOwn(address)) {
        throw new SyncError('VALUE_INVALID', 'only the owner of a chat deletes it for good')
      }
      // Until none of its edits is on its way to the disk: the outbox doesn't know of those yet, so that they would be
      // left in it without the log that they are in.
      do await documents.flush()
      while (journal.unwrittenLanes().includes(address))
      if (isDeleted(documents.info(address)?.body)) return
      const seq = journal.nextSeq()
      const event = JSON.stringify(createDeletionTemplate({ addresses: [address], createdAt }))
      markDeleted(address, createdAt * 1000)
      journal.add({
        // Its owner wants none of it, sent or not.
        outboxDelete: outbox.forgetAll(address),
        outboxPut: [
          {
            id: `deletion-${seq}`,
            lane: DELETION_LANE,
            seq,
            throughSeq: seq,
            edits: 1,
            state: 'pending',
            event,
            reason: '',
          },
        ],
      })
      if (documents.dropBody(address, 'deleted')) deleting.delete(address)
      await journal.flush()
    },

    tidy() {
      for (const address of deleting) tidyOne(address)
    },
  }
}
