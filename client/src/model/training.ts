import { type Clock, type EventTemplate, KIND, SyncError } from '@onyx-sync/shared'
import type { Documents } from '../core/documents-api.js'
import type { JournalChange } from '../core/journal.js'
import type { Outbox } from '../core/outbox.js'
import { eventsOf } from '../core/outbox-events.js'
import { TRAINING_LANE } from '../core/outbox-lanes.js'
import type { OutboxEntry, QueryRow, RowReader, SyncStore } from '../ports/store.js'
import type { Chats } from './chats-api.js'
import { CONSENT_PREFERENCE, type Consent, deletionEntry } from './consent.js'
import type { RowFeed } from './row-feed.js'
import { looksSecret } from './secrets.js'
import type { Settings } from './settings.js'
import { type ContributionState, trainingId } from './training-rows.js'
import { createView, endAll, type View } from './view.js'

/** A message that the account's user contributed, on this device or another. */
export interface Contribution {
  readonly id: string
  /** Address of the chat. */
  readonly address: string
  readonly messageId: string
  /** 1 to 5. */
  readonly quality: number
  readonly state: ContributionState
  /** What is sent: the text of the message as it was. */
  readonly content: string
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  /** Id of the signed event; empty before it is signed. */
  readonly eventId: string
  /** Why the server refused it; else empty. */
  readonly reason: string
}

/**
 * Training data that the user chooses to contribute, message by message. Nothing is ever sent unasked: without consent,
 * which is off until it is given, a contribution is rejected with `CONSENT_MISSING`. Edits resolve once durable here.
 */
export interface Training {
  /** Whether the account's user agreed to contribute; a setting of the account, on all its devices. */
  consent(): Promise<boolean>
  /**
   * Gives or takes back consent. With it, each device withdraws what it hasn't sent, once it knows; that stays in the
   * list as `withdrawn`, and isn't sent when consent is given again.
   */
  setConsent(isGiven: boolean): Promise<void>
  /** Says how good a message is, 1 to 5, in the message itself; `null` takes that back. Contributes nothing. */
  rate(chat: string, messageId: string, quality: number | null): Promise<void>
  /**
   * Queues one message as a contribution (kind 1, readable by its author and the server's operator only). One that waits
   * already, or was withdrawn, is replaced. `quality` is a whole number from 1 to 5. @default as the message was rated
   */
  submit(chat: string, messageId: string, quality?: number): Promise<Contribution>
  /**
   * Takes back a contribution. Before it was signed it never leaves this device; later it is deleted on the server
   * (NIP-09), with the next connection. It leaves the list at once.
   */
  revoke(id: string): Promise<void>
  /** What the account contributed, newest first: here, and on other devices once it was sent. */
  list(): Promise<Contribution[]>
  /** The same list, to be observed. */
  watch(): View<readonly Contribution[]>
}

/** Training data where it is kept: what may be asked for again is done once. */
export interface KeptTraining extends Training {
  /** As {@link Training.submit}; what `mark` makes of the new id is written together with it. */
  submitMarked(
    mark: (id: string) => JournalChange,
    chat: string,
    messageId: string,
    quality?: number,
  ): Promise<Contribution>
  /** As {@link Training.revoke}, together with `mark`. */
  revokeMarked(mark: JournalChange, id: string): Promise<void>
}

/** The field of a message that holds its rating. */
const RATING = 'rating'

export interface TrainingParts {
  readonly chats: Chats
  readonly settings: Settings
  readonly consent: Consent
  readonly documents: Documents
  readonly outbox: Outbox
  readonly store: SyncStore
  readonly feed: RowFeed
  readonly clock: Clock
  /** Resolves with true once nothing that was received is unchecked, with false if something was forged. */
  whenChecked(): Promise<boolean>
}

export function createTraining(parts: TrainingParts): KeptTraining {
  const { chats, settings, consent, documents, outbox, store, feed, clock } = parts
  const { journal } = documents

  const { list, watch } = createContributions(store, feed)

  /** Of what is signed, and so may be on the server. It isn't sent again, whatever becomes of the server. */
  function requestDeletion(id: string): void {
    const taken: OutboxEntry[] = []
    const gone = outbox.forget(TRAINING_LANE, (entry) => entry.seq === seqOf(id) && taken.push(entry) > 0)
    const ids = taken.flatMap((entry) => eventsOf(entry).map((event) => event.id))
    if (ids.length === 0) return
    journal.add({
      // By its first id too, under which its row goes.
      outboxDelete: [...new Set([...gone, id])],
      outboxPut: [deletionEntry(ids, journal, clock)],
    })
  }

  const training: KeptTraining = {
    consent: consent.isGiven,
    list,
    watch,

    async setConsent(isGiven) {
      await settings.set(CONSENT_PREFERENCE, isGiven)
      await consent.enforce()
      await journal.flush()
    },

    rate: (chat, messageId, quality) => rateMessage(chats, chat, messageId, quality),

    submit: (chat, messageId, quality) => training.submitMarked(() => ({}), chat, messageId, quality),
    revoke: (id) => training.revokeMarked({}, id),

    async submitMarked(mark, chat, messageId, given) {
      if (given !== undefined) checkQuality(given)
      if (!(await consent.isGiven())) {
        throw new SyncError(
          'CONSENT_MISSING',
          'nothing is contributed before the account\'s user has agreed to it: training.setConsent(true), or "onyx-sync train consent on"',
        )
      }
      const { address, messages } = await chats.read(chat)
      const message = messages.find((candidate) => candidate.id === messageId)
      if (message === undefined) {
        throw new SyncError(
          'MESSAGE_NOT_FOUND',
          `there is no message ${JSON.stringify(messageId)} in this chat`,
        )
      }
      // It will be signed as this account's.
      if (!(await parts.whenChecked()))
        throw new SyncError('CLIENT_CLOSED', 'this device is closed, because it was given a forged event')
      const quality = given ?? message[RATING]
      checkQuality(quality)
      if (message.status === 'streaming')
        throw new SyncError('VALUE_INVALID', 'a message that is still being written is no training data yet')
      if (looksSecret(message.content)) {
        throw new SyncError(
          'VALUE_INVALID',
          'this message looks as if it held a key or a token: it is not contributed',
        )
      }
      for (const known of await list()) {
        const isSame = known.address === address && known.messageId === messageId
        if (isSame && (known.state === 'waiting' || known.state === 'withdrawn'))
          outbox.withdraw(TRAINING_LANE, seqOf(known.id))
      }
      const template: EventTemplate = {
        kind: KIND.training,
        created_at: Math.floor(clock.now() / 1000),
        tags: [
          ['t', 'training'],
          ['quality', String(quality)],
          ['a', address],
          ['message', messageId],
          ['-'],
        ],
        content: message.content,
      }
      const seq = journal.nextSeq()
      const id = trainingId(seq)
      const event = JSON.stringify(template)
      journal.add({
        outboxPut: [
          { id, lane: TRAINING_LANE, seq, throughSeq: seq, edits: 1, state: 'pending', event, reason: '' },
        ],
      })
      journal.add(mark(id))
      await journal.flush()
      const [row] = await store.loadRows('training', { column: 'id', equals: id })
      return rowToContribution(row as QueryRow)
    },

    async revokeMarked(mark, id) {
      const [row] = await store.loadRows('training', { column: 'id', equals: id })
      if (row === undefined) {
        throw new SyncError('VALUE_INVALID', `there is no contribution ${JSON.stringify(id)} on this device`)
      }
      if (!outbox.withdraw(TRAINING_LANE, seqOf(id))) requestDeletion(id)
      journal.add(mark)
      await journal.flush()
    },
  }
  return training
}

/** What was contributed, by its rows. */
export function createContributions(store: RowReader, feed: RowFeed): Pick<Training, 'list' | 'watch'> {
  async function list(): Promise<Contribution[]> {
    const rows = await store.loadRows('training')
    return rows.map(rowToContribution).sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
  }
  return {
    list,
    watch: () =>
      createView<readonly Contribution[]>({
        read: list,
        listen: (refresh) => endAll(feed.onRows('training', refresh), feed.onReset(refresh)),
      }),
  }
}

/** See {@link Training.rate}. */
export async function rateMessage(
  chats: Chats,
  chat: string,
  messageId: string,
  quality: number | null,
): Promise<void> {
  if (quality !== null) checkQuality(quality)
  await chats.update(chat, messageId, { [RATING]: quality })
}

function checkQuality(quality: unknown): asserts quality is number {
  if (Number.isInteger(quality) && (quality as number) >= 1 && (quality as number) <= 5) return
  throw new SyncError('VALUE_INVALID', `quality is a whole number from 1 to 5, not ${String(quality)}`)
}

function seqOf(id: string): number {
  return Number(id.slice(trainingId('').length))
}

function rowToContribution(row: QueryRow): Contribution {
  return {
    id: row.id,
    address: String(row.address),
    messageId: String(row.message_id),
    quality: Number(row.quality),
    state: row.state as ContributionState,
    content: String(row.content),
    createdAt: Number(row.created_at),
    eventId: String(row.event_id),
    reason: String(row.reason),
  }
}
