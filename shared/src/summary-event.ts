import { isCanonicalAddress } from './address.js'
import { SyncError } from './errors.js'
import type { EventTemplate, NostrEvent } from './event.js'
import { KIND } from './kinds.js'
import type { Limits } from './limits.js'

/** A document as a list shows it, without its body. */
export interface DocumentSummary {
  readonly address: string
  /** Cut to {@link MAX_SUMMARY_TITLE_LENGTH}; empty where there is none. */
  readonly title: string
  /** Milliseconds since the Unix epoch, as the document says; 0 where it doesn't. */
  readonly createdAt: number
  /** Time of the newest message, else of the document. Milliseconds. */
  readonly lastActivity: number
  /** Messages, each id once. */
  readonly messages: number
  /** Size of the merged state. */
  readonly bytes: number
  readonly archived: boolean
  /** Whether its metadata marks it as deleted. */
  readonly deleted: boolean
}

/** Characters of a title in a summary. A document may have a longer one. */
export const MAX_SUMMARY_TITLE_LENGTH = 512

/**
 * A summary event, ready for the server to sign. How large it may be is for the caller to mind. Throws
 * `VALUE_INVALID` for summaries that can't be read back. Source: SPEC SUM1.
 */
export function createSummaryTemplate({
  documents,
  createdAt,
}: {
  /** At least one, each address once. */
  readonly documents: readonly DocumentSummary[]
  /** Unix seconds. */
  readonly createdAt: number
}): EventTemplate {
  const addresses = new Set(documents.map(({ address }) => address))
  if (documents.length === 0 || addresses.size < documents.length || !documents.every(isSummary)) {
    throw new SyncError('VALUE_INVALID', 'a summary event has at least one document, and each once')
  }
  return {
    kind: KIND.summary,
    created_at: createdAt,
    tags: documents.map(({ address }) => ['a', address]),
    content: JSON.stringify(documents.map(pick)),
  }
}

/**
 * The summaries of an event whose id and signature hold, and whose author is the server: neither is looked at
 * here. Unknown fields are left out. Throws `KIND_NOT_ACCEPTED`, `EVENT_TAGS_INVALID`, `SUMMARY_INVALID` or
 * `TOO_LARGE`. Source: SPEC SUM1.
 */
export function parseSummaryEvent(event: NostrEvent, limits: Limits): DocumentSummary[] {
  if (event.kind !== KIND.summary) {
    throw new SyncError('KIND_NOT_ACCEPTED', `a summary has kind ${KIND.summary}, this event ${event.kind}`)
  }
  const addresses = event.tags.filter(([name]) => name === 'a').map((tag) => tag[1] ?? '')
  if (addresses.length > limits.maxSummaryDocuments || event.content.length > limits.maxEventBytes) {
    throw new SyncError(
      'TOO_LARGE',
      `a summary event has at most ${limits.maxSummaryDocuments} documents and ${limits.maxEventBytes} bytes`,
    )
  }
  if (addresses.length === 0 || new Set(addresses).size < addresses.length) {
    throw new SyncError('EVENT_TAGS_INVALID', 'a summary event has one a tag for each document')
  }
  const values = parseList(event.content)
  if (values.length !== addresses.length) {
    throw new SyncError('SUMMARY_INVALID', `${addresses.length} a tags name ${values.length} summaries`)
  }
  return values.map((value, index) => {
    if (!isSummary(value) || value.address !== addresses[index]) {
      throw new SyncError('SUMMARY_INVALID', `summary ${index} is not one of the document in its a tag`)
    }
    return pick(value)
  })
}

/** Whether this can be sent, and read back, as a summary. */
export function isSummary(value: unknown): value is DocumentSummary {
  if (typeof value !== 'object' || value === null) return false
  const { address, title, createdAt, lastActivity, messages, bytes, archived, deleted } =
    value as Partial<DocumentSummary>
  return (
    isCanonicalAddress(address) &&
    typeof title === 'string' &&
    title.length <= MAX_SUMMARY_TITLE_LENGTH &&
    Number.isFinite(createdAt) &&
    Number.isFinite(lastActivity) &&
    isCount(messages) &&
    isCount(bytes) &&
    typeof archived === 'boolean' &&
    typeof deleted === 'boolean'
  )
}

function parseList(content: string): unknown[] {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch {
    // Said below.
  }
  if (!Array.isArray(value)) {
    throw new SyncError('SUMMARY_INVALID', 'the content of a summary event is a JSON array')
  }
  return value
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function pick(summary: DocumentSummary): DocumentSummary {
  const { address, title, createdAt, lastActivity, messages, bytes, archived, deleted } = summary
  return { address, title, createdAt, lastActivity, messages, bytes, archived, deleted }
}
