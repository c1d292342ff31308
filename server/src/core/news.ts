import type { EventLog } from '../ports/event-log.js'
import { ownerOfAddress } from './stored-events.js'

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
    if (record === undefined) continue
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
 * What is in `skipped` is passed over.
 */
export async function* readNews(
  log: EventLog,
  keys: readonly string[],
  after: number,
  through: number,
  granted: ReadonlyMap<string, number>,
  skipped: ReadonlySet<number> = new Set(),
): AsyncGenerator<NewsItem> {
  const addressesBySeq = new Map([...granted].map(([address, seq]) => [seq, address]))
  let covered = after
  const feeds = keys.map((key) => log.feed(key, after, through))
  // A checkpoint may have taken the event with which a document became readable out of the feeds.
  const grantSeqs = inTurn([...addressesBySeq.keys()].sort((a, b) => a - b))
  for await (const seq of mergeAscending([...feeds, grantSeqs])) {
    const address = addressesBySeq.get(seq)
    if (address === undefined) {
      if (!skipped.has(seq)) yield { seq, covered: seq, isWhole: false }
    } else {
      // Only its last event completes the document; a client that stops before it must get it all again.
      for await (const entry of log.documentLog(address, 0, seq)) {
        if (skipped.has(entry.seq)) continue
        yield { seq: entry.seq, covered: entry.seq === seq ? seq : covered, isWhole: true }
      }
    }
    covered = seq
  }
}

async function* inTurn(seqs: readonly number[]): AsyncGenerator<number> {
  yield* seqs
}

/** Ascending numbers of several ascending sequences, each once. */
async function* mergeAscending(sources: readonly AsyncIterable<number>[]): AsyncGenerator<number> {
  if (sources.length === 1) {
    yield* sources[0] as AsyncIterable<number>
    return
  }
  const iterators = sources.map((source) => source[Symbol.asyncIterator]())
  try {
    const heads = await Promise.all(iterators.map((iterator) => iterator.next()))
    for (;;) {
      let lowest = Number.POSITIVE_INFINITY
      for (const head of heads) if (head.done !== true && head.value < lowest) lowest = head.value
      if (lowest === Number.POSITIVE_INFINITY) return
      yield lowest
      for (const [index, head] of heads.entries()) {
        if (head.done !== true && head.value === lowest) {
          heads[index] = await (iterators[index] as AsyncIterator<number>).next()
        }
      }
    }
  } finally {
    await Promise.all(iterators.map((iterator) => iterator.return?.()))
  }
}
