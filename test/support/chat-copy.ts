import { DEFAULT_LIMITS, decodeContent, type NostrEvent } from '@onyx-sync/shared'
import * as Y from 'yjs'

/** A copy of a chat on somebody's device, with a client id of its own. */
export function copyOf(...updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

/** Changes a document and returns the update of just that. */
export function change(doc: Y.Doc, edit: (messages: Y.Array<unknown>) => void): Uint8Array {
  const updates: Uint8Array[] = []
  const note = (update: Uint8Array) => updates.push(update)
  doc.on('update', note)
  doc.transact(() => edit(doc.getArray('messages')))
  doc.off('update', note)
  return Y.mergeUpdates(updates)
}

/** Appends a text and returns the update of just that. */
export function append(doc: Y.Doc, text: string): Uint8Array {
  return change(doc, (messages) => messages.push([text]))
}

/** The Yjs update that an event carries. */
export function updateOf({ content, tags }: NostrEvent): Uint8Array {
  const isDeflated = tags.find((tag) => tag[0] === 'encoding')?.[2] === 'deflate'
  return decodeContent(content, isDeflated ? 'yjs+deflate' : 'yjs', DEFAULT_LIMITS).update
}

/** What a plain reader has after applying all events it got. */
export function mergedFrom(events: readonly NostrEvent[]): Y.Doc {
  return copyOf(...events.map(updateOf))
}
