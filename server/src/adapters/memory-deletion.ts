import type { MemoryTables } from './memory-entries.js'

/** Takes everything of a document out of a log in memory but its record. Feeds keep positions that are empty. */
export function forgetDocument(tables: MemoryTables, address: string): void {
  const { events, seqById, documentLogs, supersededIds, writers, held, states, summaries } = tables
  for (const seq of documentLogs.get(address) ?? []) {
    const event = events[seq - 1]
    if (event !== undefined) seqById.delete(event.id)
    events[seq - 1] = undefined
  }
  documentLogs.delete(address)
  for (const id of supersededIds.get(address) ?? []) seqById.delete(id)
  supersededIds.delete(address)
  for (const key of writers.keys()) if (key.slice(key.indexOf(' ') + 1) === address) writers.delete(key)
  for (const [key, part] of held) {
    if (part.address !== address) continue
    held.delete(key)
    seqById.delete(part.id)
  }
  states.delete(address)
  summaries.delete(address)
}
