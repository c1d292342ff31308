import {
  bytesToHex,
  encodeClient,
  type Logger,
  PLAIN_STATE_KIND,
  PLAIN_STATE_TAG,
  type Random,
  type RelayMessage,
} from '@onyx-sync/shared'

/**
 * Reads the states that a plain relay has: everything, on each connection, and what comes after that.
 *
 * The live subscription comes first, and only when the relay has confirmed it with an `EOSE` is anything read:
 * many relays join the live feed after they have read, and what is stored in between would come neither way.
 * Relays cap what one query brings, most without saying so. Hence pages by `until`, until one brings nothing.
 */
export interface PlainReader {
  /** Begins to read everything, on a connection that is open. Also again, where it has read already. */
  read(): void
  /** Reads this account's own events of one `d` tag, and calls back when they have been received. */
  reread(identifier: string, done: () => void): void
  /** Takes a message of the relay; those of other subscriptions are ignored. */
  take(message: RelayMessage): void
  stop(): void
}

export interface PlainReaderOptions {
  readonly pubkey: string
  readonly random: Random
  readonly logger: Logger
  send(text: string): void
  /** Addresses of chats with members, whose states may be anybody's. */
  sharedAddresses(): readonly string[]
  /** Most events that the relay says one query brings. */
  maxQueryEvents(): number
  onEvent(event: unknown): void
  /** Resolves when what was received is applied: the next page is not asked for before. */
  settled(): Promise<void>
  /** Everything that the relay has was received and is applied. */
  onRead(): void
  /** The relay ended or refused a subscription. */
  onClosed(reason: string): void
  onFailed(error: unknown): void
}

type Filter = Readonly<Record<string, unknown>>

/** Events asked for at a time. */
const PAGE_EVENTS = 400
/** Addresses in one filter: some relays take no more than 100 values. */
const ADDRESSES_PER_FILTER = 100
/** Events of one second that may be as many as a relay's cap lets through. */
const MANY_IN_A_SECOND = 100

export function createPlainReader(options: PlainReaderOptions): PlainReader {
  const { pubkey, random, logger } = options
  /** Counts subscriptions, so that answers to an earlier one are told apart. */
  let count = 0
  let epoch = 0
  let liveId = ''
  let page:
    | { id: string; filter: Filter; until: number | undefined; oldest: number; events: number }
    | undefined
  let filters: Filter[] = []
  let isLive = false
  const rereads = new Map<string, () => void>()

  function allFilters(): Filter[] {
    const states = { kinds: [PLAIN_STATE_KIND], '#t': [PLAIN_STATE_TAG] }
    const shared = options.sharedAddresses()
    const chunks: Filter[] = []
    for (let start = 0; start < shared.length; start += ADDRESSES_PER_FILTER)
      chunks.push({ ...states, '#a': shared.slice(start, start + ADDRESSES_PER_FILTER) })
    return [{ ...states, authors: [pubkey] }, { ...states, '#p': [pubkey] }, ...chunks]
  }

  /**
   * Some relays answer the same filter from a cache for a while, and would leave out what came since: between the
   * filling of the cache, maybe by another device, and the live subscription of this one. So each filter has one value
   * more, which no event has.
   */
  function fresh(values: readonly string[]): string[] {
    return [...values, `${PLAIN_STATE_TAG}-${bytesToHex(random.bytes(8))}`]
  }

  function pageLimit(): number {
    return Math.max(1, Math.min(PAGE_EVENTS, options.maxQueryEvents()))
  }

  function nextFilter(): void {
    const filter = filters.shift()
    if (filter === undefined) {
      page = undefined
      options.onRead()
    } else askForPage(filter, undefined)
  }

  function askForPage(filter: Filter, until: number | undefined): void {
    const id = `page-${++count}`
    page = { id, filter, until, oldest: Number.POSITIVE_INFINITY, events: 0 }
    options.send(
      encodeClient.req(id, {
        ...filter,
        '#t': fresh([PLAIN_STATE_TAG]),
        limit: pageLimit(),
        ...(until === undefined ? {} : { until }),
      }),
    )
  }

  function noteInPage(event: unknown): void {
    const createdAt = (event as { readonly created_at?: unknown } | null)?.created_at
    // What is beyond the page's end was not asked for: with a relay that minds no "until" this would never end.
    if (page === undefined || typeof createdAt !== 'number' || createdAt > (page.until ?? createdAt)) return
    page.events++
    page.oldest = Math.min(page.oldest, createdAt)
  }

  async function pageEnded(): Promise<void> {
    const startedIn = epoch
    const ended = page
    if (ended === undefined) return
    options.send(encodeClient.close(ended.id))
    page = undefined
    await options.settled()
    if (startedIn !== epoch) return
    const { filter, until, oldest, events } = ended
    // The last page is the one that brings nothing: the number of events says nothing, because caps are unknown.
    if (events === 0 || oldest <= 0) nextFilter()
    else if (until === undefined || oldest < until) askForPage(filter, oldest)
    else {
      // All of one second, and "until" can't ask for a part of it. Devices spread what they publish for that.
      if (events >= MANY_IN_A_SECOND) logger.error('a relay may hold back events of one second', { events })
      askForPage(filter, oldest - 1)
    }
  }

  return {
    read() {
      epoch++
      if (liveId !== '') options.send(encodeClient.close(liveId))
      if (page !== undefined) options.send(encodeClient.close(page.id))
      page = undefined
      isLive = false
      liveId = `live-${++count}`
      filters = allFilters()
      options.send(encodeClient.req(liveId, ...filters.map((filter) => ({ ...filter, limit: 1 }))))
    },

    reread(identifier, done) {
      const id = `own-${++count}`
      rereads.set(id, done)
      const filter = { kinds: [PLAIN_STATE_KIND], authors: [pubkey], '#d': fresh([identifier]) }
      options.send(encodeClient.req(id, { ...filter, limit: pageLimit() }))
    },

    take(message) {
      if (message.type !== 'EVENT' && message.type !== 'EOSE' && message.type !== 'CLOSED') return
      const { subscriptionId } = message
      const isPage = subscriptionId === page?.id
      const reread = rereads.get(subscriptionId)
      if (!isPage && subscriptionId !== liveId && reread === undefined) return
      if (message.type === 'EVENT') {
        if (isPage) noteInPage(message.event)
        options.onEvent(message.event)
        return
      }
      if (reread !== undefined) {
        rereads.delete(subscriptionId)
        if (message.type === 'EOSE') options.send(encodeClient.close(subscriptionId))
        options.settled().then(reread, options.onFailed)
      } else if (message.type === 'CLOSED') options.onClosed(message.reason)
      else if (isPage) pageEnded().catch(options.onFailed)
      else if (!isLive) {
        isLive = true
        nextFilter()
      }
    },

    stop() {
      epoch++
      liveId = ''
      page = undefined
      filters = []
      rereads.clear()
    },
  }
}
