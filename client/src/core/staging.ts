import {
  type Clock,
  createUpdateTemplate,
  decodeUpdateEvent,
  type EventTemplate,
  type Limits,
  mergeUpdates,
  type NostrEvent,
  parseAddress,
  parseEvent,
  type Signer,
  SyncError,
  stringifyEvent,
  toSyncError,
} from '@onyx-sync/shared'
import { type OutboxEntry, RESTORE, type SyncStore } from '../ports/store.js'
import type { Documents } from './documents.js'

/** The lane of training data, which belongs to no document. */
export const TRAINING_LANE = 'training'

/** Edits turned into one signed event. */
export interface Staged {
  /** The entry that takes the place of the others: `staged`, or `refused` when it is too large to be sent. */
  readonly entry: OutboxEntry
  /** The entries it stands for. */
  readonly taken: readonly OutboxEntry[]
}

export interface StagingOptions {
  readonly pubkey: string
  readonly signer: Signer
  readonly store: SyncStore
  readonly documents: Documents
  readonly clock: Clock
  readonly limits: Limits
  /** Largest event that the server takes, bytes of JSON. */
  maxEventBytes(): number
  /** Called with what each signature took, milliseconds. */
  onSigned(durationMs: number): void
}

/**
 * Signs waiting entries of one lane, given oldest first. Resolves with undefined when nothing can be staged:
 * what was refused does not fit into one event with what came after it, and must not be left behind. Rejects
 * with `SIGNER_FAILED` or `STORE_FAILED`. Nothing is stored here.
 */
export type Stage = (lane: string, entries: readonly OutboxEntry[]) => Promise<Staged | undefined>

/** Updates merged into one event: leaves room for base64 and tags below the event limit. */
const MAX_MERGED_FRACTION = 0.5
const encoder = new TextEncoder()

/** Why an event can't be sent, as a server would say it; empty when it can. */
export function whyTooLarge(json: string, maxBytes: number): string {
  const bytes = encoder.encode(json).byteLength
  return bytes <= maxBytes ? '' : `invalid: the edit is ${bytes} bytes as an event, ${maxBytes} are allowed`
}

export function createStaging(options: StagingOptions): Stage {
  const { pubkey, signer, store, documents, clock, limits } = options

  async function collectUpdates(
    lane: string,
    candidates: readonly OutboxEntry[],
  ): Promise<{ taken: OutboxEntry[]; updates: Uint8Array[] }> {
    const first = candidates[0] as OutboxEntry
    const last = candidates[candidates.length - 1] as OutboxEntry
    const stored = await store.loadUpdateRange(lane, first.seq, last.throughSeq)
    const bySeq = new Map(stored.map(({ seq, update }) => [seq, update]))
    const taken: OutboxEntry[] = []
    const updates: Uint8Array[] = []
    let bytes = 0
    for (const entry of candidates) {
      const update =
        entry.state === 'refused'
          ? decodeUpdateEvent(JSON.parse(entry.event) as NostrEvent, limits).framed.update
          : bySeq.get(entry.seq)
      if (update === undefined) {
        throw new SyncError('DATABASE_UNREADABLE', `the log of ${lane} lacks position ${entry.seq}`)
      }
      bytes += update.byteLength
      if (taken.length > 0 && bytes > options.maxEventBytes() * MAX_MERGED_FRACTION) break
      taken.push(entry)
      updates.push(update)
    }
    return { taken, updates }
  }

  async function stageUpdates(lane: string, entries: readonly OutboxEntry[]): Promise<Staged | undefined> {
    const address = parseAddress(lane)
    if (address === undefined) throw new SyncError('INTERNAL', `${lane} is not a document's address`)
    const { taken, updates } = await collectUpdates(lane, entries)
    if (taken.every((entry) => entry.state === 'refused')) return undefined
    const info = documents.info(lane)
    // The owner's newest event decides who the members are: never sign one that looks older than the last.
    const createdAt = Math.max(Math.floor(clock.now() / 1000), info?.membersStatedAt ?? 0)
    const template = createUpdateTemplate({
      address,
      author: pubkey,
      // Only as a whole state may an owner bring back what others have written (SPEC YID3).
      framed: {
        update: mergeUpdates(updates),
        checkpoint: taken.some(({ state, event }) => state === 'pending' && event === RESTORE),
      },
      members: info?.members ?? [],
      createdAt,
    })
    if (address.owner === pubkey) documents.noteStatement(lane, createdAt)
    return { taken, entry: await sign(taken, template) }
  }

  async function sign(taken: readonly OutboxEntry[], template: EventTemplate): Promise<OutboxEntry> {
    const first = taken[0] as OutboxEntry
    const last = taken[taken.length - 1] as OutboxEntry
    const event = await askSigner(template)
    const json = stringifyEvent(event)
    const reason = whyTooLarge(json, options.maxEventBytes())
    return {
      id: `event-${event.id}`,
      lane: first.lane,
      seq: first.seq,
      throughSeq: last.throughSeq,
      edits: taken.reduce((sum, entry) => sum + entry.edits, 0),
      state: reason === '' ? 'staged' : 'refused',
      event: json,
      reason,
    }
  }

  async function askSigner(template: EventTemplate): Promise<NostrEvent> {
    let signed: NostrEvent
    const startedMs = clock.now()
    try {
      const answer = await signer.signEvent(template)
      options.onSigned(clock.now() - startedMs)
      signed = parseEvent(answer, limits)
    } catch (error) {
      throw new SyncError('SIGNER_FAILED', `the signer did not sign: ${toSyncError(error).message}`, {
        cause: error,
      })
    }
    if (signed.pubkey !== pubkey) {
      throw new SyncError(
        'SIGNER_FAILED',
        `the signer signed as ${signed.pubkey}, this device belongs to ${pubkey}`,
      )
    }
    if (signed.content !== template.content || signed.kind !== template.kind) {
      throw new SyncError('SIGNER_FAILED', 'the signer signed something else than it was given')
    }
    return signed
  }

  return async (lane, entries) => {
    if (lane !== TRAINING_LANE) return stageUpdates(lane, entries)
    const taken = entries.filter((entry) => entry.state === 'pending').slice(0, 1)
    const first = taken[0]
    if (first === undefined) return undefined
    return { taken, entry: await sign(taken, JSON.parse(first.event) as EventTemplate) }
  }
}
