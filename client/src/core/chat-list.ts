import {
  cursorOfHints,
  type DocumentSummary,
  type EventVerifier,
  KIND,
  type Limits,
  parseAddress,
  parseEvent,
  parseSummaryEvent,
  SyncError,
} from '@onyx-sync/shared'
import type { QueryRow, SyncStore } from '../ports/store.js'
import { isDeleted } from './deletions.js'
import type { Documents } from './documents-api.js'
import { isHere } from './hold-filters.js'
import type { ServerTrust } from './server-trust.js'
import type { Session } from './session-api.js'

/** Key of the list's own cursor in the store's meta. */
export const META_LIST_CURSOR = 'listCursor'
const LIST_ID = 'list'
/** Summaries in a row that can't be believed, each of which ended a connection, before no more are asked for. */
const MAX_WRONG = 3

/** Keeps the list of chats whose bodies aren't here, from the server's summaries. */
export interface ChatList {
  /** Whether it is worth asking: not once everything that came was wrong. */
  readonly isUsable: boolean
  /**
   * Asks for what changed, and goes on listening unless `isOnce`. Resolves when everything up to the server's
   * EOSE is in the list and durable; never, if the connection goes before that.
   */
  follow(session: Session, options: { readonly isOnce: boolean }): Promise<void>
  /** What the row of a chat is to say when the chat goes; given what it says now. To be asked once. */
  rowOfGone(address: string, row: QueryRow | undefined): QueryRow | undefined
  /** Everything is told anew next time, with the journal's next batch. */
  forget(): void
  /** Listens no more. */
  stop(session: Session): void
  /** The connection is gone: what came on it and isn't stored will come again. */
  abandon(): void
}

export interface ChatListOptions {
  readonly documents: Documents
  readonly store: SyncStore
  readonly trust: ServerTrust
  readonly verifier: EventVerifier
  readonly limits: Limits
  /** As it is on disk; empty before the first time. */
  readonly cursor: string
  /** The list has told of chats, by their addresses, after the first EOSE. */
  onTold(addresses: readonly string[]): void
  /** What came can't be believed, or stored. */
  onFailed(error: unknown): void
}

export function createChatList(options: ChatListOptions): ChatList {
  const { documents, store, trust, verifier, limits } = options
  const { journal } = documents
  let { cursor } = options
  let epoch = 0
  let wrongInARow = 0
  let tail: Promise<void> = Promise.resolve()
  /**
   * The newest that was told of chats while they are here. The list may be ahead of them: the event that it tells of may
   * wait to be applied, or be under way yet, when the chat goes, and the list won't tell of it again.
   */
  const toldWhileHere = new Map<string, DocumentSummary>()

  /** One after another: a cursor covers what came before it. */
  function inOrder(work: () => Promise<void>): void {
    const startedIn = epoch
    tail = tail.then(async () => {
      if (startedIn !== epoch) return
      try {
        await work()
      } catch (error) {
        options.onFailed(error)
      }
    })
  }

  function openSummaries(value: unknown): DocumentSummary[] {
    try {
      const event = parseEvent(value, limits)
      trust.check(event)
      verifier.verify(event)
      const summaries = parseSummaryEvent(event, limits)
      wrongInARow = 0
      return summaries
    } catch (error) {
      wrongInARow++
      throw error
    }
  }

  async function storeSummaries(
    summaries: readonly DocumentSummary[],
    newCursor: string | undefined,
  ): Promise<void> {
    if (summaries.length === 0 && (newCursor === undefined || newCursor === cursor)) return
    const rows = new Map((await store.loadRows('chats')).map((row) => [row.id, row]))
    const put: QueryRow[] = []
    // What is here tells of itself, and knows more: its own edits. Nothing awaits from here to the batch.
    for (const summary of summaries) {
      const body = documents.info(summary.address)?.body
      if (parseAddress(summary.address)?.kind !== KIND.chat) continue
      toldWhileHere.delete(summary.address)
      if (isDeleted(body)) continue
      if (isHere(body)) {
        toldWhileHere.set(summary.address, summary)
        continue
      }
      const before = rows.get(summary.address)
      // What was evicted stays away until something happens in it.
      const isQuiet = body === 'evicted' && summary.lastActivity <= Number(before?.last_activity_at)
      if (!isQuiet && body !== 'arriving') documents.setBody(summary.address, 'listed')
      put.push(rowOfSummary(summary, before))
    }
    if (newCursor !== undefined) cursor = newCursor
    journal.add({
      rows: [{ table: 'chats', put, delete: [] }],
      ...(newCursor === undefined ? {} : { meta: { [META_LIST_CURSOR]: newCursor } }),
    })
    await journal.flush()
  }

  function follow(session: Session, { isOnce }: { readonly isOnce: boolean }): Promise<void> {
    return new Promise((resolve) => {
      let isEoseSeen = false
      const filter = { kinds: [KIND.chat], after: cursor, summaries: true }
      session.open(LIST_ID, [filter], {
        onEvent(event, eventCursor) {
          inOrder(async () => {
            const summaries = openSummaries(event)
            await storeSummaries(summaries, eventCursor)
            if (isEoseSeen) options.onTold(summaries.map(({ address }) => address))
          })
        },
        onEose(hints) {
          if (isOnce) session.shut(LIST_ID)
          inOrder(async () => {
            await storeSummaries([], cursorOfHints(hints))
            isEoseSeen = true
            resolve()
          })
        },
        onClosed(reason) {
          if (reason.startsWith('invalid:') && cursor !== '') {
            // A cursor that this server can't read is as good as none.
            cursor = ''
            resolve(follow(session, { isOnce }))
            return
          }
          options.onFailed(
            new SyncError('CONNECTION_FAILED', `the server ended the list of chats: ${reason}`),
          )
        },
      })
    })
  }

  return {
    get isUsable() {
      return wrongInARow < MAX_WRONG
    },
    follow,
    rowOfGone(address, row) {
      const summary = toldWhileHere.get(address)
      toldWhileHere.delete(address)
      // Of what is newer than this the list will tell.
      return summary === undefined ? row : rowOfSummary(summary, row)
    },
    forget() {
      cursor = ''
      journal.add({ meta: { [META_LIST_CURSOR]: '' } })
    },
    stop: (session) => session.shut(LIST_ID),
    abandon() {
      epoch++
    },
  }
}

/** A row for a chat whose body isn't here. What a summary doesn't tell stays as it was. */
export function rowOfSummary(summary: DocumentSummary, before: QueryRow | undefined): QueryRow {
  const { address, title, createdAt, lastActivity, messages, bytes, archived, deleted } = summary
  const { identifier = '', owner = '' } = parseAddress(address) ?? {}
  return {
    id: address,
    address,
    chat_id: identifier,
    owner,
    title,
    title_source: before?.title_source ?? '',
    model: before?.model ?? '',
    created_at: createdAt,
    last_activity_at: lastActivity,
    message_count: messages,
    archived,
    deleted_at: deleted ? (before?.deleted_at ?? lastActivity) : null,
    bytes,
    held: false,
  }
}
