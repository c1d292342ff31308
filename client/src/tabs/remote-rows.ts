import { SyncError } from '@onyx-sync/shared'
import type { QueryRow, RowReader } from '../ports/store.js'
import type { TabLink } from './link.js'
import { isListOf, isRecord } from './shapes.js'

/** The query tables of a database that another tab has. */
export function createRemoteRows(link: TabLink): RowReader {
  async function ask(method: string, args: readonly unknown[]): Promise<QueryRow[]> {
    const rows = await link.call(method, args)
    if (!isListOf(isRecord)(rows)) throw new SyncError('INTERNAL', 'the tab that leads gave no rows')
    return rows as unknown as QueryRow[]
  }
  return {
    loadRows: (table, where) => ask('rows', [table, where ?? null]),
    loadMessages: (address, { from, through }) => ask('messages', [address, from, through]),
    searchRows: (table, query, { limit, address, exclude }) =>
      ask('search', [table, query, limit, address ?? null, [...(exclude ?? [])]]),
  }
}
