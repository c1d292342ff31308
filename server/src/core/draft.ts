import {
  checkRosterSize,
  EMPTY_ROSTER,
  expirationOf,
  getOrCreate,
  isSameRoster,
  KIND,
  type Limits,
  type Logger,
  type NostrEvent,
  SyncError,
  utf8Length,
} from '@onyx-sync/shared'
import type { DocumentContent } from '../ports/document-content.js'
import type {
  Commit,
  DocumentRecord,
  EventLog,
  LoggedEvent,
  Move,
  Superseded,
  Writer,
} from '../ports/event-log.js'
import type { Comparison, Merger } from '../ports/merger.js'
import type { CheckedEvent } from './check-event.js'
import type { Checkpoints, Gone } from './checkpoints.js'
import { createHeldParts, type DocumentEvent, type EditPart, type WholeEdit } from './held-parts.js'
import { ledgerOf, type Usage } from './quotas.js'
import { applyToDocument, mayWrite, roleOf, stateRoster } from './roster.js'
import { placeFields } from './stored-events.js'
import { assertNotVanished } from './vanish-check.js'
import { createVersions, type Versions } from './versions.js'

/** A commit in the making: each event is decided on what the events before it in the batch did. */
export interface Draft {
  /**
   * Takes an event in. Throws the `SyncError` that refuses it; nothing of it is in the draft then. One call
   * at a time.
   */
  add(checked: CheckedEvent): Promise<void>
  has(id: string): boolean
  /** Whether a document isn't there, neither in the log nor in the draft. */
  isNew(address: string): boolean
  /** How much more, or less, is kept for each key with it, by owner. */
  usageChanges(): ReadonlyMap<string, Usage>
  /** The events taken in, in log order. */
  readonly events: readonly NostrEvent[]
  toCommit(): Commit
}

/** What is known of the documents that a batch touches. */
interface Known {
  readonly records: Map<string, DocumentRecord>
  /** Whose a Yjs client id is, by `<client id> <address>`. */
  readonly writers: Map<string, string>
  /** Ids of events of the batch that their authors deleted before. */
  readonly deletedIds: ReadonlySet<string>
  /** Up to when authors of the batch wanted everything gone. */
  readonly vanished: ReadonlyMap<string, number | undefined>
}

/** A draft on top of the log as it is now. Reads everything that the batch will ask for at once. */
export async function createDraft(
  log: EventLog,
  checkpoints: Checkpoints,
  merger: Merger,
  limits: Limits,
  logger: Logger,
  batch: readonly CheckedEvent[],
): Promise<Draft> {
  const idsByAddress = new Map<string, Set<number>>()
  for (const { content } of batch) {
    if (content === undefined) continue
    const ids = getOrCreate(idsByAddress, content.address, () => new Set())
    for (const id of content.clientIds) ids.add(id)
  }
  const clients = [...idsByAddress].flatMap(([address, ids]) =>
    [...ids].map((clientId) => ({ address, clientId })),
  )
  const authors = [
    ...new Set(batch.flatMap(({ event, plain }) => [event.pubkey, plain?.owner ?? event.pubkey])),
  ]
  const [found, owners, untils, deletedIds, versions] = await Promise.all([
    log.documents([...idsByAddress.keys()]),
    log.writers(clients),
    log.vanishedUntil(authors),
    deletedAmong(log, batch),
    createVersions(log, logger, batch),
  ])
  const known: Known = {
    records: new Map(),
    writers: new Map(),
    deletedIds,
    vanished: new Map(authors.map((author, index) => [author, untils[index]])),
  }
  for (const record of found) if (record !== undefined) known.records.set(record.address, record)
  for (const [index, { address, clientId }] of clients.entries()) {
    const pubkey = owners[index]
    if (pubkey !== undefined) known.writers.set(`${clientId} ${address}`, pubkey)
  }
  return assemble(log, known, checkpoints, merger, limits, versions)
}

/** Events of documents are not among them: those are deleted as a whole (SPEC DEL3). */
async function deletedAmong(log: EventLog, batch: readonly CheckedEvent[]): Promise<Set<string>> {
  const others = batch.flatMap(({ content, event: { id, pubkey }, owner }) => {
    if (content !== undefined) return []
    return owner === pubkey
      ? [{ id, pubkey }]
      : [
          { id, pubkey },
          { id, pubkey: owner },
        ]
  })
  const found = others.length === 0 ? [] : await log.areDeleted(others)
  return new Set(others.flatMap(({ id }, index) => (found[index] === true ? id : [])))
}

function assemble(
  log: EventLog,
  { records, writers, deletedIds, vanished }: Known,
  checkpoints: Checkpoints,
  merger: Merger,
  limits: Limits,
  versions: Versions,
): Draft {
  const { head } = log
  const held = createHeldParts(log, merger, limits.maxHeldBytes)
  /** Records as they were before the batch, of every document it touches. */
  const originals = new Map<string, DocumentRecord | undefined>()
  const updates = new Map<string, Uint8Array[]>()
  const bound: Writer[] = []
  const superseded = new Map<string, Superseded & Gone>()
  const ids = new Set<string>()
  const logged: LoggedEvent[] = []
  const events: NostrEvent[] = []
  /** What the batch did to each key's membership in the end, by reader and address. */
  const changes = new Map<string, { reader: string; address: string; grantedAt: number | undefined }>()

  function note(reader: string, address: string, grantedAt: number | undefined): void {
    changes.set(`${reader} ${address}`, { reader, address, grantedAt })
  }

  /**
   * A client id belongs to the first key that wrote under it: structs that somebody forges under another's,
   * and that arrive first, would displace the real ones for good (trap Y6). What is there already may come
   * again in anybody's event; the owner may bring back what a server that was set back has lost.
   *
   * @returns whether the event brings news, and the client ids that are its author's from now on
   */
  async function examine(
    { event, owner, statement }: CheckedEvent,
    content: DocumentContent,
  ): Promise<{ bringsNews: boolean; claimed: readonly number[] }> {
    const { address, framed } = content
    // Settings have one author.
    const clientIds = event.kind === KIND.chat ? content.clientIds : []
    const ownerOf = (id: number) => writers.get(`${id} ${address}`)
    const foreign = clientIds.filter((id) => ![undefined, event.pubkey].includes(ownerOf(id)))
    const free = clientIds.filter((id) => ownerOf(id) === undefined)
    // A member must not get hold of client ids that are nobody's by repeating what was written under them.
    const mayTake = event.pubkey !== owner && free.length > 0
    const isAlone = foreign.length === 0 && !mayTake
    if (!framed.checkpoint && isAlone) return { bringsNews: true, claimed: free }
    const comparison = await compare(content, isAlone)
    if (comparison === undefined) return { bringsNews: true, claimed: free }
    const { newWriters, ...compared } = comparison
    // Only what may stand for others counts as no news: it is not sent to who has everything.
    const bringsNews = compared.bringsNews || !framed.checkpoint
    const restores = framed.checkpoint && event.pubkey === owner
    const forged = foreign.filter((id) => newWriters.includes(id))
    if (forged.length > 0 && !restores) {
      throw new SyncError(
        'WRITE_RESTRICTED',
        `the Yjs client id ${forged[0]} belongs to another key in ${address}: load the document anew, which gives it a client id of its own`,
      )
    }
    // Whose they are isn't said by an owner who brings them back; they are free for who goes on under them.
    const isStated = statement !== undefined && !isSameRoster(statement, EMPTY_ROSTER)
    const isShared = isStated || hasOthers(address, event.pubkey)
    if (restores) return { bringsNews, claimed: isShared ? [] : free }
    // Nor is it said by a member who only repeats what the owner has brought back.
    return { bringsNews, claimed: free.filter((id) => newWriters.includes(id)) }
  }

  /** Undefined where the document isn't merged, and the event brings nothing but its author's own anyway. */
  async function compare(content: DocumentContent, isAlone: boolean): Promise<Comparison | undefined> {
    try {
      return await checkpoints.compare(content, updates.get(content.address) ?? [])
    } catch (error) {
      if (isAlone && error instanceof SyncError && error.code === 'MERGE_FAILED') return undefined
      throw error
    }
  }

  /** Whether anybody else may have written to a document, and be it who is a member no more. */
  function hasOthers(address: string, owner: string): boolean {
    const record = records.get(address)
    if (record === undefined || !isSameRoster(record.roster, EMPTY_ROSTER)) return true
    for (const [key, pubkey] of writers) if (key.endsWith(` ${address}`) && pubkey !== owner) return true
    return false
  }

  /** An edit of one event, or of several parts that come into the log together. */
  async function addEdit({ parts, content }: WholeEdit): Promise<void> {
    const last = { ...(parts[parts.length - 1] as EditPart), content }
    const { address, framed } = content
    const previous = records.get(address)
    assertMayWrite(last)
    const { bringsNews, claimed } = await examine(last, content)
    const stated = stateRoster(previous, last.statement, 0)
    checkRosterSize(stated.roster.entries.length, limits)
    const gone = await checkpoints.superseded(last, previous, stated.rosterSeqs)
    // From here on nothing fails: an edit is in the draft as a whole or not at all.
    if (!originals.has(address)) originals.set(address, previous)
    getOrCreate(updates, address, () => []).push(framed.update)
    for (const clientId of claimed) {
      writers.set(`${clientId} ${address}`, last.event.pubkey)
      bound.push({ address, clientId, pubkey: last.event.pubkey })
    }
    for (const [index, part] of parts.entries()) {
      const checked = { ...part, content }
      const seq = head + logged.length + 1
      const change = applyToDocument(records.get(address), checked, seq, bringsNews)
      const readers = readersOf(change.record)
      records.set(
        address,
        index === parts.length - 1 ? supersede(change.record, gone, readers) : change.record,
      )
      for (const reader of change.joined) note(reader, address, seq)
      for (const reader of change.left) note(reader, address, undefined)
      append(checked, readers)
    }
  }

  function assertMayWrite({ event, owner, content: { address } }: DocumentEvent): void {
    const record = records.get(address)
    if (mayWrite(event.pubkey, owner, record)) {
      if (record?.deleted === undefined) return
      throw new SyncError('DELETED', `${address} was deleted by its owner, for good`)
    }
    // Who may not read it must not learn either whether it exists.
    throw roleOf(event.pubkey, record) === 'read'
      ? new SyncError('WRITE_RESTRICTED', `your role in ${address} is "read"; its owner may give you another`)
      : new SyncError('WRITE_RESTRICTED', `you are not a member of ${address}`)
  }

  function append(checked: CheckedEvent, readers: readonly string[]): void {
    const { event, json, content, owner } = checked
    const expiresAt = content === undefined ? expirationOf(event) : undefined
    ids.add(event.id)
    events.push(event)
    logged.push({
      ...(expiresAt === undefined ? {} : { expiresAt }),
      seq: head + logged.length + 1,
      id: event.id,
      pubkey: event.pubkey,
      kind: event.kind,
      createdAt: event.created_at,
      json,
      address: content?.address,
      owner,
      readers,
      ...placeFields(checked.plain),
    })
  }

  function supersede(record: DocumentRecord, gone: Gone, readers: readonly string[]): DocumentRecord {
    const { address } = record
    const before = superseded.get(address)
    const seqs = new Set(gone.events.map(({ seq }) => seq))
    // A second checkpoint of one batch, that contains less than the first: what it could add waits for the next.
    if (seqs.size === 0 || before?.events.some(({ seq }) => !seqs.has(seq)) === true) return record
    superseded.set(address, {
      address,
      events: gone.events,
      readers: [...new Set([...(before?.readers ?? []), ...readers])],
      bytes: gone.bytes,
    })
    return {
      ...record,
      eventCount: record.eventCount - gone.events.length + (before?.events.length ?? 0),
      byteCount: record.byteCount - gone.bytes + (before?.bytes ?? 0),
    }
  }

  /** Where each reader's newest change of each document was before the batch, and is now. */
  function moves(): Move[] {
    const list: Move[] = []
    for (const [address, original] of originals) {
      const record = records.get(address) as DocumentRecord
      const before = new Set(original === undefined ? [] : readersOf(original))
      const after = new Set(readersOf(record))
      for (const reader of new Set([...before, ...after])) {
        const from = before.has(reader) ? original?.headSeq : undefined
        list.push({ reader, address, from, to: after.has(reader) ? record.headSeq : undefined })
      }
    }
    return list
  }

  return {
    events,
    has: (id) => ids.has(id),
    isNew: (address) => !records.has(address),
    usageChanges() {
      const changes = new Map<string, { bytes: number; documents: number }>()
      const change = (owner: string) => getOrCreate(changes, owner, () => ({ bytes: 0, documents: 0 }))
      for (const [address, original] of originals) {
        const record = records.get(address) as DocumentRecord
        change(record.owner).bytes += record.byteCount - (original?.byteCount ?? 0)
        if (original === undefined) change(record.owner).documents++
      }
      for (const event of logged) {
        if (event.address === undefined) change(ledgerOf(event)).bytes += utf8Length(event.json)
      }
      for (const [owner, bytes] of versions.freedBytes) change(owner).bytes -= bytes
      return changes
    },
    async add(checked) {
      const { content, plain } = checked
      assertNotVanished(checked.event, vanished.get(checked.event.pubkey))
      if (plain !== undefined) assertNotVanished(checked.event, vanished.get(plain.owner))
      if (deletedIds.has(checked.event.id)) {
        throw new SyncError('DELETED', 'this event was deleted by its author')
      }
      if (content === undefined) {
        versions.admit(checked)
        return append(checked, [checked.owner])
      }
      const documentEvent = { ...checked, content }
      if (content.part === undefined) {
        return addEdit({ parts: [{ ...checked, address: content.address }], content })
      }
      // A stranger must not have this server hold anything.
      assertMayWrite(documentEvent)
      const edit = await held.add(documentEvent, content.part)
      if (edit === undefined) {
        ids.add(checked.event.id)
        return
      }
      try {
        await addEdit(edit)
      } catch (error) {
        held.settle(documentEvent, content.part, false)
        throw error
      }
      held.settle(documentEvent, content.part, true)
    },
    toCommit() {
      const grants: Commit['grants'][number][] = []
      const revocations: Commit['revocations'][number][] = []
      for (const { reader, address, grantedAt } of changes.values()) {
        if (grantedAt === undefined) revocations.push({ reader, address })
        else grants.push({ reader, address, seq: grantedAt })
      }
      const documents = [...originals.keys()].map((address) => records.get(address) as DocumentRecord)
      return {
        events: logged,
        documents,
        grants,
        revocations,
        writers: bound,
        moves: moves(),
        superseded: [...superseded.values()],
        withdrawn: versions.withdrawn,
        ...held.toCommit(),
      }
    },
  }
}

function readersOf({ owner, members }: DocumentRecord): string[] {
  return [owner, ...members.map((member) => member.pubkey)]
}
