import { applyUpdate, getOrCreate, mergeUpdates, type Random } from '@onyx-sync/shared'
import * as Y from 'yjs'
import {
  type LogCompaction,
  type OutboxEntry,
  RESTORE,
  type StoredUpdate,
  type SyncStore,
} from '../ports/store.js'
import { createClientId } from './client-id.js'
import { META_CURSOR } from './inbox.js'
import { rebaseEdits } from './rebase-edits.js'
import { META_ROWS_VERSION } from './rows-version.js'
import { META_CHECKING } from './unchecked.js'

/** Reads as little as that of a log at once. */
type Rows = readonly StoredUpdate[]

/** What is left of one document, and what of its own edits waits under new positions. */
interface Clean {
  readonly compaction: LogCompaction
  readonly updates: readonly StoredUpdate[]
  readonly outboxPut: readonly OutboxEntry[]
  readonly outboxDelete: readonly string[]
}

/** See {@link rollBack}. */
export type RollBack = (store: SyncStore, random: Random, forged: readonly OutboxEntry[]) => Promise<void>

/**
 * Takes events that nobody signed out of a device's log, in one batch: the logs of their documents begin anew with their
 * states without them, and edits that the server hasn't got follow, taken off them. Everything is asked for again, since
 * what has the same client ids and clocks may have been taken for known; query tables are rebuilt with the next opening;
 * from then on events are checked before they are applied. Nobody else may write to the store meanwhile. Rejects with
 * `STORE_FAILED`, with nothing changed.
 */
export const rollBack: RollBack = async (store, random, forged) => {
  const entries = await store.loadOutbox()
  let lastSeq = await store.lastSeq()
  const nextSeq = () => ++lastSeq
  const byAddress = new Map<string, OutboxEntry[]>()
  for (const entry of forged) getOrCreate(byAddress, entry.lane, () => []).push(entry)
  const cleaned: Clean[] = []
  for (const [address, list] of byAddress) {
    const rows = await store.loadUpdates(address)
    const pending = entries.filter(({ lane, state }) => lane === address && state === 'pending')
    if (rows.length > 0) cleaned.push(clean(address, rows, list, pending, random, nextSeq))
  }
  await store.commit({
    compactions: cleaned.map(({ compaction }) => compaction),
    updates: cleaned.flatMap(({ updates }) => updates),
    outboxPut: cleaned.flatMap(({ outboxPut }) => outboxPut),
    outboxDelete: [
      ...cleaned.flatMap(({ outboxDelete }) => outboxDelete),
      ...entries.filter(({ state }) => state === 'unchecked').map(({ id }) => id),
    ],
    meta: { [META_CURSOR]: '', [META_ROWS_VERSION]: '', [META_CHECKING]: 'before' },
  })
}

function clean(
  address: string,
  rows: Rows,
  forged: readonly OutboxEntry[],
  pending: readonly OutboxEntry[],
  random: Random,
  nextSeq: () => number,
): Clean {
  const isOf =
    (list: readonly OutboxEntry[]) =>
    ({ seq }: StoredUpdate) =>
      list.some((entry) => seq >= entry.seq && seq <= entry.throughSeq)
  const isForged = isOf(forged)
  const isPending = isOf(pending)
  const after = merged(rows.filter((row) => !isForged(row) && !isPending(row)))
  const compaction = {
    address,
    throughSeq: Math.max(...rows.map(({ seq }) => seq)),
    update: Y.encodeStateAsUpdate(after),
  }
  const updates: StoredUpdate[] = []
  const outboxPut: OutboxEntry[] = []
  const outboxDelete = pending.map(({ id }) => id)
  function keep(update: Uint8Array, edits: number, event: string): void {
    const seq = nextSeq()
    updates.push({ seq, address, update })
    outboxPut.push({
      id: `edit-${seq}`,
      lane: address,
      ...{ seq, throughSeq: seq, edits },
      ...{ state: 'pending', event, reason: '' },
    })
  }
  /** Edits that hang on what goes. */
  const hanging: Uint8Array[] = []
  let hangingEdits = 0
  for (const { seq, edits, event } of pending) {
    const update = rows.find((row) => row.seq === seq)?.update ?? new Uint8Array()
    // One that the disk has lost: its row stays away, and its entry would be in the way.
    if (update.byteLength === 0) continue
    if (event === RESTORE || isBasedOn(after, update)) {
      applyUpdate(after, update)
      keep(update, edits, event)
    } else {
      hanging.push(update)
      hangingEdits += edits
    }
  }
  if (hanging.length > 0) {
    const rebased = rebaseEdits({
      edits: mergeUpdates(hanging),
      before: merged(rows, { gc: false }),
      after,
      createClientId: () => createClientId(random),
    })
    if (rebased !== undefined) keep(rebased, hangingEdits, '')
  }
  return { compaction, updates, outboxPut, outboxDelete }
}

function merged(rows: Rows, { gc = true } = {}): Y.Doc {
  const doc = new Y.Doc({ gc })
  doc.transact(() => {
    for (const { update } of rows) {
      try {
        applyUpdate(doc, update)
      } catch {
        // A row that can't be read: what it held comes again, as everything does.
      }
    }
  })
  return doc
}

/** Whether an update hangs on nothing that a document lacks. */
function isBasedOn({ store }: Y.Doc, update: Uint8Array): boolean {
  const { structs, ds } = Y.decodeUpdate(update)
  const known = new Map<number, number>()
  const stateOf = (client: number) => known.get(client) ?? Y.getState(store, client)
  for (const struct of structs) {
    const { client, clock } = struct.id
    if (struct instanceof Y.Skip || clock > stateOf(client)) return false
    known.set(client, Math.max(stateOf(client), clock + struct.length))
  }
  const isThere = (id: unknown) => !(id instanceof Y.ID) || id.clock < stateOf(id.client)
  for (const struct of structs) {
    if (!(struct instanceof Y.Item)) continue
    if (![struct.origin, struct.rightOrigin, struct.parent].every(isThere)) return false
  }
  return [...ds.clients].every(([client, ranges]) =>
    ranges.every(({ clock, len }) => clock + len <= stateOf(client)),
  )
}
