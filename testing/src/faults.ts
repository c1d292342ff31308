import type { Connection, ConnectionHandlers, SyncStore, Transport } from '@onyx-sync/client'
import type { Commit, DocumentRecord, EventLog } from '@onyx-sync/server'
import {
  applyUpdate,
  DEFAULT_LIMITS,
  decodeUpdateEvent,
  type FramedUpdate,
  hasReceived,
  KIND,
  type NostrEvent,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import { createQuickKey } from './quick-keys.js'
import type { WorldFault } from './world.js'

/**
 * Mistakes that sync engines have really made, each put into a healthy world on purpose. That the simulation
 * finds every one of them within a few hundred seeds is what its silence about the real code is worth.
 */
export const KNOWN_FAULTS: readonly WorldFault[] = [
  {
    name: 'catch-up-by-since',
    summary: 'a device asks for events since the newest time it has seen, and misses those of slower clocks',
    wrapTransport: catchUpBySince(),
  },
  {
    name: 'join-after-reading',
    summary:
      'the server joins the live feed only after it has read the log: what lands between is never sent',
    wrapHub: (hub, { clock }) => ({
      ...hub,
      join: (subscriber) => void clock.setTimeout(() => hub.join(subscriber), 50),
    }),
  },
  {
    name: 'two-in-flight',
    summary: 'two events of one document are under way: the second is stored while the first is put off',
    inFlightPerDocument: 2,
  },
  {
    name: 'ok-before-write',
    summary: 'OK true is said before the event is on disk',
    wrapTransport: (transport) =>
      wrapConnection(transport, (connection, handlers) => ({
        ...connection,
        send(text) {
          connection.send(text)
          const [type, event] = JSON.parse(text) as [string, NostrEvent]
          if (type === 'EVENT')
            queueMicrotask(() => handlers.onMessage(JSON.stringify(['OK', event.id, true, ''])))
        },
      })),
  },
  {
    name: 'question-closed-unanswered',
    summary:
      'a device closes what it asks for a sign of life before it is answered, and waits for the answer',
    wrapTransport: (transport) =>
      wrapConnection(transport, (connection) => ({
        ...connection,
        send(text) {
          connection.send(text)
          if (text.startsWith('["REQ","ping"')) connection.send('["CLOSE","ping"]')
        },
      })),
  },
  {
    name: 'persist-what-the-doc-emits',
    summary:
      'a device stores what its Y.Doc emits: an update that waits for another emits nothing and is lost',
    wrapStore: persistEmitted,
  },
  {
    name: 'resend-with-new-signature',
    summary: 'an edit that was not answered is signed anew and sent as another event',
    wrapTransport: resignResends(),
  },
  {
    name: 'cursor-before-apply',
    summary: 'the cursor is stored before what it covers',
    wrapStore: (store) => ({
      ...store,
      async commit(batch) {
        if (batch.meta?.cursor === undefined) return store.commit(batch)
        const { meta, ...rest } = batch
        await store.commit({ meta })
        // Some other work in between, each as long as a write.
        for (let count = 0; count < 5; count++) await store.commit({})
        await store.commit(rest)
      },
    }),
  },
  {
    name: 'state-before-check',
    summary: 'a merged state is applied before anybody looked whether the server signed it',
    wrapVerifier: (verifier) => ({
      ...verifier,
      verify(event) {
        if (event.kind !== KIND.state) verifier.verify(event)
      },
    }),
  },
  {
    name: 'checkpoint-without-deletions',
    summary:
      'a checkpoint replaces whatever its state vector covers: a deletion that it lacks is lost with its event',
    contains(state, update) {
      for (const [client, clock] of Y.parseUpdateMeta(update).to) {
        if (clock > Y.getState(state.store, client)) return false
      }
      return true
    },
  },
  {
    name: 'supersede-before-write',
    summary: 'what a checkpoint replaces is deleted in a commit before the one that stores the checkpoint',
    wrapLog: supersedeBeforeWrite,
  },
  {
    name: 'checkpoint-for-repetition',
    summary:
      'a checkpoint counts as what readers have, also for one that was reading what it took out of the log',
    wrapLog: takeForRepetition,
  },
  {
    name: 'failed-write-untold',
    summary: 'what a failed write put on the disk nevertheless is not told to those who are connected',
    wrapHub: (hub) => ({ ...hub, untold() {} }),
  },
  {
    name: 'lost-merging-unnoticed',
    summary: 'the server goes on with documents that what merges has lost when it ended',
    wrapMerger: (merger) => ({ ...merger, generation: 0 }),
  },
  {
    name: 'no-upkeep',
    summary: 'nothing is ever compacted, on devices or on the server',
    upkeep: { checkpoints: false, compaction: { minBytes: 1_000_000 } },
  },
  {
    name: 'interrupted-unmarked',
    summary:
      'a reply that a device was writing when its process ended looks for ever as if it were being written',
    scenario: 'using',
    wrapStore: (store) => ({
      ...store,
      loadRows: async (table, where) => (where?.equals === 'streaming' ? [] : store.loadRows(table, where)),
    }),
  },
  {
    name: 'tombstone-forgotten',
    summary: 'a chat that was deleted for good is taken again from a device that was offline',
    scenario: 'deleting',
    wrapLog: forgetTombstones,
  },
  {
    name: 'no-fsync',
    summary: "the server's disk calls written what a power cut loses",
    serverSyncDelayMs: 2_000,
  },
]

function supersedeBeforeWrite(log: EventLog): EventLog {
  const commit: EventLog['commit'] = async ({ superseded = [], ...rest }) => {
    if (superseded.length > 0) {
      await log.commit({ events: [], documents: [], grants: [], revocations: [], superseded })
    }
    await log.commit(rest)
  }
  // Not spread: its head and its epochs have to stay those of the log underneath.
  return Object.assign(Object.create(log) as EventLog, { commit })
}

function takeForRepetition(log: EventLog): EventLog {
  async function stateOf(address: string): Promise<Y.Doc> {
    const doc = new Y.Doc()
    for await (const page of log.documentLog(address, 0, log.head)) {
      for (const json of await log.load(page.map(({ seq }) => seq)))
        if (json !== undefined) applyUpdate(doc, framedIn(json).update)
    }
    return doc
  }
  async function recordOf(record: DocumentRecord, { events }: Commit): Promise<DocumentRecord> {
    const [before] = await log.documents([record.address])
    const own = events.filter(({ address }) => address === record.address)
    if (before === undefined || before.rosterSeq !== record.rosterSeq) return record
    const state = await stateOf(record.address)
    const isRepetition = own.every(({ json }) => {
      const { checkpoint, update } = framedIn(json)
      return checkpoint && hasReceived(state, update)
    })
    return isRepetition ? { ...record, contentSeq: before.contentSeq } : record
  }
  const commit: EventLog['commit'] = async (commit) => {
    const isReplacing = (commit.superseded ?? []).length > 0
    const documents = isReplacing
      ? await Promise.all(commit.documents.map((record) => recordOf(record, commit)))
      : commit.documents
    await log.commit({ ...commit, documents })
  }
  return Object.assign(Object.create(log) as EventLog, { commit })
}

function framedIn(json: string): FramedUpdate {
  return decodeUpdateEvent(JSON.parse(json) as NostrEvent, DEFAULT_LIMITS).framed
}

function forgetTombstones(log: EventLog): EventLog {
  const documents: EventLog['documents'] = async (addresses) =>
    (await log.documents(addresses)).map((record) => (record?.deleted === undefined ? record : undefined))
  return Object.assign(Object.create(log) as EventLog, { documents })
}

function wrapConnection(
  transport: Transport,
  wrap: (connection: Connection, handlers: ConnectionHandlers) => Connection,
  wrapHandlers: (handlers: ConnectionHandlers) => ConnectionHandlers = (handlers) => handlers,
): Transport {
  return {
    ...transport,
    dial(url, handlers) {
      const wrapped = wrapHandlers(handlers)
      return wrap(transport.dial(url, wrapped), handlers)
    },
  }
}

function catchUpBySince(): NonNullable<WorldFault['wrapTransport']> {
  const newestSeen = new Map<string, number>()
  return (transport, { name }) =>
    wrapConnection(
      transport,
      (connection) => ({
        ...connection,
        send(text) {
          const [type, id, filter] = JSON.parse(text) as [string, string, Record<string, unknown>]
          if (type !== 'REQ' || filter.after === undefined) return connection.send(text)
          const since = newestSeen.get(name) ?? 0
          connection.send(JSON.stringify([type, id, { kinds: filter.kinds, since }]))
        },
      }),
      (handlers) => ({
        ...handlers,
        onMessage(text) {
          const [type, , event] = JSON.parse(text) as [string, string, NostrEvent]
          if (type === 'EVENT') newestSeen.set(name, Math.max(newestSeen.get(name) ?? 0, event.created_at))
          handlers.onMessage(text)
        },
      }),
    )
}

function resignResends(): NonNullable<WorldFault['wrapTransport']> {
  const sent = new Set<string>()
  return (transport, { account }) => {
    const key = createQuickKey(account)
    const originalIds = new Map<string, string>()
    return wrapConnection(
      transport,
      (connection) => ({
        ...connection,
        send(text) {
          const [type, event] = JSON.parse(text) as [string, NostrEvent]
          if (type !== 'EVENT') return connection.send(text)
          if (!sent.has(event.id)) {
            sent.add(event.id)
            return connection.send(text)
          }
          void key.signer.signEvent({ ...event, created_at: event.created_at + 1 }).then((again) => {
            originalIds.set(again.id, event.id)
            connection.send(JSON.stringify(['EVENT', again]))
          })
        },
      }),
      (handlers) => ({
        ...handlers,
        onMessage(text) {
          const message = JSON.parse(text) as [string, string, ...unknown[]]
          const original = message[0] === 'OK' ? originalIds.get(message[1]) : undefined
          handlers.onMessage(
            original === undefined ? text : JSON.stringify(['OK', original, ...message.slice(2)]),
          )
        },
      }),
    )
  }
}

function persistEmitted(store: SyncStore): SyncStore {
  const docs = new Map<string, Y.Doc>()
  async function docOf(address: string): Promise<Y.Doc> {
    let doc = docs.get(address)
    if (doc === undefined) {
      doc = new Y.Doc()
      for (const { update } of await store.loadUpdates(address)) applyUpdate(doc, update)
      docs.set(address, doc)
    }
    return doc
  }
  return {
    ...store,
    async commit(batch) {
      const emitted = []
      for (const stored of batch.updates ?? []) {
        const doc = await docOf(stored.address)
        let update: Uint8Array | undefined
        const note = (bytes: Uint8Array) => {
          update = bytes
        }
        doc.on('update', note)
        applyUpdate(doc, stored.update)
        doc.off('update', note)
        const isLocal = batch.outboxPut?.some((entry) => entry.seq === stored.seq) === true
        if (isLocal) emitted.push(stored)
        else if (update !== undefined) emitted.push({ ...stored, update })
      }
      await store.commit({ ...batch, updates: emitted })
    },
  }
}
