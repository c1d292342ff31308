import {
  type Clock,
  isDocumentKind,
  isGiftWrapKind,
  type Limits,
  ownerOfAddress,
  SyncError,
  setNewest,
  utf8Length,
} from '@onyx-sync/shared'
import type { EventLog } from '../ports/event-log.js'
import type { CheckedEvent } from './check-event.js'
import { STORED_KINDS } from './query.js'
import { loadInPages } from './stored-events.js'

/** What is kept for a key. */
export interface Usage {
  /** Bytes of JSON, of its documents and of its other events. */
  readonly bytes: number
  readonly documents: number
}

/**
 * How much may be kept for each key. What there is follows from the log, so it holds across restarts and cannot
 * drift: it is counted when a key first writes, and again before anything is refused. Source: SPEC QUO1, QUO2.
 */
export interface Quotas {
  /**
   * Why an event is more than its owner may have; undefined where it isn't. `added` is what earlier events of the
   * same batch bring. A whole state stands for what is there, so it may take its owner a tenth over: or an account
   * that is full could never be compacted.
   */
  check(checked: CheckedEvent, isNewDocument: boolean, added: Usage): Promise<SyncError | undefined>
  /** A commit changed what is kept for a key. */
  changed(owner: string, change: Usage): void
}

interface Counted extends Usage {
  readonly countedAtMs: number
}

/** Keys whose usage is remembered. */
const MAX_KEPT = 10_000
/** A refusal is given on a count no older than this. Milliseconds. */
const MAX_AGE_MS = 5_000
/** What a whole state may have beyond the quota, as a part of it. */
const COMPACTION_ROOM = 0.1

export function createQuotas({
  log,
  limits,
  clock,
  extraKinds = [],
}: {
  readonly log: CountedLog
  readonly limits: Pick<Limits, 'maxStoredBytes' | 'maxStoredDocuments' | 'maxWrappedBytes'>
  readonly clock: Clock
  /** Further kinds that are stored. @default none */
  readonly extraKinds?: readonly number[]
}): Quotas {
  const kept = new Map<string, Counted>()

  function keep(owner: string, usage: Counted): void {
    setNewest(kept, owner, usage, MAX_KEPT)
  }

  async function usageOf(checked: CheckedEvent, isFresh: boolean): Promise<Usage> {
    const ledger = ledgerOf(checked)
    const known = kept.get(ledger)
    if (known !== undefined && !(isFresh && Math.abs(clock.now() - known.countedAtMs) > MAX_AGE_MS))
      return known
    const counted =
      ledger === checked.owner
        ? await countUsage(log, checked.owner, [...STORED_KINDS, ...extraKinds])
        : { bytes: await countBytes(log, checked.owner, extraKinds.filter(isGiftWrapKind)), documents: 0 }
    const usage = { ...counted, countedAtMs: clock.now() }
    keep(ledger, usage)
    return usage
  }

  function whyTooMuch(
    usage: Usage,
    { bytes, documents }: Usage,
    checked: CheckedEvent,
  ): SyncError | undefined {
    if (documents > 0 && usage.documents + documents > limits.maxStoredDocuments) {
      return new SyncError(
        'QUOTA_EXCEEDED',
        `quota: ${checked.owner} has ${usage.documents} documents, at most ${limits.maxStoredDocuments} are kept; delete some, or ask the operator for more`,
      )
    }
    if (ledgerOf(checked) !== checked.owner) {
      if (usage.bytes + bytes <= limits.maxWrappedBytes) return undefined
      return new SyncError(
        'QUOTA_EXCEEDED',
        `quota: at most ${limits.maxWrappedBytes} bytes of gift wraps are kept`,
      )
    }
    const room = checked.content?.framed.checkpoint === true ? 1 + COMPACTION_ROOM : 1
    if (usage.bytes + bytes <= limits.maxStoredBytes * room) return undefined
    return new SyncError(
      'QUOTA_EXCEEDED',
      `quota: ${usage.bytes} bytes are kept for ${checked.owner}, and with this ${usage.bytes + bytes}, at most ${limits.maxStoredBytes} may be; delete something, or ask the operator for more`,
    )
  }

  return {
    async check(checked, isNewDocument, added) {
      const change = {
        bytes: added.bytes + checked.bytes,
        documents: isNewDocument ? added.documents + 1 : 0,
      }
      const error = whyTooMuch(await usageOf(checked, false), change, checked)
      return error === undefined ? undefined : whyTooMuch(await usageOf(checked, true), change, checked)
    },
    changed(owner, change) {
      const known = kept.get(owner)
      if (known === undefined) return
      keep(owner, {
        bytes: known.bytes + change.bytes,
        documents: known.documents + change.documents,
        countedAtMs: known.countedAtMs,
      })
    },
  }
}

/**
 * Under what the bytes of an event are counted: under its owner's key, and for gift wraps apart from that, or whoever
 * sends them could use up the room of their receiver. Source: SPEC KND7.
 */
export function ledgerOf(
  of: { readonly owner: string } & (
    | { readonly kind: number }
    | { readonly event: { readonly kind: number } }
  ),
): string {
  const kind = 'event' in of ? of.event.kind : of.kind
  return isGiftWrapKind(kind) ? `wraps ${of.owner}` : of.owner
}

type CountedLog = Pick<EventLog, 'changedDocuments' | 'documents' | 'ownerLog' | 'load'>

/** What the log keeps for a key, gift wraps apart. */
async function countUsage(log: CountedLog, owner: string, kinds: readonly number[]): Promise<Usage> {
  const usage = { bytes: 0, documents: 0 }
  for await (const page of log.changedDocuments(owner, 0)) {
    const own = page.map(({ address }) => address).filter((address) => ownerOfAddress(address) === owner)
    for (const record of await log.documents(own)) {
      if (record === undefined) continue
      usage.bytes += record.byteCount
      usage.documents++
    }
  }
  const others = kinds.filter((kind) => !isDocumentKind(kind) && !isGiftWrapKind(kind))
  usage.bytes += await countBytes(log, owner, others)
  return usage
}

/** Bytes of the events of some kinds that are an owner's. */
async function countBytes(log: CountedLog, owner: string, kinds: readonly number[]): Promise<number> {
  let bytes = 0
  for (const kind of kinds) {
    for await (const page of loadInPages(log, log.ownerLog(owner, kind, 0, Number.MAX_SAFE_INTEGER))) {
      for (const { json } of page) bytes += json === undefined ? 0 : utf8Length(json)
    }
  }
  return bytes
}
