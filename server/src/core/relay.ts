import {
  bytesToHex,
  type Clock,
  type EventTemplate,
  type Limits,
  type Logger,
  type NostrEvent,
  type Random,
  type SyncError,
} from '@onyx-sync/shared'
import { finalizeEvent } from 'nostr-tools/pure'
import type * as Y from 'yjs'
import type { EventLog } from '../ports/event-log.js'
import type { Merger } from '../ports/merger.js'
import type { Peer } from '../ports/peer.js'
import type { PlaceCodec } from '../ports/place-codec.js'
import type { RelayVerifier } from '../ports/spread-verifier.js'
import { createCheckpoints } from './checkpoints.js'
import { withFields } from './connection-log.js'
import { type Counters, createCounters } from './counters.js'
import { createExpiry, expiredEvents } from './expiry.js'
import { createHub, type Hub } from './hub.js'
import { createIngest } from './ingest.js'
import { createLocalMerger } from './local-merger.js'
import { createMeasures, type Measures } from './measures.js'
import { createMergedStates, type MergedStates } from './merged-state.js'
import type { Moderation } from './moderation.js'
import { createServedKinds } from './plain-events.js'
import { createPresence } from './presence.js'
import { createQuotas } from './quotas.js'
import { createRateLimits, type RateLimits } from './rate-limits.js'
import { createReadingTurns } from './reading-turns.js'
import { createReplacements } from './replacements.js'
import { createSession, type Session } from './session.js'
import { createStateSigner } from './state-signer.js'
import { createSummaries } from './summaries.js'
import { createWriterEvents } from './writer-events.js'

/** What a relay is made of. */
export interface RelayOptions {
  readonly log: EventLog
  readonly verifier: RelayVerifier
  readonly limits: Limits
  readonly clock: Clock
  /** Source of challenges and of the epoch's id; must be unpredictable. */
  readonly random: Random
  readonly logger: Logger
  /** Knows who is subscribed. For simulations that break it. @default its own */
  readonly hub?: Hub
  /** See `CheckpointsOptions.contains`. For simulations that break it. @default vector and deletions */
  readonly contains?: (doc: Y.Doc, update: Uint8Array) => boolean
  /** Merges documents; it is not closed here. @default one in this thread */
  readonly merger?: Merger
  /** Signs with the server's own key. @default BIP-340 with the log's `serverSecretKey` */
  readonly sign?: (template: EventTemplate) => NostrEvent
  /** Events of one document from which on its merged state may be sent in their place. @default 8 */
  readonly minStateEvents?: number
  /** How cursors write places. @default for everybody to read */
  readonly places?: PlaceCodec
  /** Who may use it. @default anybody */
  readonly moderation?: Moderation
  /** Calls back after the event loop has looked at all sockets, timers and disks. @default at once */
  readonly defer?: (callback: () => void) => void
  /** Further kinds that are served by NIP-01's plain rules. @default none */
  readonly extraKinds?: readonly number[]
  /** Public URLs, any of which an AUTH event may name. */
  relayUrls(): readonly string[]
}

/** The server without its sockets and its HTTP: connections in, events on disk, events out. */
export interface Relay {
  readonly counters: Counters
  readonly measures: Measures
  /** Documents as their logs have them. */
  readonly states: MergedStates
  /** Whether an address may make one more connection; if not, why. To be asked once for each, before `connect`. */
  admit(address: string): SyncError | undefined
  /** Serves one connection. */
  connect(peer: Peer): Session
  /** Takes no new events; resolves when all that was queued is stored and answered. The log stays open. */
  stop(): Promise<void>
}

export function createRelay(options: RelayOptions): Relay {
  const counters = createCounters()
  const measures = createMeasures()
  /** Names each connection in the log of this run. */
  let connections = 0
  const hub = options.hub ?? createHub(options.logger)
  const { log, logger } = options
  const moderation = options.moderation ?? { whyNot: () => undefined, isOperator: () => false }
  const kinds = createServedKinds(options.extraKinds)
  const sessions = new Set<Session>()
  options.moderation?.onChange(() => {
    for (const session of sessions) session.enforce()
  })
  const merger = options.merger ?? createLocalMerger(options)
  const states = createMergedStates({ log, logger, merger })
  const sign = options.sign ?? signerOf(log)
  const replacements = createReplacements()
  const presence = createPresence({ ...options, counters, sign })
  const ingest = createIngest({
    log: measures.log(log),
    logger,
    limits: options.limits,
    quotas: createQuotas({ ...options, extraKinds: kinds.storedExtra }),
    checkpoints: createCheckpoints({ log, logger, states, merger }),
    replacements,
    merger,
    counters,
    epochId: bytesToHex(options.random.bytes(8)),
    whyNot: moderation.whyNot,
    publish(commit) {
      for (const { address } of commit.gone?.documents ?? []) states.forget(address)
      hub.publish(commit)
      for (const { logged } of commit.events)
        if (logged.expiresAt !== undefined) expiry.noted(logged.expiresAt)
      presence.published(commit)
    },
    onUntold: hub.untold,
  })
  const expiry = createExpiry({
    ...{ log, logger, clock: options.clock },
    purge: () =>
      ingest.exclusively(async () => {
        const withdrawn = await expiredEvents(log, logger, options.clock.now())
        if (withdrawn.length === 0) return false
        await log.commit({ events: [], documents: [], grants: [], revocations: [], withdrawn })
        return true
      }),
  })
  const stateSigner = createStateSigner({ ...options, merger, signEvent: sign })
  const rates: RateLimits = createRateLimits(options)
  const summaries = createSummaries({ ...options, states, signEvent: sign })
  const writerEvents = createWriterEvents({ log, clock: options.clock, signEvent: sign })
  const reading = createReadingTurns(log, options)
  const context = {
    ...options,
    kinds,
    moderation,
    verifier: measures.verifier(options.verifier),
    measures,
    ingest: measures.ingest(ingest),
    states,
    merger,
    stateSigner,
    summaries,
    writerEvents,
    hub,
    replacements,
    presence,
    rates,
    reading,
    counters,
    relayUrls: () => options.relayUrls(),
  }
  return {
    counters,
    measures,
    states,
    admit: rates.admit,
    connect(peer) {
      connections++
      const own = withFields(logger, { connection: connections })
      own.debug('a connection begins')
      const session = createSession(measures.peer(peer), context, own)
      sessions.add(session)
      return {
        ...session,
        end() {
          own.debug('a connection ends')
          sessions.delete(session)
          session.end()
        },
      }
    },
    stop() {
      presence.stop()
      expiry.stop()
      return ingest.stop()
    },
  }
}

function signerOf({ serverSecretKey }: EventLog): (template: EventTemplate) => NostrEvent {
  return (template) => finalizeEvent({ ...template }, serverSecretKey)
}
