import type { QueryRow, QueryTable, SyncStore } from '../ports/store.js'
import type { RowChange, UnwrittenRows } from './journal.js'

/** Takes chats that were deleted for good out of the query tables, with the next batch that is written. */
export interface HiddenRows {
  /** The chat is shown as deleted from then on, and none of its messages is. */
  hide(address: string, deletedAtMs: number): void
  /** Reads what is to be hidden, as the disk has it. @returns undefined where all of it is read */
  prepare(): Promise<void> | undefined
  /** What to write, given what else the batch writes. */
  collect(unwritten: UnwrittenRows): RowChange[]
}

interface ChatRows {
  readonly row: QueryRow | undefined
  readonly messageIds: readonly string[]
}

/**
 * Rows are read when a batch begins, because no other is written then: read any earlier, a row of an earlier batch
 * that failed, or was still under way, would be missed, and outlive its chat.
 */
export function createHiddenRows(store: Pick<SyncStore, 'loadRows'>): HiddenRows {
  const hiding = new Map<string, { readonly deletedAtMs: number; stored: ChatRows | undefined }>()

  async function read(address: string): Promise<ChatRows> {
    const [row] = await store.loadRows('chats', { column: 'address', equals: address })
    const messages = await store.loadRows('messages', { column: 'address', equals: address })
    return { row, messageIds: messages.map(({ id }) => id) }
  }

  async function readAll(addresses: readonly string[]): Promise<void> {
    for (const address of addresses) {
      const stored = await read(address)
      const entry = hiding.get(address)
      if (entry !== undefined) entry.stored = stored
    }
  }

  return {
    hide(address, deletedAtMs) {
      hiding.set(address, { deletedAtMs, stored: undefined })
    },
    prepare() {
      const unread = [...hiding].filter(([, { stored }]) => stored === undefined).map(([address]) => address)
      return unread.length === 0 ? undefined : readAll(unread)
    },
    collect(unwritten) {
      const changes = [...hiding].flatMap(([address, { deletedAtMs, stored }]): RowChange[] => {
        const newer = (table: QueryTable) => [...(unwritten.get(table)?.values() ?? [])].filter(isOf(address))
        const row = newer('chats')[0] ?? stored?.row
        const hidden = row && { ...row, deleted_at: deletedAtMs, message_count: 0, bytes: null, held: false }
        const messageIds = [...(stored?.messageIds ?? []), ...newer('messages').map(({ id }) => id)]
        return [
          { table: 'chats', put: hidden === undefined ? [] : [hidden], delete: [] },
          { table: 'messages', put: [], delete: messageIds },
        ]
      })
      hiding.clear()
      return changes
    },
  }
}

function isOf(address: string) {
  return (row: QueryRow | null): row is QueryRow => row?.address === address
}
