import { hasPending, KIND, parseAddress } from '@onyx-sync/shared'
import type * as Y from 'yjs'
import type { RowChange } from '../core/journal.js'
import type { CreateProjection, Projection } from '../core/loaded-documents.js'
import type { QueryRow, QueryTable, SyncStore } from '../ports/store.js'
import { createListTail } from './list-tail.js'
import { messageId, messageToJson, readMessages } from './message.js'
import { fitRow, toJsonText } from './message-row.js'

/** The projection that fits a document's kind: chats to `chats` and `messages`, settings to `settings`. */
export const createProjection: CreateProjection = (address, doc, stale) =>
  parseAddress(address)?.kind === KIND.settings
    ? createSettingsProjection(address, doc, stale)
    : createChatProjection(address, doc, stale)

/** Rows of one table that are on disk, by id, with what tells whether they must be written again. */
type KnownRows = Map<string, string>

async function loadKnown(
  load: SyncStore['loadRows'],
  table: QueryTable,
  address: string,
): Promise<KnownRows> {
  const rows = await load(table, { column: 'address', equals: address })
  // Nothing is equal to the empty mark: every row is written again.
  return new Map(rows.map((row) => [row.id, '']))
}

function createSettingsProjection(address: string, doc: Y.Doc, stale: boolean): Projection {
  const sections = ['preferences', 'features'] as const
  let isStale = stale
  let isChanged = stale
  for (const section of sections) {
    doc.getMap(section).observeDeep(() => {
      isChanged = true
    })
  }

  function rows(): QueryRow[] {
    return sections.flatMap((section) =>
      Object.entries(doc.getMap(section).toJSON()).map(([key, value]) => ({
        id: `${address}/${section}/${key}`,
        address,
        section,
        key,
        value: toJsonText(value),
      })),
    )
  }
  let known: KnownRows = new Map()

  return {
    *adopt() {
      known = new Map(rows().map((row) => [row.id, String(row.value)]))
    },
    get isStale() {
      return isStale
    },
    invalidate() {
      isStale = true
    },
    async reset(load) {
      known = await loadKnown(load, 'settings', address)
      isStale = false
      isChanged = true
    },
    take() {
      if (!isChanged || isStale || hasPending(doc)) return []
      isChanged = false
      const now = rows()
      const put = now.filter((row) => known.get(row.id) !== row.value)
      const next: KnownRows = new Map(now.map((row) => [row.id, String(row.value)]))
      const deleted = [...known.keys()].filter((id) => !next.has(id))
      known = next
      return put.length + deleted.length === 0 ? [] : [{ table: 'settings', put, delete: deleted }]
    },
  }
}

/** Messages that are looked at in one go. */
const ADOPTED_AT_ONCE = 1_000

/** A row of a message that is on disk. */
interface KnownMessage {
  /** The item that it shows: of several with one id the first. Undefined where it is to be written whatever it holds. */
  readonly map: Y.Map<unknown> | undefined
  readonly position: number
}

function createChatProjection(address: string, doc: Y.Doc, stale: boolean): Projection {
  const messages = doc.getArray<unknown>('messages')
  const metadata = doc.getMap<unknown>('metadata')
  let isStale = stale
  let isListChanged = stale
  let isChatChanged = stale
  const changed = new Set<Y.Map<unknown>>()
  const rowId = (id: string) => `${address}/${id}`
  /** The message rows on disk, by message id. */
  let known = new Map<string, KnownMessage>()
  /** What came near the end of the list since the last take. */
  const end = createListTail(messages)
  /** Time of the newest message; undefined until the list is looked through. */
  let latestAt = stale ? undefined : 0

  // Not `observeDeep`: with several events of one transaction it works out the path of each, by counting through the
  // whole list; and an event's `changes` go through all of it as well.
  doc.on('afterTransaction', (transaction: Y.Transaction) => {
    for (const event of transaction.changedParentTypes.get(asParent(messages)) ?? []) {
      if ((event.target as unknown) === messages) {
        isListChanged = true
        end.changed(transaction)
      } else {
        changed.add(messageOf(event.target))
        // What other rows or the chat's own hang on: the whole list is looked through again.
        const { keysChanged } = event as Partial<Y.YMapEvent<unknown>>
        if (keysChanged?.has('id') || keysChanged?.has('createdAt')) {
          isListChanged = true
          end.lose()
        }
      }
    }
  })
  metadata.observeDeep(() => {
    isChatChanged = true
  })

  /** The item of the array that a nested type belongs to; found by its parents, since paths cost a scan. */
  function messageOf(target: Y.AbstractType<unknown>): Y.Map<unknown> {
    let type = target
    while (type.parent !== null && type.parent !== messages) type = type.parent as Y.AbstractType<unknown>
    return type as unknown as Y.Map<unknown>
  }

  function takeMessages(): RowChange {
    const put: QueryRow[] = []
    if (!isListChanged || takeTail(put)) {
      for (const map of changed) {
        const id = messageId(map)
        const row = id === undefined ? undefined : known.get(id)
        // The second of one id has no row.
        if (row?.map !== map) continue
        put.push(messageRow(address, map, row.position))
        noteTime(map)
      }
      return { table: 'messages', put, delete: [] }
    }
    const next = new Map<string, KnownMessage>()
    latestAt = 0
    for (const [id, map] of readMessages(messages)) {
      const position = next.size
      if (!isAsKnown(id, map, position)) put.push(messageRow(address, map, position))
      next.set(id, { map, position })
      noteTime(map)
    }
    const deleted = [...known.keys()].filter((id) => !next.has(id)).map(rowId)
    known = next
    return { table: 'messages', put, delete: deleted }
  }

  /**
   * The common case, at a cost that doesn't grow with the chat: messages came at the end, or between those that several
   * people wrote there at once. @returns whether it was that; foreign and doubled items need the whole list.
   */
  function takeTail(put: QueryRow[]): boolean {
    const { tail } = end
    if (tail === undefined || latestAt === undefined) return false
    const { added } = tail
    const items = end.itemsFrom(tail.from)
    const ids = items.map(messageId)
    if (ids.some((id) => id === undefined) || new Set(ids).size < ids.length) return false
    const isRight = (id: string, item: unknown) =>
      added.has(item) ? !known.has(id) : known.get(id)?.map === item
    if (!ids.every((id, index) => isRight(id as string, items[index]))) return false
    let position = known.size - ids.filter((id) => known.has(id as string)).length
    for (const [index, map] of (items as Y.Map<unknown>[]).entries()) {
      const id = ids[index] as string
      if (!isAsKnown(id, map, position)) put.push(messageRow(address, map, position))
      changed.delete(map)
      known.set(id, { map, position: position++ })
      noteTime(map)
    }
    return true
  }

  function isAsKnown(id: string, map: Y.Map<unknown>, position: number): boolean {
    const before = known.get(id)
    return before?.map === map && before.position === position && !changed.has(map)
  }

  function noteTime(map: Y.Map<unknown>): void {
    const at = map.get('createdAt')
    // One message says nothing of the others, before the list was looked through.
    if (typeof at === 'number' && latestAt !== undefined) latestAt = Math.max(latestAt, at)
  }

  return {
    *adopt() {
      for (const item of messages.toArray()) {
        const id = messageId(item)
        // Of several with one id the first counts.
        if (id === undefined || known.has(id)) continue
        const map = item as Y.Map<unknown>
        known.set(id, { map, position: known.size })
        noteTime(map)
        if (known.size % ADOPTED_AT_ONCE === 0) yield
      }
    },
    get isStale() {
      return isStale
    },
    invalidate() {
      isStale = true
    },
    async reset(load) {
      const ids = (await loadKnown(load, 'messages', address)).keys()
      known = new Map([...ids].map((id) => [id.slice(rowId('').length), { map: undefined, position: -1 }]))
      isStale = false
      isListChanged = true
      isChatChanged = true
      // Whatever came, all of it is compared.
      end.lose()
    },
    take() {
      if (isStale || hasPending(doc)) return []
      if (!isListChanged && !isChatChanged && changed.size === 0) return []
      const messageChange = takeMessages()
      const chatChange: RowChange = {
        table: 'chats',
        put: [chatRow(address, metadata, known.size, latestAt ?? 0)],
        delete: [],
      }
      isListChanged = false
      isChatChanged = false
      end.begin()
      changed.clear()
      return messageChange.put.length + messageChange.delete.length === 0
        ? [chatChange]
        : [messageChange, chatChange]
    },
  }
}

function messageRow(address: string, map: Y.Map<unknown>, position: number): QueryRow {
  const { id, role, content, createdAt, editedAt, status, device, ...rest } = messageToJson(map)
  const fitted = fitRow(content, rest)
  return {
    id: `${address}/${id}`,
    address,
    message_id: id,
    position,
    role,
    content: fitted.content,
    status,
    created_at: createdAt,
    edited_at: numberOrNull(editedAt),
    device: textOrEmpty(device),
    data: fitted.data,
    partial: fitted.isPartial,
  }
}

/** The map of parents is typed for any type of events. */
function asParent(list: Y.Array<unknown>): Y.AbstractType<Y.YEvent<Y.AbstractType<unknown>>> {
  return list as unknown as Y.AbstractType<Y.YEvent<Y.AbstractType<unknown>>>
}

function chatRow(
  address: string,
  metadata: Y.Map<unknown>,
  messageCount: number,
  latestMessageAt: number,
): QueryRow {
  const parsed = parseAddress(address)
  const createdAt = numberOrNull(metadata.get('createdAt')) ?? 0
  return {
    id: address,
    address,
    chat_id: parsed?.identifier ?? '',
    owner: parsed?.owner ?? '',
    title: textOrEmpty(metadata.get('title')),
    title_source: textOrEmpty(metadata.get('titleSource')),
    model: textOrEmpty(metadata.get('model')),
    created_at: createdAt,
    // Derived from the messages, so that a rename never moves a chat.
    last_activity_at: Math.max(createdAt, latestMessageAt),
    message_count: messageCount,
    archived: metadata.get('archived') === true,
    deleted_at: numberOrNull(metadata.get('deletedAt')),
    bytes: null,
    held: true,
  }
}

function textOrEmpty(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}
