import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { EventVerifier } from '@onyx-sync/shared'
import type { Histogram } from './core/histogram.js'
import type { Relay } from './core/relay.js'
import type { EventLog } from './ports/event-log.js'
import type { Metric, MetricSample } from './ports/metrics.js'
import type { OperableLog } from './ports/operable-log.js'

/** What a server reports of itself. */
export interface ServerMetrics {
  /** All metrics as they are now. */
  collect(): Promise<readonly Metric[]>
  /** What operators see of a running server at a glance: see `stats` in SPEC MAN5. Counts are those since the start. */
  stats(): Promise<Readonly<Record<string, number>>>
  /** One more peer was cut off because it read too slowly. */
  slowReader(): void
  /** The thread that merges had to begin anew. */
  mergerLost(): void
  close(): void
}

/** How often the delay of the event loop is sampled. Milliseconds. */
const LOOP_RESOLUTION_MS = 20
const NANOSECONDS = 1e9

/** Reads a relay's counts and measures, and those of its process. Counting costs nothing until it is asked. */
export function createServerMetrics(relay: Relay, log: EventLog, verifier: EventVerifier): ServerMetrics {
  const { counters, measures, states } = relay
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })
  loop.enable()
  let slowReaders = 0
  let mergersLost = 0

  /** Undefined for a log that isn't on a disk, and where its files can't be looked at. */
  async function diskBytes(): Promise<number | undefined> {
    if (!('diskUse' in log)) return undefined
    return (await (log as OperableLog).diskUse().catch(() => undefined))?.bytes
  }

  async function diskMetrics(): Promise<Metric[]> {
    const bytes = await diskBytes()
    return bytes === undefined ? [] : [gauge('disk_bytes', 'Bytes of the database files.', bytes)]
  }

  return {
    slowReader() {
      slowReaders++
    },
    mergerLost() {
      mergersLost++
    },
    close: () => loop.disable(),
    async stats() {
      const bytes = await diskBytes()
      return {
        connections: counters.connections,
        subscriptions: counters.subscriptions,
        logins: measures.logins,
        log_head: log.head,
        events_stored: counters.eventsStored,
        events_duplicate: counters.eventsDuplicate,
        events_refused: counters.eventsRefused,
        events_queued: measures.queuedEvents,
        messages_sent: measures.sentMessages,
        characters_sent: measures.sentLength,
        slow_readers_dropped: slowReaders,
        ...(bytes === undefined ? {} : { disk_bytes: bytes }),
        resident_memory_bytes: process.memoryUsage.rss(),
      }
    },
    async collect() {
      const { refusedByCode, storedByKind } = measures
      const memory = process.memoryUsage()
      const { user, system } = process.cpuUsage()
      const loopSamples = [0.5, 0.99, 1].map((quantile) => ({
        labels: { quantile: String(quantile) },
        value: loop.percentile(quantile * 100) / NANOSECONDS,
      }))
      // Each scrape sees the time since the one before.
      loop.reset()
      return [
        many('verifier_info', 'What checks signatures, by name; always 1.', [
          { labels: { name: verifier.name }, value: 1 },
        ]),
        gauge('connections', 'WebSocket connections open now.', counters.connections),
        gauge('subscriptions', 'Subscriptions open now.', counters.subscriptions),
        counter('logins', 'Keys that proved themselves (NIP-42).', measures.logins),
        counter('events_stored', 'Events stored since the start.', counters.eventsStored),
        byLabel(
          'events_stored_by_kind_total',
          'Events stored since the start, by kind.',
          'kind',
          storedByKind,
        ),
        counter('events_duplicate', 'Events answered as already known.', counters.eventsDuplicate),
        counter('events_refused', 'Events refused.', counters.eventsRefused),
        byLabel('refused_total', 'Events, logins and queries refused, by error code.', 'code', refusedByCode),
        gauge('events_queued', 'Events that wait to be written.', measures.queuedEvents),
        histogram('ok_seconds', 'From an event that passed its checks to its OK true.', measures.okSeconds),
        histogram(
          'verify_seconds',
          'Time until the id and signature of an event are checked.',
          measures.verifySeconds,
        ),
        histogram('commit_seconds', 'Time of one durable write to the log.', measures.commitSeconds),
        histogram('commit_events', 'Events of one write.', measures.commitEvents),
        counter('commits_failed', 'Writes to the log that failed.', counters.commitsFailed),
        histogram('catch_up_seconds', 'From a REQ to its EOSE.', measures.catchUpSeconds),
        counter('events_sent', 'Events sent to subscriptions.', counters.eventsSent),
        counter('states_sent', 'State events sent in place of events.', counters.statesSent),
        counter('summaries_sent', 'Summaries of documents sent.', counters.summariesSent),
        counter('messages_sent', 'Messages handed to connections.', measures.sentMessages),
        counter('sent_characters', 'Characters of these messages, before compression.', measures.sentLength),
        counter('slow_readers_dropped', 'Connections cut off because they read too slowly.', slowReaders),
        gauge('log_head', 'Position of the newest durable event.', log.head),
        ...(await diskMetrics()),
        gauge('merged_state_bytes', 'Memory of merged documents kept loaded, by estimate.', states.hotBytes),
        gauge(
          'documents_unmerged',
          'Documents served by events only, because merging failed.',
          states.unmerged,
        ),
        counter('merger_restarts', 'Times the thread that merges had to begin anew.', mergersLost),
        many('event_loop_delay_seconds', 'Delay of the event loop since the last scrape.', loopSamples),
        gauge('resident_memory_bytes', 'Memory of the process.', memory.rss),
        gauge('heap_used_bytes', 'Memory of JavaScript values.', memory.heapUsed),
        gauge('external_memory_bytes', 'Memory of buffers outside the heap.', memory.external),
        counter('cpu_seconds', 'Processor time of the process.', (user + system) / 1e6),
        gauge('uptime_seconds', 'Time since the process began.', process.uptime()),
      ]
    },
  }
}

function many(name: string, help: string, samples: readonly MetricSample[]): Metric {
  return { name: `onyx_sync_${name}`, help, type: 'gauge', samples }
}

function gauge(name: string, help: string, value: number): Metric {
  return many(name, help, [{ value }])
}

function counter(name: string, help: string, value: number): Metric {
  return { ...gauge(`${name}_total`, help, value), type: 'counter' }
}

function byLabel(
  name: string,
  help: string,
  label: string,
  values: ReadonlyMap<string | number, number>,
): Metric {
  const samples = [...values].map(([key, value]) => ({ labels: { [label]: String(key) }, value }))
  return { ...many(name, help, samples), type: 'counter' }
}

function histogram(name: string, help: string, { bounds, counts, sum }: Histogram): Metric {
  let total = 0
  const buckets = counts.map((count, at) => {
    total += count
    return { suffix: '_bucket', labels: { le: String(bounds[at] ?? '+Inf') }, value: total }
  })
  const samples = [...buckets, { suffix: '_sum', value: sum }, { suffix: '_count', value: total }]
  return { ...many(name, help, samples), type: 'histogram' }
}
