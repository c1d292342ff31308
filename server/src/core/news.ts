import {
  type Filter,
  isDocumentKind,
  KIND,
  mayMatchDocument,
  ownerOfAddress,
  parseAddress,
} from '@onyx-sync/shared'
import type { EventLog, Pages } from '../ports/event-log.js'
import { mergePages, onePage } from './pages.js'

/** An event that changed what some keys can see. */
export interface NewsItem {
  readonly seq: number
  /** Once this item has been sent, everything up to this position has. */
  readonly covered: number
  /** Part of a whole document that became readable, as opposed to an entry of the feed. */
  readonly isWhole: boolean
}

/**
 * Documents that became news as a whole to a set of keys between two positions: for each the position at which
 * it did. A grant is no news where another of the keys could read the document before and still can.
 */
export async function grantedDocuments(
  log: EventLog,
  keys: readonly string[],
  after: number,
  through: number,
): Promise<Map<string, number>> {
  // Beyond `through`, because a key that was granted the document later does not cover it yet.
  const horizon = Math.max(through, log.head)
  const seqsByKey = new Map<string, Map<string, number>>()
  const candidates = new Set<string>()
  for (const key of keys) {
    const seqs = new Map<string, number>()
    // Ascending: the last grant of a document is the one that holds.
    for (const grant of await log.grants(key, after, horizon)) {
      seqs.set(grant.address, grant.seq)
      if (!keys.includes(ownerOfAddress(grant.address))) candidates.add(grant.address)
    }
    seqsByKey.set(key, seqs)
  }
  const granted = new Map<string, number>()
  if (candidates.size === 0) return granted
  for (const record of await log.documents([...candidates])) {
    if (record === undefined || record.deleted !== undefined) continue
    const members = new Set(record.members.map((member) => member.pubkey))
    const since = keys
      .filter((key) => members.has(key))
      // A member without a grant in this range has been one since before it.
      .map((key) => seqsByKey.get(key)?.get(record.address) ?? after)
    const earliest = Math.min(...since)
    if (earliest > after && earliest <= through) granted.set(record.address, earliest)
  }
  return granted
}

/**
 * What is new to some keys, `after < seq <= through`, in log order: their feeds merged, and at the position
 * where a document became readable the whole log of it up to there. The feed's own entries of such a document
 * up to that position are among them too; whoever knows an entry's document leaves them out by `granted`.
 * What is in `skipped` is passed over. With `only`, those positions are read in place of the feeds. An operator's
 * news has the training data of all authors.
 */
export async function* readNews(
  log: EventLog,
  keys: readonly string[],
  after: number,
  through: number,
  granted: ReadonlyMap<string, number>,
  skipped: ReadonlySet<number> = new Set(),
  only?: readonly number[],
  isOperator = false,
): Pages<NewsItem> {
  const addressesBySeq = new Map([...granted].map(([address, seq]) => [seq, address]))
  let covered = after
  const feeds = only === undefined ? keys.map((key) => log.feed(key, after, through)) : [onePage(only)]
  if (isOperator && only === undefined) feeds.push(log.trainingFeed(after, through))
  // A checkpoint may have taken the event with which a document became readable out of the feeds.
  if (addressesBySeq.size > 0) feeds.push(onePage([...addressesBySeq.keys()].sort((a, b) => a - b)))
  for await (const seqs of mergePages(feeds, (a, b) => a < b)) {
    let page: NewsItem[] = []
    for (const seq of seqs) {
      // What is in several feeds comes once for each.
      if (seq === covered) continue
      const address = addressesBySeq.get(seq)
      if (address === undefined) {
        if (!skipped.has(seq)) page.push({ seq, covered: seq, isWhole: false })
      } else {
        // Only its last event completes the document; a client that stops before it must get it all again.
        for await (const entries of log.documentLog(address, 0, seq)) {
          for (const entry of entries) {
            if (skipped.has(entry.seq)) continue
            page.push({ seq: entry.seq, covered: entry.seq === seq ? seq : covered, isWhole: true })
          }
          yield page
          page = []
        }
      }
      covered = seq
    }
    yield page
  }
}

/** Which news of some keys is worth a look, given what filters want of documents. */
export interface Relevance {
  /** Everything that can match is at these positions, ascending; undefined where only the feeds tell. */
  readonly only: readonly number[] | undefined
  /** What is at these positions can't match. */
  readonly unwanted: readonly number[]
  /** Of the documents that became readable those that can match. */
  readonly granted: ReadonlyMap<string, number>
}

/**
 * Tells news that filters can match from what they can't, by kind and `#d`, without loading an event. A filter for
 * some documents of many would else cost as much as one for all. Source: SPEC RPL6.
 */
export async function relevantNews(
  log: EventLog,
  keys: readonly string[],
  filters: readonly Filter[],
  after: number,
  through: number,
  granted: ReadonlyMap<string, number>,
): Promise<Relevance> {
  if (filters.some(wantsAllDocuments)) return { only: undefined, unwanted: [], granted }
  const isDocumentsOnly = filters.every(({ kinds }) => kinds?.every(isDocumentKind) === true)
  function isWanted(address: string): boolean {
    const parsed = parseAddress(address)
    return parsed !== undefined && filters.some((filter) => mayMatchDocument(filter, parsed))
  }
  const addresses = new Set<string>()
  for (const key of keys) {
    for await (const changed of log.changedDocuments(key, after)) {
      // Either those that are wanted are read, or those that aren't are left out.
      for (const { address } of changed) if (isWanted(address) === isDocumentsOnly) addresses.add(address)
    }
  }
  const seqs: number[] = []
  for (const address of addresses) {
    for await (const entries of log.documentLog(address, after, through))
      seqs.push(...entries.map(({ seq }) => seq))
  }
  const wanted = new Map([...granted].filter(([address]) => isWanted(address)))
  if (!isDocumentsOnly) return { only: undefined, unwanted: seqs, granted: wanted }
  return { only: seqs.sort((a, b) => a - b), unwanted: [], granted: wanted }
}

function wantsAllDocuments({ ids, kinds, tags }: Filter): boolean {
  // By id the events themselves tell; they are few.
  if (ids !== undefined) return true
  const hasKinds = kinds === undefined || (kinds.includes(KIND.chat) && kinds.includes(KIND.settings))
  return hasKinds && !tags.has('d')
}
