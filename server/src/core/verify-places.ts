import { parseAddress, parsePartTag } from '@onyx-sync/shared'
import type { EntryOf } from '../ports/inspectable-log.js'
import { gatherPages } from './pages.js'
import { loadInPages, UNBOUNDED } from './stored-events.js'
import { checkStored, entriesOf, type Place, placeOf } from './verify-events.js'
import { type Findings, readable } from './verify-findings.js'

const GONE = 'the event is gone'

/** Checks parts that wait for others. @returns their ids */
export async function checkHeld(check: Findings): Promise<Set<string>> {
  const ids = new Set<string>()
  for await (const { part } of readable(check, 'held')) {
    const { id, author, address, json } = part
    check.counts.heldParts++
    ids.add(id)
    try {
      checkStored(json, check.verifier)
      const { event, address: own } = placeOf(json)
      const named = parsePartTag(event, UNBOUNDED)
      const isPlaced = named?.group === part.group && named.index === part.index
      if (event.id !== id || event.pubkey !== author || own !== address || !isPlaced) {
        throw new Error('it lies under another name than its own')
      }
      if (check.deletions.has(address)) throw new Error('it waits in a document that was deleted')
    } catch (error) {
      await check.note({ kind: 'part', id, address, message: (error as Error).message })
      continue
    }
    const [isKnown, isStored] = await check.log.hasEntries([
      { index: 'id', id, place: 'held' },
      { index: 'id', id, place: 'superseded' },
    ])
    if (isKnown === true) continue
    const message = 'the part is not known by its id'
    // Known as something else, it is no part any more; which of the two is right can't be told.
    const isElsewhere = isStored === true || (await check.log.locate([id]))[0] !== undefined
    const remedy = isElsewhere ? undefined : { put: [{ index: 'id', id, place: 'held' } as const] }
    await check.note({ kind: 'index', index: 'id', id, address, message }, remedy)
  }
  return ids
}

/** An entry that names a position, with what is there. */
type Pointing<E> = E & {
  readonly json: string
  readonly found: Place | undefined
  readonly isDamaged: boolean
}

/** Entries of an index with what they point to. */
async function* followed<E extends { readonly seq: number }>(
  check: Findings,
  entries: AsyncIterable<E>,
): AsyncGenerator<Pointing<E>[]> {
  for await (const page of loadInPages(check.log, gatherPages(entries))) {
    yield page.map((entry) => {
      const { json } = entry
      const isDamaged = check.damaged.has(entry.seq)
      const found = json === undefined || isDamaged ? undefined : placeOf(json)
      return { ...entry, json: json ?? '', found, isDamaged }
    })
  }
}

/**
 * Checks the index of ids. An id that has a position and no event there is the trace of an event that is gone:
 * a fault that nothing here can mend.
 */
export async function checkIds(check: Findings, heldIds: ReadonlySet<string>): Promise<void> {
  async function* positions(): AsyncGenerator<{ readonly id: string; readonly seq: number }> {
    for await (const entry of readable(check, 'id')) {
      const { id, place } = entry
      if (typeof place === 'number') yield { id, seq: place }
      else if (place === 'superseded') check.counts.supersededIds++
      else if (!heldIds.has(id)) {
        const message = 'the id is known as that of a part, and there is none'
        await check.note({ kind: 'index', index: 'id', id, message }, { drop: [entry] })
      }
    }
  }
  for await (const page of followed(check, positions())) {
    for (const { id, seq, json, found, isDamaged } of page) {
      if (isDamaged || found?.event.id === id) continue
      if (json === '') {
        check.missing.add(seq)
        await check.note({ kind: 'event-missing', seq, id, message: GONE })
      } else {
        const message = `the id points to the event ${found?.event.id}`
        const drop = [{ index: 'id', id, place: seq } as const]
        await check.note({ kind: 'index', index: 'id', seq, id, message }, { drop })
      }
    }
    check.tell('indexes')
  }
}

/** Checks that the entries of an index stand for the events they point to. */
export async function checkLog(check: Findings, index: LogEntryOf['index']): Promise<void> {
  for await (const page of followed(check, readable(check, index) as AsyncGenerator<LogEntryOf>)) {
    for (const { json, found, isDamaged, ...entry } of page) {
      if (isDamaged) continue
      const { seq } = entry
      if (found !== undefined && entriesOf(found, seq).some((expected) => isEqual(expected, entry))) continue
      if (found === undefined && (await isTrace(check, entry))) continue
      const message = found === undefined ? 'an entry points to nothing' : 'an entry points to another event'
      const address = entry.index === 'documentLog' ? { address: entry.address } : {}
      const id = entry.index === 'trainingFeed' ? {} : { id: entry.id }
      await check.note({ kind: 'index', index, seq, ...id, ...address, message }, { drop: [entry] })
    }
    check.tell('indexes')
  }
}

type LogEntryOf = EntryOf<'documentLog' | 'ownerLog' | 'training' | 'trainingFeed' | 'listed' | 'coordinate'>

function isEqual(a: object, b: object): boolean {
  const fields = Object.entries(a)
  return (
    fields.length === Object.keys(b).length && fields.every(([name, value]) => value === b[name as never])
  )
}

/**
 * Whether an entry that points to nothing is the trace of an event that is gone: another index tells of it,
 * too. A single entry is just wrong.
 */
async function isTrace(check: Findings, entry: LogEntryOf): Promise<boolean> {
  if (entry.index === 'trainingFeed') return check.missing.has(entry.seq)
  const { seq, id, created_at } = entry
  const [isKnown] = await check.log.hasEntries([{ index: 'id', id, place: seq }])
  if (isKnown === true) return true
  if (entry.index !== 'documentLog') return check.missing.has(seq)
  const parsed = parseAddress(entry.address)
  if (parsed === undefined) return false
  const { owner, kind } = parsed
  const [isListed] = await check.log.hasEntries([{ index: 'ownerLog', owner, kind, created_at, id, seq }])
  if (isListed !== true) return false
  check.missing.add(seq)
  await check.note({ kind: 'event-missing', seq, id, address: entry.address, message: GONE })
  return true
}

/**
 * Checks that no feed goes beyond the log, where other events will come to lie. An entry whose event was
 * superseded stays behind with those who were no members any more; it is passed over when it is read.
 */
export async function checkFeeds(check: Findings): Promise<void> {
  const { head } = check.log
  for await (const page of followed(check, readable(check, 'feed'))) {
    for (const { json, found, isDamaged: _isDamaged, ...entry } of page) {
      const { seq, reader } = entry
      if (found?.plain?.readers.includes(reader) === false) {
        const message = 'an entry of a feed is of an event that its reader may not read'
        await check.note({ kind: 'index', index: 'feed', seq, reader, message }, { drop: [entry] })
        continue
      }
      if (json !== '' || check.missing.has(seq)) continue
      if (seq >= 1 && seq <= head) check.counts.staleFeedEntries++
      else {
        const message = 'an entry of a feed lies beyond the log'
        await check.note({ kind: 'index', index: 'feed', seq, reader, message }, { drop: [entry] })
      }
    }
    check.tell('indexes')
  }
}
