import type { QueryTable, SyncStore } from '../ports/store.js'
import type { Documents } from './documents-api.js'
import { isHere } from './hold-filters.js'
import type { RowChange } from './journal.js'
import { META_ROWS_VERSION, ROWS_VERSION } from './rows-version.js'

export interface RebuildParts {
  readonly store: SyncStore
  readonly documents: Documents
  /** Rows of what is in the outbox. */
  outboxRows(): Promise<readonly RowChange[]>
}

/**
 * Makes all query rows anew from documents and outbox, a batch for each document, and drops those of documents that
 * aren't there. Documents that wait for something keep their rows (trap Y4), and so do chats that are only listed. A
 * crash in between leaves both kinds of rows, and the same is done again. @returns how many documents it were
 */
export async function rebuildRows({ store, documents, outboxRows }: RebuildParts): Promise<number> {
  const { journal } = documents
  const here = documents.list().filter(({ body }) => isHere(body))
  for (const { address } of here) await documents.rebuildRows(address)
  const known = new Set(documents.list().map(({ address }) => address))
  const strays: RowChange[] = []
  for (const table of ['chats', 'messages', 'settings'] as const satisfies readonly QueryTable[]) {
    const gone = (await store.loadRows(table)).filter(({ address }) => !known.has(String(address)))
    if (gone.length > 0) strays.push({ table, put: [], delete: gone.map(({ id }) => id) })
  }
  const training = await outboxRows()
  const kept = new Set(training.flatMap(({ put }) => put.map(({ id }) => id)))
  const old = (await store.loadRows('training')).filter(({ id }) => !kept.has(id))
  const removed: RowChange = { table: 'training', put: [], delete: old.map(({ id }) => id) }
  journal.add({ rows: [...strays, removed, ...training], meta: { [META_ROWS_VERSION]: ROWS_VERSION } })
  await journal.flush()
  return here.length
}
