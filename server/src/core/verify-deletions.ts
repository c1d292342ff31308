import {
  coordinatesOfDeletion,
  expirationOf,
  getOrCreate,
  isDocumentKind,
  KIND,
  type NostrEvent,
  ownerOfAddress,
  parseAddress,
  tagValues,
} from '@onyx-sync/shared'
import type { IndexEntry, Vanished } from '../ports/event-log.js'
import type { PlaceEntry } from '../ports/inspectable-log.js'
import { tombstoneOf } from './deletions.js'
import { type Findings, readable, readRecord } from './verify-findings.js'

/** Takes note of the documents that a deletion request names. Call in the order of the log: the first counts. */
export function noteDeletion(check: Findings, event: NostrEvent, seq: number): void {
  const { kind, id, pubkey, created_at, tags } = event
  if (kind === KIND.vanish) {
    getOrCreate(check.vanished, pubkey, () => []).push({ pubkey, until: created_at, seq })
    return
  }
  if (kind !== KIND.deletion) return
  for (const coordinate of coordinatesOfDeletion({ tags })) {
    const known = check.deletedCoordinates.get(coordinate)
    if (known !== undefined && known.until >= created_at) continue
    check.deletedCoordinates.set(coordinate, { coordinate, until: created_at, seq })
  }
  for (const address of tagValues({ tags }, 'a')) {
    if (!isDocumentKind(parseAddress(address)?.kind ?? 0) || check.deletions.has(address)) continue
    check.deletions.set(address, { seq, id, created_at })
  }
}

/** Entries that remember which events a deletion request names. */
export function entriesOfDeletion({ kind, pubkey, tags }: NostrEvent, seq: number): PlaceEntry[] {
  if (kind !== KIND.deletion) return []
  return [...new Set(tagValues({ tags }, 'e'))].map((id) => ({ index: 'deletedId', pubkey, id, seq }))
}

/** Whether what is known of a deleted document names the request that deleted it. */
export function isTombstoneOf(check: Findings, address: string, deleted: IndexEntry): boolean {
  const first = check.deletions.get(address)
  // A request that can't be read any more may have been it.
  if (check.damaged.has(deleted.seq) || check.missing.has(deleted.seq)) return true
  const requests = check.vanished.get(ownerOfAddress(address)) ?? []
  if (requests.some(({ seq, until }) => seq === deleted.seq && until === deleted.created_at)) return true
  return first?.seq === deleted.seq && first.id === deleted.id && first.created_at === deleted.created_at
}

/** Checks that every document that was deleted is known as deleted, and that no part of it waits. */
export async function checkTombstones(check: Findings): Promise<void> {
  for (const [address, place] of check.deletions) {
    const record = await readRecord(check, address)
    if (record?.deleted !== undefined) continue
    if (record !== undefined) {
      await check.note({ kind: 'record', address, message: 'the document was deleted, and is still there' })
      continue
    }
    const message = 'a document that was deleted is not known as such'
    // Who could read it can't be told any more. That it must not come back can.
    const put = [{ index: 'record', address, record: tombstoneOf(address, undefined, place) } as const]
    await check.note({ kind: 'record', address, message }, { put })
  }
}

/** Checks that every key that asked to vanish is known, by its last request, and no other. */
export async function checkVanished(check: Findings): Promise<void> {
  for await (const entry of readable(check, 'vanished')) {
    const { pubkey, until, seq } = entry
    if (check.damaged.has(seq) || check.missing.has(seq)) continue
    const last = check.vanished.get(pubkey)?.at(-1)
    if (last?.seq === seq && last.until === until) continue
    const message = 'a key is known to have vanished by a request that is not there'
    await check.note({ kind: 'index', index: 'vanished', seq, message }, { drop: [entry] })
  }
  for (const requests of check.vanished.values()) {
    const entry = { index: 'vanished', ...(requests.at(-1) as Vanished) } as const
    const [isKnown] = await check.log.hasEntries([entry])
    if (isKnown === true) continue
    const message = 'the key is not known to have vanished'
    await check.note({ kind: 'index', index: 'vanished', seq: entry.seq, message }, { put: [entry] })
  }
}

/** Checks that every name that was deleted is known, by the request that reaches furthest, and no other. */
export async function checkDeletedCoordinates(check: Findings): Promise<void> {
  for await (const entry of readable(check, 'deletedCoordinate')) {
    const { coordinate, until, seq } = entry
    if (check.damaged.has(seq) || check.missing.has(seq)) continue
    const known = check.deletedCoordinates.get(coordinate)
    if (known?.seq === seq && known.until === until) continue
    const message = 'a name is known as deleted by a request that does not do that'
    await check.note({ kind: 'index', index: 'deletedCoordinate', seq, message }, { drop: [entry] })
  }
  for (const known of check.deletedCoordinates.values()) {
    const entry = { index: 'deletedCoordinate', ...known } as const
    const [isKnown] = await check.log.hasEntries([entry])
    if (isKnown === true) continue
    const message = 'a name that was deleted is not known as such'
    await check.note({ kind: 'index', index: 'deletedCoordinate', seq: entry.seq, message }, { put: [entry] })
  }
}

/** Checks that what is known to expire does, at that time. */
export async function checkExpiries(check: Findings): Promise<void> {
  for await (const entry of readable(check, 'expiry')) {
    const { seq, expiresAt } = entry
    if (check.damaged.has(seq) || check.missing.has(seq)) continue
    const [json] = await check.log.load([seq])
    if (json !== undefined && expirationOf(JSON.parse(json) as NostrEvent) === expiresAt) continue
    const message = 'an event is known to expire at a time that is not its own'
    await check.note({ kind: 'index', index: 'expiry', seq, message }, { drop: [entry] })
  }
}

/** Checks that ids which are known as deleted are named by the request they point to. */
export async function checkDeletedIds(check: Findings): Promise<void> {
  for await (const entry of readable(check, 'deletedId')) {
    const { pubkey, id, seq } = entry
    if (check.damaged.has(seq) || check.missing.has(seq)) continue
    const [json] = await check.log.load([seq])
    const event = json === undefined ? undefined : (JSON.parse(json) as NostrEvent)
    if (event?.kind === KIND.deletion && event.pubkey === pubkey && tagValues(event, 'e').includes(id))
      continue
    const message = 'an id is known as deleted, and no request names it'
    const other = check.deletedAgain.get(`${pubkey} ${id}`)
    const remedy = other === undefined ? { drop: [entry] } : { put: [other] }
    await check.note({ kind: 'index', index: 'deletedId', seq, id, message }, remedy)
  }
}
