import { SyncError } from '@onyx-sync/shared'
import type { QueryRow, RowReader } from '../ports/store.js'
import type { Message, MessageRole, MessageStatus } from './message.js'
import type { RowFeed } from './row-feed.js'
import { createView, endAll, type View } from './view.js'

/** A part of a chat, as a screen shows it. */
export interface MessageWindow {
  /** In the order of the chat. */
  readonly messages: readonly Message[]
  /** Place in the chat of the first of them, from 0. */
  readonly start: number
  /** How many messages the chat has. */
  readonly total: number
  /** Whether the chat's messages are on this device; where they aren't, opening the chat brings them. */
  readonly isHeld: boolean
}

/**
 * Some messages of a chat that follow each other, and more as they are asked for. From the query table: no document is
 * loaded. What is shown stays where it is when messages come, or go, before it.
 */
export interface MessagesView extends View<MessageWindow> {
  /** Shows so many older messages too; a no-op at the beginning of the chat. */
  loadOlder(count: number): void
  /** Shows so many newer messages too; a no-op at the end of the chat, from where on what comes is shown by itself. */
  loadNewer(count: number): void
}

export interface MessagesOptions {
  /** How many messages at first. A whole number from 1. @default 50 */
  readonly last?: number
  /** Shows those around this place in the chat, from 0, such as that of something found. @default the newest */
  readonly around?: number
}

export interface MessagesViewParts {
  readonly store: RowReader
  readonly feed: RowFeed
}

type Shown = ReadonlyMap<string, { readonly row: QueryRow; readonly message: Message }>

/** Cost doesn't grow with the chat: rows are found by their place. Throws `VALUE_INVALID`. */
export function createMessagesView(
  { store, feed }: MessagesViewParts,
  address: string,
  { last = 50, around }: MessagesOptions = {},
): MessagesView {
  checkCount(last)
  if (around !== undefined) checkPlace(around)
  let wanted = last
  /** Place of the first message shown; undefined until there is one. */
  let start: number | undefined
  /** Place behind the last one that is wanted; undefined where everything from `start` on is shown, whatever comes. */
  let end: number | undefined
  let refreshNow = () => {}
  /** Messages as they were shown last, by row: what has not changed stays the same object. */
  let shown: Shown = new Map()
  let shownFrom = 0

  const loadRange = (from: number, behind: number | undefined) =>
    store.loadMessages(address, {
      from,
      through: behind === undefined ? Number.MAX_SAFE_INTEGER : behind - 1,
    })

  async function read(): Promise<MessageWindow> {
    const [chat] = await store.loadRows('chats', { column: 'address', equals: address })
    const total = Number(chat?.message_count ?? 0)
    const isHeld = chat === undefined || chat.held === true || chat.held === 1
    if (total === 0) {
      // A chat that is brought, or filled, later is shown as a new one.
      start = undefined
      end = undefined
      shown = new Map()
      return { messages: [], start: 0, total, isHeld }
    }
    start ??= placeToBegin(total)
    if (around !== undefined && shown.size === 0) end = start + last
    const asked = { from: start, end }
    let rows = await loadRange(start, end)
    const ids = [...shown.keys()]
    const drift = await driftOf(ids, shownFrom, rows)
    // Where others came between them, the last one has moved further: none that was shown falls out.
    const lastDrift = end === undefined ? 0 : await driftOf(ids.reverse(), shownFrom + ids.length - 1, rows)
    // Now, because more may have been asked for meanwhile.
    if (start > 0) start = Math.max(0, start + drift)
    if (end !== undefined) end += Math.max(drift, lastDrift)
    if (end !== undefined && end >= total) {
      end = undefined
      wanted = total - start
    }
    // Where some of what was shown has gone, older ones take its place.
    start = Math.max(0, Math.min(start, total - (end === undefined ? wanted : 1)))
    if (start !== asked.from || end !== asked.end) rows = await loadRange(start, end)
    shownFrom = start
    shown = show(rows)
    return { messages: [...shown.values()].map(({ message }) => message), start: shownFrom, total, isHeld }
  }

  function placeToBegin(total: number): number {
    const place = around === undefined ? total : around - Math.floor(last / 2)
    return Math.max(0, Math.min(place, total - last))
  }

  /** How far the first of some messages that is there still has moved from a place. */
  async function driftOf(ids: readonly string[], place: number, rows: readonly QueryRow[]): Promise<number> {
    const here = new Map(rows.map((row) => [row.id, row]))
    for (const id of ids) {
      const row = here.get(id) ?? (await store.loadRows('messages', { column: 'id', equals: id }))[0]
      // Of one that was deleted the next one takes the place.
      if (row !== undefined) return Number(row.position) - place
    }
    return 0
  }

  function show(rows: readonly QueryRow[]): Shown {
    return new Map(
      rows.map((row) => {
        const before = shown.get(row.id)
        return [row.id, before && isSameRow(before.row, row) ? before : { row, message: rowToMessage(row) }]
      }),
    )
  }

  const view = createView<MessageWindow>({
    read,
    listen(refresh) {
      refreshNow = refresh
      return endAll(feed.onMessages(address, refresh), feed.onReset(refresh))
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
    loadNewer(count) {
      checkCount(count)
      if (end === undefined) return
      end += count
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

/** Whether a message is the same; another place in the chat doesn't change it. */
function isSameRow(a: QueryRow, b: QueryRow): boolean {
  return Object.keys(b).every((key) => key === 'position' || a[key] === b[key])
}

function checkCount(count: number): void {
  if (Number.isSafeInteger(count) && count >= 1) return
  throw new SyncError('VALUE_INVALID', `a number of messages is a whole number from 1 on, not ${count}`)
}

function checkPlace(place: number): void {
  if (Number.isSafeInteger(place) && place >= 0) return
  throw new SyncError('VALUE_INVALID', `a place in a chat is a whole number from 0 on, not ${place}`)
}
