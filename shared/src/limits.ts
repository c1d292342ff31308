/**
 * Every bound that keeps a hostile or broken peer from hurting the others, in one place.
 * Sizes are bytes of UTF-8 unless said otherwise.
 */
export interface Limits {
  /**
   * One WebSocket message. Checked by the socket before anything is read.
   * @default 1_310_720 (1.25 MiB: the largest event and its envelope)
   */
  readonly maxMessageBytes: number
  /**
   * One event as canonical JSON. An event must stay well under what a phone can hold in one database row.
   * @default 1_048_576
   */
  readonly maxEventBytes: number
  /**
   * A Yjs update after base64 and DEFLATE are undone; what stops a deflate bomb.
   * @default 8_388_608
   */
  readonly maxUpdateBytes: number
  /**
   * Structs, delete ranges, and values beyond one for each struct, in one Yjs update: bounds the work of applying it.
   * @default 200_000
   */
  readonly maxUpdateStructs: number
  /** Parts that one edit may be cut into, each an event of its own. @default 256 (SPEC EVT6) */
  readonly maxParts: number
  /**
   * Bytes of JSON that the parts of one author's unfinished edits may take together, and so the largest edit in
   * parts. @default 67_108_864
   */
  readonly maxHeldBytes: number
  /**
   * How long merging one document, or one step of it, may take. Beyond it the document is served by its events only
   * for a while. A phone would take ten times as long. Seconds. @default 10
   */
  readonly maxMergeSeconds: number
  /** Documents in one state event. @default 1_000 (SPEC STE2) */
  readonly maxStateDocuments: number
  /** Documents in one summary event. @default 500 (SPEC SUM1) */
  readonly maxSummaryDocuments: number
  /** Keys that the owner of a chat has decided about: its members, and those removed. @default 1_000 (SPEC PERM4) */
  readonly maxMembers: number
  /** Tags of one event. @default 2_000 */
  readonly maxTags: number
  /** Characters in one tag value. @default 1_024 */
  readonly maxTagValueLength: number
  /** Characters of a chat's id. @default 128 (SPEC EVT3) */
  readonly maxIdentifierLength: number
  /** Open subscriptions of one connection. @default 64 */
  readonly maxSubscriptions: number
  /** Characters of a subscription id. @default 64 (NIP-01) */
  readonly maxSubscriptionIdLength: number
  /** Filters of one `REQ` or `COUNT`. @default 16 */
  readonly maxFilters: number
  /** Values in all lists of one filter, kinds apart. @default 2_000 */
  readonly maxFilterValues: number
  /** Comparisons of sets (NIP-77) that one connection may have open. @default 4 */
  readonly maxNegentropySessions: number
  /** Events of the largest set that is compared: bounds the time of reading it. @default 100_000 */
  readonly maxNegentropyRecords: number
  /**
   * Events of all sets that are being compared on a server, 40 bytes of memory each: what all connections
   * together may take. @default 2_000_000
   */
  readonly maxNegentropyRecordsHeld: number
  /** Bytes of one answer in a comparison, before hex; at least 4,096. @default 60_000 */
  readonly maxNegentropyFrameBytes: number
  /** How long a comparison is kept without a message. Seconds. @default 60 */
  readonly maxNegentropyIdleSeconds: number
  /** Keys that may authenticate on one connection. @default 16 */
  readonly maxKeysPerConnection: number
  /** How far a client's clock may be off in its AUTH event, either way. Seconds. @default 600 (NIP-42) */
  readonly maxAuthSkewSeconds: number
  /**
   * How long a connection may stay without a successful AUTH. Seconds. Room for a person to confirm in a
   * remote signer. @default 120
   */
  readonly maxUnauthenticatedSeconds: number
  /**
   * Bytes waiting in one connection's socket before it is closed as too slow; it comes back with its cursor
   * and misses nothing. @default 33_554_432
   */
  readonly maxQueuedBytes: number
  /**
   * Events of a connection that were read and not answered yet. Beyond it nothing more is read from the connection
   * until half of them are answered: the network holds the rest back, and nothing is refused or lost. @default 1_024
   */
  readonly maxUnansweredEvents: number
  /** Bytes of the same. Room for several of the largest events. @default 16_777_216 */
  readonly maxUnansweredBytes: number
  /**
   * Open connections of one address; an IPv6 network of 64 bits counts as one. Room for an office, or a
   * carrier's shared address. @default 512
   */
  readonly maxConnectionsPerAddress: number
  /** Of these, how many without a successful AUTH: as many as may log in at once when a server restarts. @default 128 */
  readonly maxUnauthenticatedPerAddress: number
  /** How long a connection may take to say its first request. Seconds. @default 10 */
  readonly maxHandshakeSeconds: number
  /** Connections made by one address per minute. @default 600 */
  readonly maxHandshakesPerMinute: number
  /** `AUTH` messages of one address per minute: each costs a signature. @default 600 */
  readonly maxAuthsPerMinute: number
  /**
   * Messages of one address per minute on connections that have no key yet. A client says a few before it has
   * signed its login. @default 2_400
   */
  readonly maxUnauthenticatedMessagesPerMinute: number
  /** Messages of one address per minute, all its connections together. @default 240_000 */
  readonly maxMessagesPerMinutePerAddress: number
  /** Bytes of the same. @default 1_073_741_824 */
  readonly maxBytesPerMinutePerAddress: number
  /**
   * Messages of one key per minute, all its connections together; a connection counts for the first key that
   * logged in on it. @default 60_000
   */
  readonly maxMessagesPerMinute: number
  /** Bytes of the same: an import of a thousand chats with room to spare. @default 268_435_456 */
  readonly maxBytesPerMinute: number
  /**
   * Events of one key per minute, each of which costs a signature to check and a place on the disk. A device
   * that brings 1,000 chats sends some thousand; one that types all day, two a second. @default 30_000
   */
  readonly maxEventsPerMinute: number
  /** `REQ` and `COUNT` of one key per minute, each of which may read all it has. @default 1_200 */
  readonly maxRequestsPerMinute: number
  /** Bytes of JSON that are kept for one key: of its documents, whoever wrote them, and its other events. @default 1_073_741_824 */
  readonly maxStoredBytes: number
  /** Documents that one key may have: ten times a large account. @default 10_000 */
  readonly maxStoredDocuments: number
  /**
   * Bytes of JSON of the gift wraps that are kept for one receiver, apart from what it writes itself: others send
   * them, and must not be able to use up its room. @default 67_108_864 (SPEC KND7)
   */
  readonly maxWrappedBytes: number
  /** An awareness update after base64 is undone: who is there and what it does, not content. @default 4_096 */
  readonly maxPresenceBytes: number
  /** Awareness clients in one presence event, and of one connection in one document. @default 4 */
  readonly maxPresenceClients: number
  /** Documents in which one connection may be present at a time. @default 64 */
  readonly maxPresenceDocuments: number
  /**
   * Presence events of one connection per second, each of which costs a signature to check. As many as
   * `maxPresenceDocuments` may come at once: what a device says after a reconnect. @default 10
   */
  readonly maxPresencePerSecond: number
}

/** The defaults; {@link Limits} gives unit and reason of each. */
export const DEFAULT_LIMITS: Limits = Object.freeze({
  maxMessageBytes: 1_310_720,
  maxEventBytes: 1_048_576,
  maxUpdateBytes: 8_388_608,
  maxUpdateStructs: 200_000,
  maxParts: 256,
  maxHeldBytes: 67_108_864,
  maxMergeSeconds: 10,
  maxStateDocuments: 1_000,
  maxSummaryDocuments: 500,
  maxMembers: 1_000,
  maxTags: 2_000,
  maxTagValueLength: 1_024,
  maxIdentifierLength: 128,
  maxSubscriptions: 64,
  maxSubscriptionIdLength: 64,
  maxFilters: 16,
  maxFilterValues: 2_000,
  maxNegentropySessions: 4,
  maxNegentropyRecords: 100_000,
  maxNegentropyRecordsHeld: 2_000_000,
  maxNegentropyFrameBytes: 60_000,
  maxNegentropyIdleSeconds: 60,
  maxKeysPerConnection: 16,
  maxAuthSkewSeconds: 600,
  maxUnauthenticatedSeconds: 120,
  maxQueuedBytes: 33_554_432,
  maxUnansweredEvents: 1_024,
  maxUnansweredBytes: 16_777_216,
  maxConnectionsPerAddress: 512,
  maxUnauthenticatedPerAddress: 128,
  maxHandshakeSeconds: 10,
  maxHandshakesPerMinute: 600,
  maxAuthsPerMinute: 600,
  maxUnauthenticatedMessagesPerMinute: 2_400,
  maxMessagesPerMinutePerAddress: 240_000,
  maxBytesPerMinutePerAddress: 1_073_741_824,
  maxMessagesPerMinute: 60_000,
  maxBytesPerMinute: 268_435_456,
  maxEventsPerMinute: 30_000,
  maxRequestsPerMinute: 1_200,
  maxStoredBytes: 1_073_741_824,
  maxStoredDocuments: 10_000,
  maxWrappedBytes: 67_108_864,
  maxPresenceBytes: 4_096,
  maxPresenceClients: 4,
  maxPresenceDocuments: 64,
  maxPresencePerSecond: 10,
})

/** What each limit counts, for help texts and tables. Source: SPEC "Limits". */
export const LIMIT_UNITS: Readonly<Record<keyof Limits, string>> = {
  maxMessageBytes: 'bytes of one WebSocket message',
  maxEventBytes: 'bytes of one event as JSON',
  maxUpdateBytes: 'bytes of an update after base64 and DEFLATE',
  maxUpdateStructs: 'structs, delete ranges and values of one update',
  maxParts: 'parts of one edit',
  maxHeldBytes: "bytes of one author's parts that wait for others",
  maxMergeSeconds: 'seconds that merging a document may take',
  maxStateDocuments: 'documents in one state event',
  maxSummaryDocuments: 'documents in one summary event',
  maxMembers: "keys that a chat's owner has decided about",
  maxTags: 'tags of one event',
  maxTagValueLength: 'characters of one tag value',
  maxIdentifierLength: "characters of a chat's id",
  maxSubscriptions: 'open subscriptions and running counts of a connection',
  maxSubscriptionIdLength: 'characters of a subscription id',
  maxFilters: 'filters of one `REQ` or `COUNT`',
  maxFilterValues: 'values in all lists of a filter, kinds apart',
  maxNegentropySessions: 'comparisons that a connection has open',
  maxNegentropyRecords: 'events of a set that is compared',
  maxNegentropyRecordsHeld: 'events of all sets that a server compares at a time',
  maxNegentropyFrameBytes: 'bytes of an answer in a comparison',
  maxNegentropyIdleSeconds: 'seconds a comparison is kept without a message',
  maxKeysPerConnection: 'keys authenticated on a connection',
  maxAuthSkewSeconds: "seconds between an `AUTH` event and the server's clock",
  maxUnauthenticatedSeconds: 'seconds a connection may stay without a key',
  maxQueuedBytes: "bytes waiting in a connection's socket",
  maxUnansweredEvents: 'events of a connection that were read and not answered',
  maxUnansweredBytes: 'bytes of the same',
  maxConnectionsPerAddress: 'open connections of an address',
  maxUnauthenticatedPerAddress: 'open connections of an address without a key',
  maxHandshakeSeconds: 'seconds a connection may take to say its first request',
  maxHandshakesPerMinute: 'connections made by an address per minute',
  maxAuthsPerMinute: '`AUTH` messages of an address per minute',
  maxUnauthenticatedMessagesPerMinute: 'messages of an address per minute on connections without a key',
  maxMessagesPerMinutePerAddress: 'messages of an address per minute',
  maxBytesPerMinutePerAddress: 'bytes of messages of an address per minute',
  maxMessagesPerMinute: 'messages of a key per minute',
  maxBytesPerMinute: 'bytes of messages of a key per minute',
  maxEventsPerMinute: 'events of a key per minute',
  maxRequestsPerMinute: '`REQ` and `COUNT` of a key per minute',
  maxStoredBytes: 'bytes of JSON kept for a key',
  maxStoredDocuments: 'documents of a key',
  maxWrappedBytes: 'bytes of gift wraps kept for a receiver',
  maxPresenceBytes: 'bytes of an awareness update',
  maxPresenceClients: 'awareness clients of an event, and of a connection in a document',
  maxPresenceDocuments: 'documents in which a connection is present',
  maxPresencePerSecond: 'presence events of a connection per second',
}
