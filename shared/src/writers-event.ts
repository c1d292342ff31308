import { isCanonicalAddress } from './address.js'
import { SyncError } from './errors.js'
import type { EventTemplate, NostrEvent } from './event.js'
import { isHex64 } from './hex.js'
import { KIND } from './kinds.js'
import type { Limits } from './limits.js'

/** Whose the Yjs client ids of a document are, or some of them. */
export interface DocumentWriters {
  readonly address: string
  /** Client ids, 32 bits, by public key; each client id once. */
  readonly writers: Readonly<Record<string, readonly number[]>>
}

/**
 * A writers event, ready for the server to sign. How large it may be is for the caller to mind. Throws
 * `VALUE_INVALID` for what can't be read back. Source: SPEC ATT1.
 */
export function createWritersTemplate({
  documents,
  createdAt,
}: {
  /** At least one, each address once. */
  readonly documents: readonly DocumentWriters[]
  /** Unix seconds. */
  readonly createdAt: number
}): EventTemplate {
  const addresses = new Set(documents.map(({ address }) => address))
  if (documents.length === 0 || addresses.size < documents.length || !documents.every(isDocumentWriters)) {
    throw new SyncError('VALUE_INVALID', 'a writers event has at least one document, and each once')
  }
  return {
    kind: KIND.writers,
    created_at: createdAt,
    tags: documents.map(({ address }) => ['a', address]),
    content: JSON.stringify(documents.map(({ address, writers }) => ({ address, writers }))),
  }
}

/**
 * What a writers event says whose id and signature hold, and whose author is the server: neither is looked at here.
 * Unknown fields are left out. Throws `KIND_NOT_ACCEPTED`, `EVENT_TAGS_INVALID`, `EVENT_MALFORMED` or `TOO_LARGE`.
 * Source: SPEC ATT1.
 */
export function parseWritersEvent(
  event: NostrEvent,
  limits: Pick<Limits, 'maxEventBytes'>,
): DocumentWriters[] {
  if (event.kind !== KIND.writers) {
    throw new SyncError('KIND_NOT_ACCEPTED', `a writers event has kind ${KIND.writers}, not ${event.kind}`)
  }
  if (event.content.length > limits.maxEventBytes) {
    throw new SyncError('TOO_LARGE', `a writers event has at most ${limits.maxEventBytes} bytes`)
  }
  const addresses = event.tags.filter(([name]) => name === 'a').map((tag) => tag[1] ?? '')
  if (addresses.length === 0 || new Set(addresses).size < addresses.length) {
    throw new SyncError('EVENT_TAGS_INVALID', 'a writers event has one a tag for each document')
  }
  const values = parseArray(event.content)
  if (values.length !== addresses.length) {
    throw new SyncError('EVENT_MALFORMED', `${addresses.length} a tags name ${values.length} documents`)
  }
  return values.map((value, index) => {
    if (!isDocumentWriters(value) || value.address !== addresses[index]) {
      throw new SyncError(
        'EVENT_MALFORMED',
        `entry ${index} does not say whose the client ids of its document are`,
      )
    }
    return { address: value.address, writers: value.writers }
  })
}

function isDocumentWriters(value: unknown): value is DocumentWriters {
  const { address, writers } = (value ?? {}) as Partial<Record<keyof DocumentWriters, unknown>>
  if (!isCanonicalAddress(address) || typeof writers !== 'object' || writers === null) return false
  if (!Object.keys(writers).every(isHex64)) return false
  const lists: unknown[] = Object.values(writers)
  if (!lists.every(Array.isArray)) return false
  const ids = lists.flat() as unknown[]
  return ids.every(isClientId) && new Set(ids).size === ids.length
}

function isClientId(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32
}

function parseArray(content: string): unknown[] {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch {
    // Said below.
  }
  if (Array.isArray(value)) return value
  throw new SyncError('EVENT_MALFORMED', 'the content of a writers event is a JSON array')
}
