import {
  type Clock,
  compareNewestFirst,
  type Filter,
  formatAddress,
  isDocumentKind,
  isExpired,
  isOwnKind,
  KIND,
  type Logger,
  matchFilter,
  ownerOfAddress,
  parseAddress,
  SETTINGS_IDENTIFIER,
  settingsAddress,
} from '@onyx-sync/shared'
import {
  EVERYBODY,
  type EventLog,
  type IndexEntry,
  MAX_PAGE_ENTRIES,
  type Pages,
} from '../ports/event-log.js'
import { grantedDocuments } from './news.js'
import { createPageCursor, mergePages, onePage } from './pages.js'
import { isForEverybody, listsFor, type ServedKinds } from './plain-events.js'
import {
  isOpenToOperators,
  isReadable,
  type Loaded,
  loadInPages,
  parseEvents,
  readableAmong,
  type StoredEvent,
} from './stored-events.js'

/** Whose eyes a query looks through, and how far. */
export interface QueryScope {
  readonly log: EventLog
  readonly logger: Logger
  readonly clock: Clock
  readonly keys: ReadonlySet<string>
  /** Whether one of the keys is an operator's, who reads the training data of all authors. @default false */
  readonly isOperator?: boolean
  /** Only events up to this position; what comes later is the live part of a subscription. */
  readonly through: number
  /** The kinds that are served. @default no further ones */
  readonly kinds?: ServedKinds
}

/** Kinds of events that are stored. */
export const STORED_KINDS: readonly number[] = [KIND.chat, KIND.settings, KIND.training, KIND.deletion]

/**
 * Stored events that match any of the filters and that the keys may see, newest first, equal times by lowest
 * id, each once, in pages. Every filter's `limit` counts that filter's own events. Returns whether a limit kept
 * something back that no other filter brought. Source: NIP-01, NIP-67, SPEC REQ1–REQ6.
 */
export async function* queryEvents(
  scope: QueryScope,
  filters: readonly Filter[],
): AsyncGenerator<StoredEvent[], boolean> {
  const streams = filters.map((filter) => ({
    events: createPageCursor(matchingEvents(scope, filter)),
    left: filter.limit ?? Number.POSITIVE_INFINITY,
  }))
  // Only needed to tell what one filter's limit kept back from what another one sent.
  const sent =
    filters.length > 1 && filters.some(({ limit }) => limit !== undefined) ? new Set<number>() : undefined
  let page: StoredEvent[] = []
  try {
    for (;;) {
      const isAnyDry = streams.some(({ events, left }) => left > 0 && events.isDry)
      if (page.length > 0 && (isAnyDry || page.length === MAX_PAGE_ENTRIES)) {
        yield page
        page = []
      }
      if (isAnyDry) for (const { events, left } of streams) if (left > 0) await events.fill()
      let best: StoredEvent | undefined
      for (const { events, left } of streams) {
        const { head } = events
        if (head === undefined || left === 0) continue
        if (best === undefined || compareNewestFirst(head.event, best.event) < 0) best = head
      }
      if (best === undefined) break
      sent?.add(best.seq)
      page.push(best)
      for (const stream of streams) {
        if (stream.left === 0 || stream.events.head?.seq !== best.seq) continue
        stream.left--
        stream.events.advance()
      }
    }
    if (page.length > 0) yield page
    for (const { events } of streams) {
      for (await events.fill(); events.head !== undefined; await events.fill()) {
        if (sent?.has(events.head.seq) !== true) return true
        events.advance()
      }
    }
    return false
  } finally {
    for (const { events } of streams) await events.close()
  }
}

/**
 * How many stored events match any of the filters; `limit` doesn't count. Gives up, with what it has, once nobody
 * waits for it any more. Source: NIP-45, SPEC FAIR4.
 */
export async function countEvents(
  scope: QueryScope,
  filters: readonly Filter[],
  isWanted: () => boolean = () => true,
): Promise<number> {
  let count = 0
  const unlimited = filters.map(({ limit: _, ...filter }) => filter)
  for await (const page of queryEvents(scope, unlimited)) {
    count += page.length
    if (!isWanted()) break
  }
  return count
}

/** All events of one filter's set, newest first. */
async function* matchingEvents(scope: QueryScope, filter: Filter): Pages<StoredEvent> {
  const { log, logger, clock, keys, isOperator = false, through } = scope
  const wanted = async (page: readonly Loaded<{ readonly seq: number }>[]): Promise<StoredEvent[]> => {
    const events = parseEvents(logger, page).filter(
      ({ event }) =>
        matchFilter(filter, event) && isServed(scope, event.kind) && !isExpired(event, clock.now()),
    )
    const readable = await readableAmong(
      log,
      keys,
      events.flatMap(({ about }) => about),
    )
    // A document that became readable after `through` comes as a whole with the live part.
    if (log.head > through) {
      for (const address of (await grantedDocuments(log, [...keys], through, log.head)).keys()) {
        readable.delete(address)
      }
    }
    return events.filter((stored) => isReadable(stored, keys, readable, isOperator))
  }
  if (filter.ids !== undefined) {
    const seqs = await log.locate([...new Set(filter.ids)])
    const found = seqs.flatMap((seq) => (seq !== undefined && seq <= through ? { seq } : []))
    const events: StoredEvent[] = []
    for await (const page of loadInPages(log, onePage(found))) events.push(...(await wanted(page)))
    yield events.sort((a, b) => compareNewestFirst(a.event, b.event))
    return
  }
  for await (const page of loadInPages(log, candidates(scope, filter))) yield await wanted(page)
}

function isServed({ kinds }: QueryScope, kind: number): boolean {
  return isOwnKind(kind) || kinds?.isExtra(kind) === true
}

/** Index entries of everything that may be in a filter's set, newest first, each once. */
async function* candidates(scope: QueryScope, filter: Filter): Pages<IndexEntry> {
  const { log, keys, through } = scope
  const since = filter.since ?? 0
  const until = filter.until ?? Number.MAX_SAFE_INTEGER
  const kinds = [...new Set(filter.kinds ?? STORED_KINDS)].filter((kind) => STORED_KINDS.includes(kind))
  const sources: Pages<IndexEntry>[] = []
  const mayBeShared = kinds.includes(KIND.chat) || kinds.includes(KIND.deletion)
  const shared = mayBeShared ? await sharedDocuments(scope) : []
  const named = namedDocuments(filter, keys, shared)
  const isWanted = (address: string) => kinds.includes(parseAddress(address)?.kind ?? -1)
  const documents = (named ?? shared).filter(isWanted)
  if (documents.length > 0) sources.push(documentEntries(scope, documents, since, until))
  if (kinds.includes(KIND.deletion)) sources.push(sharedDeletions(scope, shared, since, until))
  for (const kind of kinds) {
    if (named !== undefined && isDocumentKind(kind)) continue
    if (scope.isOperator === true && isOpenToOperators({ kind })) {
      sources.push(...trainingOf(log, filter, since, until))
      continue
    }
    for (const key of keys) sources.push(log.ownerLog(key, kind, since, until))
  }
  if (kinds.includes(KIND.deletion) && keys.has(EVERYBODY)) {
    sources.push(log.listed(EVERYBODY, KIND.deletion, since, until))
  }
  sources.push(...plainSources(scope, filter, since, until))
  let lastSeq = 0
  for await (const page of mergePages(sources, (a, b) => compareNewestFirst(a, b) < 0)) {
    yield page.filter(({ seq }) => {
      // What several of the keys may read comes once for each, one after another.
      const isOnce = seq !== lastSeq
      lastSeq = seq
      return isOnce && seq <= through
    })
  }
}

/** Authors whose events are looked for one by one; of more, everything of a kind is gone through. */
const MAX_AUTHOR_LISTS = 16

/** Events of further kinds. Of one kind several keys may read the same; by authors they are fewer. */
function plainSources(
  { log, keys, kinds }: QueryScope,
  filter: Filter,
  since: number,
  until: number,
): Pages<IndexEntry>[] {
  const stored = kinds?.storedExtra ?? []
  const wanted = filter.kinds === undefined ? stored : stored.filter((kind) => filter.kinds?.includes(kind))
  const authors = [...new Set(filter.authors)]
  const byAuthors = filter.authors !== undefined && authors.length <= MAX_AUTHOR_LISTS
  return wanted.flatMap((kind) => {
    if (byAuthors && isForEverybody(kind))
      return authors.map((author) => log.ownerLog(author, kind, since, until))
    return listsFor(kind, keys).map((reader) => log.listed(reader, kind, since, until))
  })
}

/** Training data of the authors that a filter names; of all if it names none. */
function trainingOf(log: EventLog, filter: Filter, since: number, until: number): Pages<IndexEntry>[] {
  if (filter.authors === undefined) return [log.training(since, until)]
  return [...new Set(filter.authors)].map((author) => log.ownerLog(author, KIND.training, since, until))
}

/** Addresses of others' documents that the keys may read. */
async function sharedDocuments({ log, keys }: QueryScope): Promise<string[]> {
  const addresses = new Set<string>()
  for (const key of keys) {
    for (const address of await log.sharedWith(key)) {
      if (!keys.has(ownerOfAddress(address))) addresses.add(address)
    }
  }
  return [...addresses]
}

/** Documents that a filter names by `#a` or `#d`, as far as the keys may read them; undefined if it names none. */
function namedDocuments(
  filter: Filter,
  keys: ReadonlySet<string>,
  shared: readonly string[],
): string[] | undefined {
  const named = new Set<string>()
  const readableForeign = new Set(shared)
  const byAddress = filter.tags.get('a')
  if (byAddress !== undefined) {
    for (const address of byAddress) {
      const owner = parseAddress(address)?.owner
      if (owner !== undefined && (keys.has(owner) || readableForeign.has(address))) named.add(address)
    }
    return [...named]
  }
  const byIdentifier = filter.tags.get('d')
  if (byIdentifier === undefined) return undefined
  const wanted = new Set(byIdentifier)
  for (const address of shared) if (wanted.has(parseAddress(address)?.identifier ?? '')) named.add(address)
  for (const key of keys) {
    if (wanted.has(SETTINGS_IDENTIFIER)) named.add(formatAddress(settingsAddress(key)))
    for (const identifier of wanted) {
      named.add(formatAddress({ kind: KIND.chat, owner: key, identifier }))
    }
  }
  return [...named]
}

/** Entries of whole documents. Their logs are in order of arrival, so they are gathered and sorted here. */
async function* documentEntries(
  { log, through }: QueryScope,
  addresses: readonly string[],
  since: number,
  until: number,
): Pages<IndexEntry> {
  const entries: IndexEntry[] = []
  for (const record of await log.documents(addresses)) {
    if (record === undefined) continue
    for await (const page of log.documentLog(record.address, 0, through)) {
      entries.push(...page.filter(({ created_at }) => created_at >= since && created_at <= until))
    }
  }
  yield entries.sort(compareNewestFirst)
}

/** Requests of others that deleted documents which the keys could read. */
async function* sharedDeletions(
  { log }: QueryScope,
  addresses: readonly string[],
  since: number,
  until: number,
): Pages<IndexEntry> {
  const bySeq = new Map<number, IndexEntry>()
  for (const record of await log.documents(addresses)) {
    if (record?.deleted === undefined) continue
    const { created_at } = record.deleted
    if (created_at >= since && created_at <= until) bySeq.set(record.deleted.seq, record.deleted)
  }
  yield [...bySeq.values()].sort(compareNewestFirst)
}
