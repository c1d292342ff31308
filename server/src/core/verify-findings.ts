import { type EventVerifier, SyncError } from '@onyx-sync/shared'
import type {
  DeletedCoordinate,
  DocumentRecord,
  IndexEntry,
  KeptState,
  Vanished,
} from '../ports/event-log.js'
import type { EntryOf, InspectableLog, LogIndex, Mending } from '../ports/inspectable-log.js'

/** What can be wrong with a log. Stable: programs may compare them. */
export const FAULT_KINDS = [
  /** An event is not what its author signed, or says nothing that can be kept. */
  'event-damaged',
  /** The log has given a position to an event, and there is nothing. */
  'event-missing',
  /** An index lacks an entry, has a wrong one, or one that points to nothing. */
  'index',
  /** What the log knows of a document as a whole is not what its events give. */
  'record',
  /** The merged state of a document is not what its events give. */
  'state',
  /** Something is written under a Yjs client id that isn't its author's. */
  'writer',
  /** The epochs are out of order, or lie beyond the log. */
  'epoch',
  /** A part of an edit that waits for others is damaged. */
  'part',
  /** The database itself can't be read. */
  'storage',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

/** Something that is wrong. */
export interface Fault {
  readonly kind: FaultKind
  /** What is wrong, for people; where it is, the other fields say. */
  readonly message: string
  /** Position in the log. */
  readonly seq?: number
  readonly id?: string
  /** The document. */
  readonly address?: string
  /** Whose feed, list or right it is. */
  readonly reader?: string
  /** The index that is wrong; only with kind `index`. */
  readonly index?: LogIndex
  /** Whether it follows from the events, so that it can be written anew. */
  readonly mendable: boolean
  /** Whether it has been. */
  readonly mended: boolean
}

/** What a check has gone through. All are counts. */
export interface VerifyCounts {
  /** Events read and checked. */
  events: number
  /** Documents rebuilt from their events. */
  documents: number
  /** Documents that wait for an update which is not in their log. */
  gaps: number
  /** Merged states that were compared. */
  keptStates: number
  /** Merged states that were not compared, because an event of their document is damaged or missing. */
  uncheckedStates: number
  /** Entries of all indexes. */
  entries: number
  /** Ids of events that a checkpoint stands for. */
  supersededIds: number
  /** Parts of edits whose other parts are not there yet. */
  heldParts: number
  /** Entries of feeds whose event was superseded when the reader was no longer a member. No faults. */
  staleFeedEntries: number
}

/** How far a check is. */
export interface VerifyProgress extends Readonly<VerifyCounts> {
  readonly step: 'events' | 'documents' | 'indexes'
  /** Position of the last event that was checked. */
  readonly seq: number
  readonly head: number
}

/** What would set something right. */
export interface Remedy extends Partial<Mending> {
  readonly state?: { readonly address: string; readonly kept: KeptState }
}

export type FaultInput = Omit<Fault, 'mendable' | 'mended'>

/** A check under way: what it reads, what it has found, what it has to mend. */
export interface Findings {
  readonly log: InspectableLog
  readonly verifier: EventVerifier
  readonly counts: VerifyCounts
  readonly faults: Record<FaultKind, number>
  /** How many faults have been mended, and how many could be. */
  readonly mended: number
  readonly mendable: number
  /** Positions of events that are not to be believed. */
  readonly damaged: Set<number>
  /** Positions that the log has given to events that are not there. */
  readonly missing: Set<number>
  /** Documents with such events: what they should be can't be said. */
  readonly unsure: Set<string>
  /** Documents whose log lists too much or too little, and is not mended: what hangs on it can't be checked. */
  readonly mislisted: Set<string>
  /** Documents that were deleted, with the first request that did it. */
  readonly deletions: Map<string, IndexEntry>
  /** Keys that asked to vanish, with their requests in the order of the log. */
  readonly vanished: Map<string, Vanished[]>
  /** Ids that several requests delete, by author and id, with an entry for one of these; another one is kept. */
  readonly deletedAgain: Map<string, EntryOf<'deletedId'>>
  /** Names that were deleted, with the request that reaches furthest, the first of these. */
  readonly deletedCoordinates: Map<string, DeletedCoordinate>
  /** What is known of documents, where that was found wrong, as it should be. */
  readonly corrected: Map<string, DocumentRecord>
  /** Reports a fault; with a remedy it is mended, if that is wanted, at the next {@link settle}. */
  note(fault: FaultInput, remedy?: Remedy): Promise<void>
  /** Tells how far it is. */
  tell(step: VerifyProgress['step'], seq?: number): void
  /** Writes what is to be mended. Throws {@link MendingFailed}. */
  settle(): Promise<void>
}

export interface FindingsOptions {
  readonly log: InspectableLog
  readonly verifier: EventVerifier
  readonly repair: boolean
  onFault(fault: Fault): void
  onProgress(progress: VerifyProgress): void
}

/** A mending could not be written: whatever is wrong with the data, nothing more can be done. */
export class MendingFailed extends SyncError {
  constructor(cause: unknown) {
    super('STORE_FAILED', `mending failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

/** Changes that go into one write. */
const MENDING_ENTRIES = 256

export function createFindings({ log, verifier, ...options }: FindingsOptions): Findings {
  const counts: VerifyCounts = {
    events: 0,
    documents: 0,
    gaps: 0,
    keptStates: 0,
    uncheckedStates: 0,
    entries: 0,
    supersededIds: 0,
    heldParts: 0,
    staleFeedEntries: 0,
  }
  const faults = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>
  const mislisted = new Set<string>()
  let drop: Mending['drop'][number][] = []
  let put: Mending['put'][number][] = []
  let mended = 0
  let mendable = 0
  let reachedSeq = 0

  async function settle(): Promise<void> {
    const mending = { drop, put }
    drop = []
    put = []
    if (mending.drop.length + mending.put.length === 0) return
    try {
      await log.mend(mending)
    } catch (error) {
      throw new MendingFailed(error)
    }
  }

  return {
    log,
    verifier,
    counts,
    faults,
    get mended() {
      return mended
    },
    get mendable() {
      return mendable
    },
    damaged: new Set(),
    missing: new Set(),
    unsure: new Set(),
    mislisted,
    deletions: new Map(),
    vanished: new Map(),
    deletedAgain: new Map(),
    deletedCoordinates: new Map(),
    corrected: new Map(),
    async note(fault, remedy) {
      const isMended = remedy !== undefined && options.repair
      faults[fault.kind]++
      if (remedy !== undefined) mendable++
      if (fault.index === 'documentLog' && fault.address !== undefined && !isMended)
        mislisted.add(fault.address)
      if (isMended) {
        mended++
        drop.push(...(remedy.drop ?? []))
        put.push(...(remedy.put ?? []))
        if (drop.length + put.length >= MENDING_ENTRIES) await settle()
        if (remedy.state !== undefined) {
          await log.keepState(remedy.state.address, remedy.state.kept).catch((error: unknown) => {
            throw new MendingFailed(error)
          })
        }
      }
      options.onFault({ ...fault, mendable: remedy !== undefined, mended: isMended })
    },
    tell(step, seq = reachedSeq) {
      reachedSeq = seq
      options.onProgress({ ...counts, step, seq, head: log.head })
    },
    settle,
  }
}

/** Where a reading ends that shall have everything: indexes may tell of events that the log has lost. */
export const END = Number.MAX_SAFE_INTEGER

/** Indexes whose entries may be dropped where they can't be read: all that is derived. */
const DERIVED: ReadonlySet<LogIndex> = new Set<LogIndex>([
  'id',
  'supersededId',
  'feed',
  'grant',
  'documentLog',
  'ownerLog',
  'training',
  'trainingFeed',
  'listed',
  'coordinate',
  'deletedCoordinate',
  'record',
  'shared',
  'change',
  'deletedId',
  'expiry',
  'vanished',
  'state',
])

/** The entries of an index; those that are not of its form are reported and left out. */
export async function* readable<I extends LogIndex>(check: Findings, index: I): AsyncGenerator<EntryOf<I>> {
  for await (const entry of check.log.scan(index)) {
    if (index !== 'event') check.counts.entries++
    if (entry.index !== 'unreadable') {
      yield entry as EntryOf<I>
      continue
    }
    const message = `an entry can't be read (key ${entry.key.slice(0, 160)})`
    if (index === 'event') await check.note({ kind: 'event-damaged', message })
    else if (index === 'held') await check.note({ kind: 'part', message })
    else
      await check.note({ kind: 'index', index, message }, DERIVED.has(index) ? { drop: [entry] } : undefined)
  }
}

/** What the log knows of a document; undefined where that is nothing, or damaged. */
export async function readRecord(check: Findings, address: string): Promise<DocumentRecord | undefined> {
  const corrected = check.corrected.get(address)
  if (corrected !== undefined) return corrected
  try {
    const [record] = await check.log.documents([address])
    return record
  } catch (error) {
    // A database that can't be read is another matter than a record that is damaged.
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
