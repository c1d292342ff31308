import {
  applyUpdate,
  containsUpdate,
  decodeUpdateEvent,
  EMPTY_ROSTER,
  getOrCreate,
  isDocumentKind,
  isSameRoster,
  joinRoster,
  type Limits,
  type NostrEvent,
  parseAddress,
  type Roster,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Documents } from './documents-api.js'
import { isHere } from './hold-filters.js'
import type { Outbox } from './outbox.js'
import { eventsOf } from './outbox-events.js'
import type { RemoteUpdate } from './remote-updates.js'

/** What a server that was set back turns out to have, gathered while everything comes again. */
export interface Comparison {
  /** Takes note of an event that the server has. */
  noteEvent(event: NostrEvent): void
  /** Takes note of content that the server has. */
  noteUpdate(update: RemoteUpdate): void
  /** Queues everything that the server lacks. Content is compared, so nothing is doubled. */
  queueMissing(): Promise<void>
}

export interface ComparisonOptions {
  readonly pubkey: string
  readonly documents: Documents
  readonly outbox: Outbox
  readonly limits: Limits
}

/** The update of an empty document: carries decisions about members and no content. */
const EMPTY_UPDATE = Y.encodeStateAsUpdate(new Y.Doc())

export function createComparison({ pubkey, documents, outbox, limits }: ComparisonOptions): Comparison {
  const serverDocs = new Map<string, Y.Doc>()
  /** What the server knows to be decided about members, by document. */
  const rosters = new Map<string, Roster>()
  const eventIds = new Set<string>()

  /** Whether something that this account decided about members got lost with the server's data. */
  function lacksDecisions(address: string, roster: Roster): boolean {
    const onServer = rosters.get(address) ?? EMPTY_ROSTER
    const isOwn = parseAddress(address)?.owner === pubkey
    return isOwn && !isSameRoster(onServer, joinRoster(onServer, { ...roster, isDated: true }))
  }

  /** Whether the server has what an event brought; merged states don't name events. */
  function hasContent(event: NostrEvent): boolean {
    const serverDoc = isDocumentKind(event.kind) ? serverDocs.get(laneOf(event)) : undefined
    return (
      serverDoc !== undefined && containsUpdate(serverDoc, decodeUpdateEvent(event, limits).framed.update)
    )
  }

  function laneOf(event: NostrEvent): string {
    const { kind, owner, identifier } = decodeUpdateEvent(event, limits).address
    return `${kind}:${owner}:${identifier}`
  }

  return {
    noteEvent({ id }) {
      eventIds.add(id)
    },
    noteUpdate({ address, updates, statement }) {
      const doc = getOrCreate(serverDocs, address, () => new Y.Doc())
      for (const update of updates) applyUpdate(doc, update)
      if (statement !== undefined)
        rosters.set(address, joinRoster(rosters.get(address) ?? EMPTY_ROSTER, statement))
    },
    async queueMissing() {
      for (const { address, roster, body } of documents.list()) {
        // What isn't here says nothing of what the server lacks (SPEC HLD8).
        if (!isHere(body)) continue
        const serverDoc = serverDocs.get(address) ?? new Y.Doc()
        const missing =
          (await documents.missingOn(serverDoc, address)) ??
          (lacksDecisions(address, roster) ? EMPTY_UPDATE : undefined)
        if (missing === undefined) continue
        outbox.dropPending(address)
        documents.sendAgain(address, missing)
      }
      for (const entry of outbox.savedEntries()) {
        const isLost = (event: NostrEvent) => !eventIds.has(event.id) && !hasContent(event)
        if (eventsOf(entry).some(isLost)) outbox.restage(entry)
      }
      await documents.journal.flush()
    },
  }
}
