import { parseAddress } from '@onyx-sync/shared'
import type { QueryRow } from '../ports/store.js'
import type { LocalState } from './local-state.js'

/** A chat as a list shows it; read from the query table, no document is loaded. */
export interface ChatSummary {
  readonly address: string
  readonly id: string
  /** Whose chat it is: 64 lower-case hex characters. */
  readonly owner: string
  readonly title: string
  /** Whether its user gave it the title, or a program did. */
  readonly titleSource: 'user' | 'auto'
  /** The model that it is held with; empty if none is set. */
  readonly model: string
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  /** Time of the newest message, else of the chat. Milliseconds; a rename doesn't move it. */
  readonly lastActivityAt: number
  readonly messageCount: number
  /** Messages that have come since the chat was last read on this device. */
  readonly unreadCount: number
  /** What was being written on this device; empty where nothing was. */
  readonly draft: string
  readonly archived: boolean
  /** When it was deleted; undefined while it isn't. */
  readonly deletedAt: number | undefined
  /** Whether its messages are on this device; else they come when they are asked for. */
  readonly isHeld: boolean
  /** Size of what isn't on this device; undefined where everything is. */
  readonly bytes: number | undefined
}

/** A row of `chats` with what this device alone knows. */
export function rowToSummary(row: QueryRow, local: LocalState): ChatSummary {
  const chat = {
    address: row.id,
    id: String(row.chat_id),
    owner: String(row.owner),
    title: String(row.title),
    titleSource: row.title_source === 'user' ? ('user' as const) : ('auto' as const),
    model: String(row.model),
    createdAt: Number(row.created_at),
    lastActivityAt: Number(row.last_activity_at),
    messageCount: Number(row.message_count),
    unreadCount: 0,
    draft: '',
    archived: row.archived === true || row.archived === 1,
    deletedAt: numberOf(row.deleted_at),
    isHeld: row.held === true || row.held === 1,
    bytes: numberOf(row.bytes),
  }
  return withLocal(chat, local)
}

/** The same chat with what this device alone knows of it now. */
export function withLocal(chat: ChatSummary, local: LocalState): ChatSummary {
  const unreadCount = Math.max(0, chat.messageCount - (local.readCount(chat.address) ?? 0))
  return { ...chat, unreadCount, draft: local.draft(chat.address) }
}

/** What is shown of a chat that waits for an update that is missing, and so has no row yet (trap Y4). */
export function emptySummary(address: string): ChatSummary {
  const { identifier = '', owner = '' } = parseAddress(address) ?? {}
  return {
    address,
    id: identifier,
    owner,
    title: '',
    titleSource: 'auto',
    model: '',
    createdAt: 0,
    lastActivityAt: 0,
    messageCount: 0,
    unreadCount: 0,
    draft: '',
    archived: false,
    deletedAt: undefined,
    isHeld: true,
    bytes: undefined,
  }
}

/** By last activity, newest first; equal times by address, so that every device has one order. */
export function byActivity(a: ChatSummary, b: ChatSummary): number {
  return b.lastActivityAt - a.lastActivityAt || (a.address < b.address ? -1 : a.address > b.address ? 1 : 0)
}

function numberOf(value: QueryRow[string] | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}
