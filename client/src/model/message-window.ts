import { SyncError } from '@onyx-sync/shared'
import type { QueryRow, SyncStore } from '../ports/store.js'
import type { Message, MessageRole, MessageStatus } from './message.js'
import type { RowFeed } from './row-feed.js'
import { createView, type View } from './view.js'

/** A part of a chat, as a screen shows it. */
export interface MessageWindow {
  /** In the order of the chat. */
  readonly messages: readonly Message[]
  /** Place in the chat of the first of them, from 0. */
  readonly start: number
  /** How many messages the chat has. */
  readonly total: number
}

/** The newest messages of a chat, and older ones as they are asked for. From the query table: no document is loaded. */
export interface MessagesView extends View<MessageWindow> {
  /** Shows so many older messages too; a no-op at the beginning of the chat. */
  loadOlder(count: number): void
}

export interface MessagesOptions {
  /** How many of the newest messages. A whole number from 1. @default 50 */
  readonly last?: number
}

export interface MessagesViewParts {
  readonly store: SyncStore
  readonly feed: RowFeed
}

/** Cost doesn't grow with the chat: rows are found by their place. Throws `VALUE_INVALID`. */
export function createMessagesView(
  { store, feed }: MessagesViewParts,
  address: string,
  { last = 50 }: MessagesOptions = {},
): MessagesView {
  checkCount(last)
  let wanted = last
  /** Place of the first message shown; from there on everything is, however much comes. */
  let start: number | undefined
  let refreshNow = () => {}
  /** Messages as they were shown last, by row: what has not changed stays the same object. */
  let shown = new Map<string, { readonly row: QueryRow; readonly message: Message }>()

  async function read(): Promise<MessageWindow> {
    const [chat] = await store.loadRows('chats', { column: 'address', equals: address })
    const total = Number(chat?.message_count ?? 0)
    start = Math.max(0, Math.min(start ?? Number.POSITIVE_INFINITY, total - wanted))
    const rows = await store.loadMessages(address, { from: start, through: Number.MAX_SAFE_INTEGER })
    const next: typeof shown = new Map()
    for (const row of rows) {
      const before = shown.get(row.id)
      next.set(row.id, before && isSameRow(before.row, row) ? before : { row, message: rowToMessage(row) })
    }
    shown = next
    return { messages: [...next.values()].map(({ message }) => message), start, total }
  }

  const view = createView<MessageWindow>({
    read,
    listen(refresh) {
      refreshNow = refresh
      return feed.onMessages(address, refresh)
    },
  })
  return {
    ...view,
    loadOlder(count) {
      checkCount(count)
      wanted += count
      if (start === undefined || start === 0) return
      start = Math.max(0, start - count)
      refreshNow()
    },
  }
}

/** A message from its row. One that was too large for it has `isPartial`: `chats.message` has all of it. */
export function rowToMessage(row: QueryRow): Message {
  const data = JSON.parse(String(row.data)) as Record<string, unknown>
  return {
    id: String(row.message_id),
    role: String(row.role) as MessageRole,
    content: String(row.content),
    createdAt: Number(row.created_at),
    status: String(row.status) as MessageStatus,
    ...(row.edited_at === null ? {} : { editedAt: Number(row.edited_at) }),
    ...(row.device === '' ? {} : { device: String(row.device) }),
    ...data,
    ...(row.partial === true ? { isPartial: true } : {}),
  }
}

function isSameRow(a: QueryRow, b: QueryRow): boolean {
  return Object.keys(b).every((key) => a[key] === b[key])
}

function checkCount(count: number): void {
  if (Number.isSafeInteger(count) && count >= 1) return
  throw new SyncError('VALUE_INVALID', `a number of messages is a whole number from 1 on, not ${count}`)
}
