import {
  type Clock,
  createPresenceTemplate,
  type EventTemplate,
  type EventVerifier,
  formatAddress,
  getOrCreate,
  type Limits,
  type Logger,
  type NostrEvent,
  ownerOfAddress,
  type PresenceEntry,
  parseAddress,
  parsePresence,
  SyncError,
  stringifyEvent,
} from '@onyx-sync/shared'
import type { EventLog } from '../ports/event-log.js'
import { checkAuthor, checkShape } from './check-event.js'
import type { Counters } from './counters.js'
import type { PublishedCommit } from './ingest.js'
import { type Claim, createRooms, type Holder } from './presence-rooms.js'
import { createWatchers, type Watch, type Watcher, type WatchOptions } from './presence-watchers.js'
import { createTokenBucket } from './token-bucket.js'

/** Who is there now, in which document. In memory only. Source: SPEC "Presence". */
export interface Presence {
  /** What one connection says of itself. */
  connect(): PresenceConnection
  /** Tells a subscription. To be called before it is answered. */
  watch(options: WatchOptions): Watch
  /** Takes note of keys that lost documents. Call with each commit, in the tick in which it is published. */
  published(commit: Pick<PublishedCommit, 'revocations' | 'gone'>): void
  /** Nobody is told any more of connections that end: all of them will. */
  stop(): void
}

/** One connection's share in presence. */
export interface PresenceConnection {
  /**
   * Takes an event of kind 20001 and passes it on; resolves with it then. Rejects with a `SyncError` whose
   * reason is the answer. `keys` are those that have authenticated.
   */
  publish(value: unknown, keys: ReadonlySet<string>): Promise<NostrEvent>
  /** The connection is gone: all it said is taken back. */
  end(): void
}

export interface PresenceOptions {
  readonly log: Pick<EventLog, 'documents' | 'sharedWith'>
  readonly verifier: EventVerifier
  readonly limits: Limits
  readonly clock: Clock
  readonly logger: Logger
  readonly counters: Counters
  /** Signs with the server's own key. */
  sign(template: EventTemplate): NostrEvent
}

export function createPresence(options: PresenceOptions): Presence {
  const { log, limits, clock, logger } = options
  const watchers = createWatchers(options.counters)
  const rooms = createRooms(limits)
  let arrived = 0
  let isStopped = false
  /** Counts revocations, so that a permission looked up before one isn't used after it. */
  let revocations = 0

  /**
   * Looks up who may read a document now, and uses it in the very tick in which it is known. From the log each
   * time: what is kept beside it could miss a commit that a recovery of the log brings to light.
   */
  async function withReaders<T>(
    address: string,
    use: (readers: readonly string[], isDeleted: boolean) => T,
  ): Promise<T> {
    for (;;) {
      const startedAt = revocations
      const [record] = await log.documents([address]).catch((cause: unknown) => {
        throw new SyncError('STORE_FAILED', 'who may read this could not be looked up', { cause })
      })
      if (startedAt !== revocations) continue
      const members = record?.members.map(({ pubkey }) => pubkey) ?? []
      return use([ownerOfAddress(address), ...members], record?.deleted !== undefined)
    }
  }

  /** Takes back what was said in one document, and tells those who may read it. */
  function remove(address: string, claims: readonly Claim[]): void {
    const gone = rooms.remove(claims)
    if (gone.length === 0 || isStopped) return
    withReaders(address, (readers) => announce(address, gone, readers)).catch((error: unknown) => {
      // They notice by themselves, as nothing renews it.
      logger.warn('a removal from presence was not passed on', { address, error: String(error) })
    })
  }

  function announce(address: string, gone: readonly PresenceEntry[], readers: readonly string[]): void {
    // A client that came back meanwhile has said more than this would.
    const left = gone.filter(({ clientId }) => !rooms.has(address, clientId))
    const document = parseAddress(address)
    // A signature costs more than looking for somebody to read it.
    if (document === undefined || isStopped || !watchers.hasAny(readers)) return
    for (let index = 0; index < left.length; index += limits.maxPresenceClients) {
      const entries = left.slice(index, index + limits.maxPresenceClients)
      const createdAt = Math.floor(clock.now() / 1000)
      const event = options.sign(createPresenceTemplate({ address: document, entries, createdAt }))
      watchers.deliver({ event, json: stringifyEvent(event) }, readers)
    }
  }

  /** Tells a new subscription who is there, if it asks; in the same tick it becomes live. */
  async function begin(watcher: Watcher): Promise<void> {
    if (!watcher.asksWhoIsThere || rooms.isEmpty) {
      watcher.goLive()
      return
    }
    const { keys } = watcher
    let shared = new Set<string>()
    try {
      let startedAt: number
      do {
        startedAt = revocations
        shared = new Set((await Promise.all(keys.map((key) => log.sharedWith(key)))).flat())
      } while (startedAt !== revocations)
    } catch (error) {
      shared = new Set()
      logger.warn('who is there in shared documents is not known yet', { error: String(error) })
    }
    for (const key of keys) for (const address of rooms.addressesOf(key)) shared.add(address)
    for (const address of shared) {
      for (const said of rooms.saidIn(address, clock.now())) watcher.sendPresent(said)
    }
    watcher.goLive()
  }

  function connect(): PresenceConnection {
    const holder: Holder = { claims: new Set() }
    const bucket = createTokenBucket(clock, limits.maxPresencePerSecond, limits.maxPresenceDocuments)
    let isOpen = true

    async function publish(value: unknown, keys: ReadonlySet<string>): Promise<NostrEvent> {
      const checks = { keys, verifier: options.verifier, limits }
      const { event, json } = checkShape(value, checks)
      // Before the signature: what is too much must not cost one.
      if (!bucket.take()) {
        throw new SyncError('RATE_LIMITED', `at most ${limits.maxPresencePerSecond} presence events a second`)
      }
      checkAuthor(event, checks)
      const { address, entries } = parsePresence(event, limits)
      const name = formatAddress(address)
      const clientIds = entries.map(({ clientId }) => clientId)
      const said = { event, json, clientIds, order: arrived++, atMs: clock.now() }
      await withReaders(name, (readers, isDeleted) => {
        // The connection may have ended meanwhile: then nobody would ever take back what it says.
        if (!isOpen) return
        if (!readers.includes(event.pubkey)) {
          removeAuthor(name, event.pubkey)
          throw new SyncError('WRITE_RESTRICTED', `you are not a member of ${name}`)
        }
        if (isDeleted) throw new SyncError('DELETED', `${name} was deleted by its owner, for good`)
        if (rooms.accept(holder, name, entries, said)) watchers.deliver(said, readers)
      })
      return event
    }

    return {
      publish,
      end() {
        isOpen = false
        const byDocument = new Map<string, Claim[]>()
        for (const claim of holder.claims) getOrCreate(byDocument, claim.address, () => []).push(claim)
        for (const [address, claims] of byDocument) remove(address, claims)
      },
    }
  }

  function removeAuthor(address: string, author: string): void {
    remove(address, rooms.claimsOf(address, author))
  }

  return {
    connect,
    watch: (watch) => watchers.add(watch, (watcher) => void begin(watcher)),
    published(commit) {
      revocations += commit.revocations.length
      for (const { reader, address } of commit.revocations) removeAuthor(address, reader)
      for (const { address, readers } of commit.gone?.documents ?? []) {
        revocations++
        for (const reader of readers) removeAuthor(address, reader)
      }
    },
    stop() {
      isStopped = true
    },
  }
}
