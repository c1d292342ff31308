import { DEFAULT_LIMITS, decodeUpdateEvent, formatAddress, type NostrEvent } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { TestKey } from '../support/events.js'
import { addressOfCell, type Look } from './device-model.js'
import { BrokenPromise } from './plan.js'
import { openWire } from './wire.js'

/** What the server's log comes to, read plainly and merged by Yjs alone. */
export interface ServerView {
  readonly documents: ReadonlyMap<string, Y.Doc>
  readonly look: Look
  /** Messages of a chat in order, as `[id, text]`. */
  messagesOf(address: string): [string, string][]
  readonly events: number
}

/** Reads the whole log of what the keys may see, or of some chats only (and all settings). */
export async function viewServer(
  url: string,
  keys: readonly TestKey[],
  chatIds?: readonly string[],
): Promise<ServerView> {
  const wire = await openWire(url, ...keys)
  const chats = { kinds: [30001], ...(chatIds === undefined ? {} : { '#d': chatIds }) }
  const log = await wire.fetch(chats, { kinds: [10001] })
  wire.cut()
  return mergeLog(log)
}

function mergeLog(log: readonly NostrEvent[]): ServerView {
  const documents = new Map<string, Y.Doc>()
  const spans = new Map<string, { from: number; to: number; event: string }[]>()
  const ids = new Set<string>()
  for (const event of log) {
    if (ids.has(event.id)) throw new BrokenPromise('CRS1', `the log has ${event.id} twice`)
    ids.add(event.id)
    const decoded = decodeUpdateEvent(event, DEFAULT_LIMITS)
    const address = formatAddress(decoded.address)
    const doc = documents.get(address) ?? new Y.Doc()
    documents.set(address, doc)
    Y.applyUpdate(doc, decoded.framed.update)
    // A checkpoint repeats what was written, on purpose.
    if (decoded.framed.checkpoint) continue
    for (const { id, length } of Y.decodeUpdate(decoded.framed.update).structs) {
      const key = `${address} ${id.client}`
      const list = spans.get(key) ?? []
      list.push({ from: id.clock, to: id.clock + length, event: event.id })
      spans.set(key, list)
    }
  }
  checkOnce(spans)
  const messages = new Map<string, [string, string][]>()
  const messagesOf = (address: string) => {
    const known = messages.get(address) ?? readMessages(documents.get(address))
    messages.set(address, known)
    return known
  }
  const byId = new Map<string, Map<string, string>>()
  return {
    documents,
    events: log.length,
    messagesOf,
    look(cell) {
      const address = addressOfCell(cell)
      const name = cell.slice(address.length + 1)
      if (address.startsWith('10001:')) {
        return (documents.get(address)?.getMap('preferences').get(name) as string | undefined) ?? null
      }
      const texts = byId.get(address) ?? new Map(messagesOf(address))
      byId.set(address, texts)
      return texts.get(name) ?? null
    },
  }
}

/** No edit was signed twice: a resend is the same event, never a new one with the same content. */
function checkOnce(spans: ReadonlyMap<string, { from: number; to: number; event: string }[]>): void {
  for (const [key, list] of spans) {
    list.sort((a, b) => a.from - b.from)
    for (const [index, { from, event }] of list.entries()) {
      const before = list[index - 1]
      if (before === undefined || before.to <= from) continue
      throw new BrokenPromise('C2', `${event} and ${before.event} both bring ${key} from ${from}`)
    }
  }
}

function readMessages(doc: Y.Doc | undefined): [string, string][] {
  const list = (doc?.getArray('messages').toJSON() ?? []) as { id: string; content: string }[]
  const messages = list.map(({ id, content }): [string, string] => [id, content])
  if (new Map(messages).size < messages.length) {
    const ids = messages.map(([id]) => id)
    const doubled = ids.find((id, index) => ids.indexOf(id) !== index)
    throw new BrokenPromise('CRS3', `a message is there twice: ${doubled}`)
  }
  return messages
}
