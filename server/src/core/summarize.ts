import { type DocumentSummary, MAX_SUMMARY_TITLE_LENGTH } from '@onyx-sync/shared'
import * as Y from 'yjs'

/** Reads as little of a document as a list shows, and trusts nothing in it: anybody may have written it. */
export function summarize(address: string, doc: Y.Doc): DocumentSummary {
  const metadata = doc.getMap<unknown>('metadata')
  const title = metadata.get('title')
  const createdAt = timeOf(metadata.get('createdAt'))
  const ids = new Set<string>()
  let lastActivity = createdAt
  for (const item of doc.getArray<unknown>('messages')) {
    const id = item instanceof Y.Map ? item.get('id') : undefined
    // As devices show it: of several items with one id the first counts, and what has no id is no message.
    if (typeof id !== 'string' || id === '' || ids.has(id)) continue
    ids.add(id)
    lastActivity = Math.max(lastActivity, timeOf((item as Y.Map<unknown>).get('createdAt')))
  }
  return {
    address,
    title: typeof title === 'string' ? cut(title) : '',
    createdAt,
    lastActivity,
    messages: ids.size,
    bytes: Y.encodeStateAsUpdate(doc).byteLength,
    archived: metadata.get('archived') === true,
    deleted: Number.isFinite(metadata.get('deletedAt')),
  }
}

function timeOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

/** Not between the halves of a surrogate pair. */
function cut(title: string): string {
  if (title.length <= MAX_SUMMARY_TITLE_LENGTH) return title
  const last = title.charCodeAt(MAX_SUMMARY_TITLE_LENGTH - 1)
  const isHigh = last >= 0xd800 && last <= 0xdbff
  return title.slice(0, isHigh ? MAX_SUMMARY_TITLE_LENGTH - 1 : MAX_SUMMARY_TITLE_LENGTH)
}
