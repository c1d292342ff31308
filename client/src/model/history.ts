import { applyUpdate } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { LoggedEdit } from '../core/document-log.js'
import { isSameJson, type JsonValue } from './json.js'
import { type Message, messageToJson, readMessages } from './message.js'

/** What an edit did to a chat. */
export type HistoryChange =
  | {
      readonly type: 'added'
      readonly messageId: string
      readonly after: Message
      /** Who wrote it; where it came with a checkpoint as `chats.authorOf` says it, undefined where nobody can tell. */
      readonly author: string | undefined
    }
  | { readonly type: 'edited'; readonly messageId: string; readonly before: Message; readonly after: Message }
  | {
      readonly type: 'deleted'
      readonly messageId: string
      readonly before: Message
      /** The message that stood before it; undefined where it was the first. */
      readonly previousId: string | undefined
    }
  /** Title, archived and deleted, model, and whatever else is in the chat's metadata; undefined where there was none. */
  | {
      readonly type: 'metadata'
      readonly key: string
      readonly before: JsonValue | undefined
      readonly after: JsonValue | undefined
    }

/** One edit of a chat, or several that were sent as one. */
export interface HistoryEntry {
  /** Id of the signed event; empty for what is on this device only. */
  readonly eventId: string
  /** Who: 64 lower-case hex characters. */
  readonly author: string
  /** When, by the author's clock. Milliseconds since the Unix epoch. */
  readonly at: number
  /** Whether it stands for everything before it, which can't be told apart any more. */
  readonly isCheckpoint: boolean
  readonly changes: readonly HistoryChange[]
  /** The chat's messages as they were after it. */
  readonly messages: readonly Message[]
  readonly title: string
}

/** What is left of a chat's history, oldest first. */
export type ChatHistory = readonly HistoryEntry[]

export interface HistoryParts {
  readonly edits: readonly LoggedEdit[]
  /** The chat as it is on this device, with what is not sent yet. */
  readonly state: Uint8Array
  readonly pubkey: string
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  /** Keys by the Yjs client ids under which they wrote, as far as they are known. */
  readonly authors: ReadonlyMap<number, string>
}

/**
 * Replays a chat's log. In the order of the authors' clocks, as far as it goes: an edit that builds on another comes after
 * it, whatever their clocks say. An edit that changes nothing that is shown has no entry.
 */
export function createHistory({ edits, state, pubkey, now, authors }: HistoryParts): ChatHistory {
  const doc = new Y.Doc()
  const entries: HistoryEntry[] = []
  let shown = look(doc)

  function apply(edit: Omit<LoggedEdit, 'createdAt'> & { readonly at: number }): void {
    applyUpdate(doc, edit.update)
    const after = look(doc)
    // A checkpoint repeats what others wrote.
    const authorOf = (messageId: string) =>
      edit.isCheckpoint ? authors.get(after.clientIds.get(messageId) ?? -1) : edit.author
    const changes = compare(shown, after, authorOf)
    shown = after
    if (changes.length === 0) return
    const { eventId, author, at, isCheckpoint } = edit
    const title = typeof after.metadata.title === 'string' ? after.metadata.title : ''
    entries.push({
      eventId,
      author,
      at,
      isCheckpoint,
      changes,
      messages: [...after.messages.values()],
      title,
    })
  }

  for (const edit of inCausalOrder(edits)) apply({ ...edit, at: edit.createdAt * 1000 })
  apply({ eventId: '', author: pubkey, at: now, isCheckpoint: false, update: state })
  return entries
}

/**
 * Each edit after what it builds on: one that would wait is put off until that has come, and no longer, so that nothing
 * later gets before it. Edits of one second come in any order.
 */
function inCausalOrder(edits: readonly LoggedEdit[]): LoggedEdit[] {
  const known = new Map<number, number>()
  const ordered: LoggedEdit[] = []
  const waiting: { readonly edit: LoggedEdit; readonly needs: Needs }[] = []

  function take(edit: LoggedEdit, { needed, brought }: Needs): boolean {
    if ([...needed].some(([client, clock]) => clock > (known.get(client) ?? 0))) return false
    for (const [client, end] of brought) known.set(client, Math.max(known.get(client) ?? 0, end))
    ordered.push(edit)
    return true
  }

  for (const edit of edits) {
    const needs = needsOf(edit.update)
    if (!take(edit, needs)) {
      waiting.push({ edit, needs })
      continue
    }
    for (let at = 0; at < waiting.length; ) {
      const earlier = waiting[at] as (typeof waiting)[number]
      if (take(earlier.edit, earlier.needs)) {
        waiting.splice(at, 1)
        at = 0
      } else at++
    }
  }
  // What lacks something that isn't in the log any more comes last.
  return [...ordered, ...waiting.map(({ edit }) => edit)]
}

interface Needs {
  readonly needed: ReadonlyMap<number, number>
  readonly brought: ReadonlyMap<number, number>
}

/** Up to which clock, by client id, an update needs others' structs, and up to which it brings some. */
function needsOf(update: Uint8Array): Needs {
  const { structs, ds } = Y.decodeUpdate(update)
  const starts = new Map<number, number>()
  const brought = new Map<number, number>()
  for (const { id, length } of structs) {
    if (!starts.has(id.client)) starts.set(id.client, id.clock)
    brought.set(id.client, id.clock + length)
  }
  const needed = new Map(starts)
  const need = (client: number, clock: number) => {
    // What comes in the update itself is there when it is needed.
    const start = starts.get(client)
    if (start !== undefined && clock > start) return
    needed.set(client, Math.max(needed.get(client) ?? 0, clock))
  }
  for (const struct of structs) {
    if (!(struct instanceof Y.Item)) continue
    const { origin, rightOrigin, parent } = struct
    for (const id of [origin, rightOrigin, parent]) if (id instanceof Y.ID) need(id.client, id.clock + 1)
  }
  for (const [client, ranges] of ds.clients) for (const { clock, len } of ranges) need(client, clock + len)
  return { needed, brought }
}

interface Shown {
  readonly messages: ReadonlyMap<string, Message>
  readonly metadata: Readonly<Record<string, JsonValue>>
  /** Yjs client ids under which messages were written, by message. */
  readonly clientIds: ReadonlyMap<string, number>
}

function look(doc: Y.Doc): Shown {
  const messages = new Map<string, Message>()
  const clientIds = new Map<string, number>()
  for (const [id, map] of readMessages(doc.getArray('messages'))) {
    messages.set(id, messageToJson(map))
    if (map._item !== null) clientIds.set(id, map._item.id.client)
  }
  return { messages, clientIds, metadata: doc.getMap('metadata').toJSON() as Record<string, JsonValue> }
}

function compare(
  before: Shown,
  after: Shown,
  authorOf: (messageId: string) => string | undefined,
): HistoryChange[] {
  const changes: HistoryChange[] = []
  let previousId: string | undefined
  for (const [messageId, message] of before.messages) {
    const now = after.messages.get(messageId)
    if (now === undefined) changes.push({ type: 'deleted', messageId, before: message, previousId })
    else if (!isSameJson(message, now))
      changes.push({ type: 'edited', messageId, before: message, after: now })
    previousId = messageId
  }
  for (const [messageId, message] of after.messages) {
    if (!before.messages.has(messageId))
      changes.push({ type: 'added', messageId, after: message, author: authorOf(messageId) })
  }
  for (const key of new Set([...Object.keys(before.metadata), ...Object.keys(after.metadata)])) {
    const [old, now] = [before.metadata[key], after.metadata[key]]
    if (!isSameJson(old, now)) changes.push({ type: 'metadata', key, before: old, after: now })
  }
  return changes
}
