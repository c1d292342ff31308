import {
  applyUpdate,
  containsUpdate,
  createStateTemplate,
  type Deflate,
  hasPending,
  hasSameBytes,
  type Inflate,
  joinUpdates,
  mergeUpdates,
  type NostrEvent,
  SyncError,
  splitUpdate,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { DocumentContent } from '../ports/document-content.js'
import type { HeldSize, MergeWork } from '../ports/merger.js'
import { decodeContentOf } from './check-event.js'
import { mergeInto, mergeTogether } from './merging.js'
import { piecesOf } from './state-pieces.js'
import { UNBOUNDED, updateOfStored } from './stored-events.js'
import { summarize } from './summarize.js'
import { costsAtMost } from './wire-cost.js'

export interface MergeWorkOptions {
  /** Whether a document holds all of an update. For simulations that break it. @default vector and deletions */
  readonly contains?: ((doc: Y.Doc, update: Uint8Array) => boolean) | undefined
  /** @default JavaScript's */
  readonly deflate?: Deflate | undefined
  /** Undoes the DEFLATE of what has been stored. @default JavaScript's */
  readonly inflate?: Inflate | undefined
}

/** Holds documents and works on them, here and now: each call takes as long as it takes. */
export function createMergeWork(options: MergeWorkOptions = {}): MergeWork {
  const { contains = containsUpdate, deflate, inflate } = options
  const docs = new Map<number, Y.Doc>()
  const joins = new Map<number, { readonly contents: DocumentContent[]; bytes: number }>()

  function find(id: number): Y.Doc {
    const doc = docs.get(id)
    if (doc === undefined) throw new Error(`there is no document ${id}`)
    return doc
  }

  /** The update of a stored event. */
  function updateOf(json: string): Uint8Array {
    return updateOfStored(JSON.parse(json) as NostrEvent, inflate)
  }

  return {
    load(id, state) {
      const doc = new Y.Doc()
      if (state !== undefined) refusing(() => mergeInto(doc, state))
      docs.set(id, doc)
      return sizeOf(doc)
    },

    apply(id, events) {
      const doc = find(id)
      const failed: { index: number; error: string }[] = []
      let bytes = 0
      mergeTogether(doc, () => {
        for (const [index, json] of events.entries()) {
          try {
            const update = updateOf(json)
            // Counted as it is unfolded: what was sent may have been a thousandth of it.
            bytes += update.byteLength
            applyUpdate(doc, update)
          } catch (error) {
            failed.push({ index, error: String(error) })
          }
        }
      })
      return { ...sizeOf(doc), bytes, failed }
    },

    state(id, { from, maxWireBytes }) {
      const doc = find(id)
      // Who gets what waits for something missing would wait, too; the log may say more one day.
      if (hasPending(doc)) return undefined
      const updates =
        from === undefined ? piecesOf(doc) : [Y.encodeStateAsUpdate(doc, vectorFor(doc, new Map(from)))]
      return maxWireBytes === undefined || costsAtMost(updates, maxWireBytes, deflate) ? updates : undefined
    },

    union(events, maxWireBytes) {
      try {
        const update = joinUpdates(events.map(updateOf))
        return costsAtMost([update], maxWireBytes, deflate) ? update : undefined
      } catch {
        return undefined
      }
    },

    fits: (updates, maxWireBytes) => costsAtMost(updates, maxWireBytes, deflate),

    summary: (id, address) => summarize(address, find(id)),

    compare(id, address, update, earlier) {
      const state = Y.encodeStateAsUpdate(find(id))
      return refusing(() => {
        const before = new Y.Doc()
        mergeInto(before, [state, ...earlier])
        const bringsNews = !containsUpdate(before, update)
        const newWriters = writersBeyond(before, update)
        const reversed = new Y.Doc()
        mergeInto(reversed, [update, Y.encodeStateAsUpdate(before)])
        mergeInto(before, [update])
        if (!hasPending(before) && !hasSameBytes(before, reversed)) {
          throw new SyncError(
            'UPDATE_INVALID',
            `the update contradicts what ${address} holds under the same client ids and clocks: load the document anew`,
          )
        }
        return { bringsNews, newWriters }
      })
    },

    contains: (id, updates) => updates.every((update) => contains(find(id), update)),

    containsEach(id, events) {
      const doc = find(id)
      return events.map((json) => {
        try {
          return contains(doc, updateOf(json))
        } catch (error) {
          return String(error)
        }
      })
    },

    drop(id) {
      docs.get(id)?.destroy()
      docs.delete(id)
    },

    lowestClocks(events) {
      const lowest = new Map<number, number>()
      for (const json of events) {
        for (const struct of Y.decodeUpdate(updateOf(json)).structs) {
          if (struct instanceof Y.Skip) continue
          const { client, clock } = struct.id
          lowest.set(client, Math.min(clock, lowest.get(client) ?? clock))
        }
      }
      return [...lowest]
    },

    decode: decodeContentOf,

    gather(id, event, maxBytes) {
      const join = joins.get(id) ?? { contents: [], bytes: 0 }
      joins.set(id, join)
      const { content } = decodeContentOf(event, UNBOUNDED)
      join.bytes += content.framed.update.byteLength
      if (join.bytes > maxBytes) {
        throw new SyncError('TOO_LARGE', `the parts of an edit unfold to ${maxBytes} bytes at most`)
      }
      join.contents.push(content)
    },

    join(id) {
      const contents = joins.get(id)?.contents ?? []
      joins.delete(id)
      return joinContents(contents)
    },

    scatter: (id) => void joins.delete(id),

    stateTemplate: (input) => createStateTemplate(input, deflate),
    split: splitUpdate,
  }
}

function sizeOf(doc: Y.Doc): HeldSize {
  let structs = 0
  for (const list of doc.store.clients.values()) structs += list.length
  return { structs, isPending: hasPending(doc) }
}

/**
 * What Yjs makes of an update that somebody sent. What it throws, such as at types nested without end, is the
 * update's fault and refuses it; taken for a failure of ours it would refuse all that others sent in the same batch.
 */
function refusing<T>(merge: () => T): T {
  try {
    return merge()
  } catch (cause) {
    if (cause instanceof SyncError) throw cause
    throw new SyncError('UPDATE_INVALID', 'the update can not be merged with its document', { cause })
  }
}

/** What the parts of an edit bring together. */
function joinContents(contents: readonly DocumentContent[]): DocumentContent {
  const [first] = contents
  if (first === undefined) throw new Error('nothing was gathered')
  return {
    address: first.address,
    framed: {
      update: mergeUpdates(contents.map(({ framed }) => framed.update)),
      checkpoint: contents.every(({ framed }) => framed.checkpoint),
    },
    clientIds: [...new Set(contents.flatMap(({ clientIds }) => clientIds))],
    part: undefined,
  }
}

/** A state vector that leaves out of an encoding what a reader has. */
function vectorFor(doc: Y.Doc, lowest: ReadonlyMap<number, number>): Uint8Array {
  const vector = new Map<number, number>()
  for (const client of doc.store.clients.keys()) {
    vector.set(client, lowest.get(client) ?? Y.getState(doc.store, client))
  }
  return Y.encodeStateVector(vector)
}

/** Client ids under which an update goes beyond what a document has. */
function writersBeyond(doc: Y.Doc, update: Uint8Array): number[] {
  const found = new Set<number>()
  for (const struct of Y.decodeUpdate(update).structs) {
    if (struct instanceof Y.Skip) continue
    const { client, clock } = struct.id
    if (clock + struct.length > Y.getState(doc.store, client)) found.add(client)
  }
  return [...found]
}
