/** What the core counts since the start. Plain numbers, so that counting costs nothing. */
export interface Counters {
  /** Connections open now. */
  connections: number
  /** Subscriptions open now. */
  subscriptions: number
  /** Records of sets that are being compared now (NIP-77). */
  negentropyRecords: number
  /** Events stored. */
  eventsStored: number
  /** Events answered as already known. */
  eventsDuplicate: number
  /** Events refused, whatever the reason. */
  eventsRefused: number
  /** Commits to the log that failed. */
  commitsFailed: number
  /** Events sent to subscriptions, stored and live. */
  eventsSent: number
  /** State events sent in their place. */
  statesSent: number
  /** Summaries of documents sent. */
  summariesSent: number
}

/** All zero. */
export function createCounters(): Counters {
  return {
    connections: 0,
    subscriptions: 0,
    negentropyRecords: 0,
    eventsStored: 0,
    eventsDuplicate: 0,
    eventsRefused: 0,
    commitsFailed: 0,
    eventsSent: 0,
    statesSent: 0,
    summariesSent: 0,
  }
}
