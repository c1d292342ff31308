import { parseAddress, SyncError } from '@onyx-sync/shared'
import type { Level } from 'level'
import type { Commit } from '../../ports/event-log.js'
import { addressOfHeldKey, decodeHex, entryOfDocumentLog } from './codecs.js'
import { keyOf, rangeOf } from './keys.js'
import { entriesOf } from './paging.js'

type Database = Level<Uint8Array, Uint8Array>

/**
 * Keys of everything that the database has of the documents a commit deletes, but their records: they go in one
 * batch, so no crash leaves half a document. Read page by page, so that others are served meanwhile.
 */
export async function keysOfDeleted(db: Database, commit: Commit): Promise<Uint8Array[]> {
  const { deletedDocuments = [] } = commit
  if (deletedDocuments.length === 0) return []
  const keys: Uint8Array[] = []
  for (const { address, readers } of deletedDocuments) {
    const parsed = parseAddress(address)
    if (parsed === undefined) throw new SyncError('STORE_FAILED', `${address} names no document`)
    const log = rangeOf.documentLog(address, 0, Number.MAX_SAFE_INTEGER)
    for await (const [key, value] of entriesOf<[Uint8Array, Uint8Array]>(db.iterator(log))) {
      const { seq, id, created_at } = entryOfDocumentLog(key, value)
      keys.push(
        key,
        keyOf.event(seq),
        keyOf.id(id),
        keyOf.ownerLog(parsed.owner, parsed.kind, created_at, id),
      )
      for (const reader of readers) keys.push(keyOf.feed(reader, seq))
    }
    const superseded = rangeOf.supersededIds(address)
    for await (const [key, value] of entriesOf<[Uint8Array, Uint8Array]>(db.iterator(superseded))) {
      keys.push(key, keyOf.id(decodeHex(value)))
    }
    for await (const key of entriesOf<Uint8Array>(db.keys(rangeOf.writers(address)))) keys.push(key)
    keys.push(keyOf.state(address), keyOf.summary(address))
  }
  keys.push(...(await keysOfHeld(db, new Set(deletedDocuments.map(({ address }) => address)))))
  return keys
}

/** Whoever sent parts may not be a member any more, so all of them are looked at. Few ever wait. */
async function keysOfHeld(db: Database, addresses: ReadonlySet<string>): Promise<Uint8Array[]> {
  const held: Uint8Array[] = []
  for await (const key of entriesOf<Uint8Array>(db.keys(rangeOf.index('held')))) {
    if (addresses.has(addressOfHeldKey(key))) held.push(key)
  }
  const ids = (await db.getMany(held)).flatMap((value) =>
    value === undefined ? [] : [keyOf.id(decodeHex(value))],
  )
  return [...held, ...ids]
}
