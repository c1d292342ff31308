import type { DocumentRecord } from '../ports/event-log.js'
import type { EntryOf } from '../ports/inspectable-log.js'
import { isTombstoneOf } from './verify-deletions.js'
import { END, type Findings, readable, readRecord } from './verify-findings.js'

/** Feed entries asked for at a time. */
const PAGE = 256

/**
 * Checks what is shared with each key: that the key is a member, that the document became news to it at some
 * position, and that its feed has every event from there on.
 */
export async function checkShared(check: Findings): Promise<void> {
  let reader = ''
  let grants = new Map<string, number>()
  for await (const entry of readable(check, 'shared')) {
    const { address } = entry
    if (entry.reader !== reader) {
      reader = entry.reader
      grants = await lastGrantsOf(check, reader)
      check.tell('indexes')
    }
    const record = await readRecord(check, address)
    if (record === undefined && check.unsure.has(address)) continue
    if (record?.members.some(({ pubkey }) => pubkey === reader) !== true) {
      const message = 'a document is shared with a key that is no member'
      await check.note({ kind: 'index', index: 'shared', address, reader, message }, { drop: [entry] })
      continue
    }
    const grantedAt = grants.get(address)
    if (grantedAt === undefined) {
      const { headSeq: seq } = record
      const message = 'a member was never told of the document as a whole'
      // The newest event: whoever has not seen it gets the whole document again, and nothing is doubled.
      const put = [{ index: 'grant', reader, seq, address } as const, { index: 'feed', reader, seq } as const]
      await check.note({ kind: 'index', index: 'grant', address, reader, message }, { put })
    } else await checkFeed(check, reader, address, grantedAt, record.deleted?.seq)
  }
}

async function lastGrantsOf(check: Findings, reader: string): Promise<Map<string, number>> {
  // Ascending: the last grant of a document is the one that holds.
  const grants = await check.log.grants(reader, 0, END)
  return new Map(grants.map(({ address, seq }) => [address, seq]))
}

async function checkFeed(
  check: Findings,
  reader: string,
  address: string,
  from: number,
  deletedSeq: number | undefined,
): Promise<void> {
  let page: EntryOf<'feed'>[] = []
  const ask = async (): Promise<void> => {
    const found = await check.log.hasEntries(page)
    for (const [at, entry] of page.entries()) {
      if (found[at] === true) continue
      const message = 'the event is not in the feed of a member'
      const fault = { kind: 'index', index: 'feed', seq: entry.seq, address, reader, message } as const
      await check.note(fault, { put: [entry] })
    }
    page = []
  }
  for await (const entries of check.log.documentLog(address, from - 1, END)) {
    for (const { seq } of entries) {
      // What is gone or damaged has no place to be found at.
      if (check.missing.has(seq) || check.damaged.has(seq)) continue
      page.push({ index: 'feed', reader, seq })
      if (page.length === PAGE) await ask()
    }
  }
  if (deletedSeq !== undefined && !check.missing.has(deletedSeq) && !check.damaged.has(deletedSeq)) {
    page.push({ index: 'feed', reader, seq: deletedSeq })
  }
  await ask()
}

/** Checks that each grant is of a document that is there, at a position that was given. */
export async function checkGrants(check: Findings): Promise<void> {
  for await (const entry of readable(check, 'grant')) {
    const { address, reader, seq } = entry
    if (seq >= 1 && seq <= check.log.head && (await isKnown(check, address))) continue
    const message = 'a grant is of no document, or beyond the log'
    await check.note({ kind: 'index', index: 'grant', seq, address, reader, message }, { drop: [entry] })
  }
}

/** Checks that each change is the newest event of a document that its reader may read. */
export async function checkChanges(check: Findings): Promise<void> {
  for await (const entry of readable(check, 'change')) {
    const { address, reader, seq } = entry
    const record = await readRecord(check, address)
    if (record === undefined && check.unsure.has(address)) continue
    if (record?.headSeq === seq && isReader(record, reader)) continue
    const message =
      record === undefined || !isReader(record, reader)
        ? 'a change is of a document that the key may not read'
        : `a change is not the newest event of its document, which is at ${record.headSeq}`
    await check.note({ kind: 'index', index: 'change', seq, address, reader, message }, { drop: [entry] })
  }
}

/** Of a deleted document nobody has anything to read. */
function isReader({ owner, members, deleted }: DocumentRecord, key: string): boolean {
  if (deleted !== undefined) return false
  return owner === key || members.some(({ pubkey }) => pubkey === key)
}

/** Checks that what is known of documents is of documents with events. */
export async function checkRecords(check: Findings): Promise<void> {
  for await (const entry of readable(check, 'record')) {
    const { address, record } = entry
    const isTombstone = record?.deleted !== undefined && isTombstoneOf(check, address, record.deleted)
    let isThere = isTombstone || check.mislisted.has(address)
    for await (const _ of check.log.documentLog(address, 0, END)) {
      isThere = true
      break
    }
    if (isThere) continue
    const message = 'something is known of a document that has no events'
    await check.note({ kind: 'record', address, message }, { drop: [entry] })
  }
}

/** Checks that client ids and merged states are of documents that are there, and superseded ids known as such. */
export async function checkRest(check: Findings): Promise<void> {
  for await (const { address, clientId, pubkey: reader } of readable(check, 'writer')) {
    if (await isThere(check, address)) continue
    const message = `the client id ${clientId} belongs to a key in a document that is not there`
    await check.note({ kind: 'index', index: 'writer', address, reader, message })
  }
  for await (const entry of readable(check, 'state')) {
    const { address } = entry
    if (await isThere(check, address)) continue
    const message = 'a state is kept of a document that is not there'
    await check.note({ kind: 'index', index: 'state', address, message }, { drop: [entry] })
  }
  for await (const entry of readable(check, 'supersededId')) {
    const { address, seq, id } = entry
    const [isSuperseded] = await check.log.hasEntries([{ index: 'id', id, place: 'superseded' }])
    if (isSuperseded === true) continue
    const message = 'an id is to be forgotten that is not known as superseded'
    await check.note({ kind: 'index', index: 'supersededId', address, seq, id, message }, { drop: [entry] })
  }
  check.tell('indexes')
}

/** Whether a document has events, as far as that can be said. */
async function isThere(check: Findings, address: string): Promise<boolean> {
  if (check.unsure.has(address)) return true
  const record = await readRecord(check, address)
  return record !== undefined && record.deleted === undefined
}

async function isKnown(check: Findings, address: string): Promise<boolean> {
  return check.unsure.has(address) || (await readRecord(check, address)) !== undefined
}

/** Checks that epochs begin one after another, within the log. Cursors name them. */
export async function checkEpochs(check: Findings): Promise<void> {
  const { epochs, head } = check.log
  const note = (message: string, seq?: number) =>
    check.note({ kind: 'epoch', message, ...(seq === undefined ? {} : { seq }) })
  if (head > 0 && epochs[0]?.fromSeq !== 1) await note('no epoch begins with the first event', 1)
  const ids = new Set<string>()
  let last = 0
  for (const { id, fromSeq } of epochs) {
    if (!/^[0-9a-f]{16}$/.test(id)) await note('the id of an epoch is damaged', fromSeq)
    if (ids.has(id)) await note(`the epoch ${id} begins twice`, fromSeq)
    if (fromSeq <= last || fromSeq > head)
      await note(`the epoch ${id} begins where no event of it can be`, fromSeq)
    ids.add(id)
    last = fromSeq
  }
}
