import type {
  DocumentSummary,
  EventTemplate,
  Limits,
  NostrEvent,
  RosterStatement,
  StateEventInput,
} from '@onyx-sync/shared'
import type { DocumentContent } from './document-content.js'

/** How large a document is that a merger holds. */
export interface HeldSize {
  readonly structs: number
  /** Whether something of it hangs on updates that are missing. */
  readonly isPending: boolean
}

/** What became of stored events that were merged. */
export interface Applied extends HeldSize {
  /** Bytes of their updates, unfolded. */
  readonly bytes: number
  /** Those that could not be merged, by their place among the ones given, and why. */
  readonly failed: readonly { readonly index: number; readonly error: string }[]
}

/** What an event that writes more than its author's own says about the document as it is. */
export interface Comparison {
  /** Whether the document lacks something of it, be it a struct or a deletion. */
  readonly bringsNews: boolean
  /** Client ids under which it has structs that the document lacks. */
  readonly newWriters: readonly number[]
}

/** What the content of an event and its tags say. */
export interface DecodedContent {
  readonly content: DocumentContent
  readonly owner: string
  readonly statement: RosterStatement | undefined
}

/** Clocks by Yjs client id. */
export type Clocks = readonly (readonly [clientId: number, clock: number])[]

/**
 * Everything that is done with Yjs documents and whose time hangs on what others wrote. Documents are named by
 * numbers that the caller chooses, each once. Bytes and plain data go in and out, so that it can be done elsewhere.
 * What is wrong with an input is thrown as a `SyncError`.
 */
export interface MergeWork {
  /** Begins a document with the updates of a state. Throws where one can't be read; there is no document then. */
  load(doc: number, state: readonly Uint8Array[] | undefined): HeldSize
  /** Merges stored events, given as JSON, in order. What can't be read is left out. */
  apply(doc: number, events: readonly string[]): Applied
  /**
   * The document as updates that together are its state, without what is below `from`, if given; of client ids that are
   * missing there, nothing. Undefined where something is pending, or where it takes more than `maxWireBytes` on the wire.
   */
  state(
    doc: number,
    options: { readonly from?: Clocks; readonly maxWireBytes?: number },
  ): readonly Uint8Array[] | undefined
  /**
   * What some stored events bring, as one update; undefined where it takes more than `maxWireBytes` on the wire, or one
   * of them can't be read. Takes time for what they are, and not for the document that they belong to.
   */
  union(events: readonly string[], maxWireBytes: number): Uint8Array | undefined
  /** Whether updates take no more than so many bytes on the wire. */
  fits(updates: readonly Uint8Array[], maxWireBytes: number): boolean
  summary(doc: number, address: string): DocumentSummary
  /** Compares an update with the document and what `earlier` ones add. Throws `UPDATE_INVALID` (SPEC CHK2). */
  compare(doc: number, address: string, update: Uint8Array, earlier: readonly Uint8Array[]): Comparison
  /** Whether the document holds all of some updates, deletions too. */
  contains(doc: number, updates: readonly Uint8Array[]): boolean
  /** The same for each of some stored events, or why one can't be read. */
  containsEach(doc: number, events: readonly string[]): readonly (boolean | string)[]
  /** Lets go of a document; also where there is none. */
  drop(doc: number): void
  /** The lowest clock under which each client id writes in some stored events. */
  lowestClocks(events: readonly string[]): Clocks
  /** What an event of a document holds. Throws what {@link decodeUpdateEvent} throws. */
  decode(event: NostrEvent, limits: Limits): DecodedContent
  /** Gathers one more part of an edit, under a number of the caller's. Throws `TOO_LARGE` beyond `maxBytes`. */
  gather(join: number, event: NostrEvent, maxBytes: number): void
  /** What was gathered as one content, and lets go of it. */
  join(join: number): DocumentContent
  /** Lets go of what was gathered; also where nothing was. */
  scatter(join: number): void
  stateTemplate(input: StateEventInput): EventTemplate
  split(update: Uint8Array, maxBytes: number): Uint8Array[]
}

/** Does {@link MergeWork}, one piece after another, in the order in which it was asked. */
export interface Merger {
  /** Whether it works beside the event loop. If not, handing work over saves nothing. */
  readonly isApart: boolean
  /** Rises when the documents that it held are lost. */
  readonly generation: number
  /** Rejects with what the work throws, or with {@link MergerLost}. */
  run<N extends keyof MergeWork>(
    name: N,
    ...args: Parameters<MergeWork[N]>
  ): Promise<ReturnType<MergeWork[N]>>
  /** Resolves when what was asked is done; what is asked later is rejected. */
  close(): Promise<void>
}

/** A merger had to begin anew: its documents are gone. */
export class MergerLost extends Error {
  /**
   * Why, for the piece of work that was under way: `time` took too long, `crash` ended it. `bystander` for what
   * waited behind that, and may be asked again.
   */
  readonly reason: 'time' | 'crash' | 'bystander'

  constructor(reason: MergerLost['reason'], message: string) {
    super(message)
    this.name = 'MergerLost'
    this.reason = reason
  }
}
