import * as Y from 'yjs'
import type { FoundMessage } from './model.js'

/** Equal for two documents that hold the same: state vector and deletions. */
export function fingerprint(doc: Y.Doc): string {
  const snapshot = Y.snapshot(doc)
  const vector = [...snapshot.sv].sort(([a], [b]) => a - b)
  const deleted = [...snapshot.ds.clients]
    .sort(([a], [b]) => a - b)
    .map(([client, ranges]) => [client, ranges.map(({ clock, len }) => [clock, len])])
  return JSON.stringify([
    vector,
    deleted,
    readMessages(doc),
    sortedEntries(doc.getMap('metadata')),
    sortedEntries(doc.getMap('preferences')),
  ])
}

/** The order of a Y.Map's keys is no part of its state. */
function sortedEntries(map: Y.Map<unknown>): unknown {
  return Object.entries(map.toJSON()).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The messages of a chat, as a reader of the document sees them. */
export function readMessages(doc: Y.Doc): FoundMessage[] {
  return doc
    .getArray<Y.Map<unknown>>('messages')
    .toArray()
    .map((item) => ({
      id: String(item.get('id')),
      content: String(item.get('content')),
      status: String(item.get('status')),
    }))
}
