/**
 * Every error code of onyx-sync, with the machine-readable prefix that NIP-01 and NIP-42 give a refusal and
 * whether the same thing may succeed later without being changed. `docs/ERRORS.md` has a paragraph for each;
 * a test holds the two together.
 */
export const ERROR_CODES = {
  // What came over the wire
  MESSAGE_MALFORMED: { prefix: 'invalid', retryable: false },
  EVENT_MALFORMED: { prefix: 'invalid', retryable: false },
  EVENT_ID_MISMATCH: { prefix: 'invalid', retryable: false },
  EVENT_SIGNATURE_INVALID: { prefix: 'invalid', retryable: false },
  EVENT_TAGS_INVALID: { prefix: 'invalid', retryable: false },
  KIND_NOT_ACCEPTED: { prefix: 'blocked', retryable: false },
  EXPIRED: { prefix: 'invalid', retryable: false },
  DELETED: { prefix: 'blocked', retryable: false },
  REPLACED: { prefix: 'replaced', retryable: false },
  ENCODING_UNKNOWN: { prefix: 'invalid', retryable: false },
  UPDATE_INVALID: { prefix: 'invalid', retryable: false },
  PRESENCE_INVALID: { prefix: 'invalid', retryable: false },
  SUMMARY_INVALID: { prefix: 'invalid', retryable: false },
  TOO_LARGE: { prefix: 'invalid', retryable: false },
  FILTER_INVALID: { prefix: 'invalid', retryable: false },
  CURSOR_INVALID: { prefix: 'invalid', retryable: false },
  AUTH_REQUIRED: { prefix: 'auth-required', retryable: true },
  AUTH_INVALID: { prefix: 'invalid', retryable: false },
  AUTH_CLOCK_SKEW: { prefix: 'invalid', retryable: false },
  KEY_BLOCKED: { prefix: 'blocked', retryable: false },
  WRITE_RESTRICTED: { prefix: 'restricted', retryable: false },
  TOO_MANY_SUBSCRIPTIONS: { prefix: 'rate-limited', retryable: true },
  NEGENTROPY_TOO_LARGE: { prefix: 'blocked', retryable: false },
  NEGENTROPY_CLOSED: { prefix: 'closed', retryable: true },
  RATE_LIMITED: { prefix: 'rate-limited', retryable: true },
  QUOTA_EXCEEDED: { prefix: 'blocked', retryable: false },
  MERGE_FAILED: { prefix: 'error', retryable: true },
  STORE_FAILED: { prefix: 'error', retryable: true },
  SHUTTING_DOWN: { prefix: 'error', retryable: true },
  INTERNAL: { prefix: 'error', retryable: true },
  // Starting a server
  CONFIG_INVALID: { prefix: 'error', retryable: false },
  DATA_LOCKED: { prefix: 'error', retryable: true },
  DATA_FORMAT: { prefix: 'error', retryable: false },
  DATA_DAMAGED: { prefix: 'error', retryable: false },
  BACKUP_INVALID: { prefix: 'error', retryable: false },
  // A device
  CLIENT_CLOSED: { prefix: 'error', retryable: false },
  DATABASE_LOCKED: { prefix: 'error', retryable: true },
  TAB_OUTDATED: { prefix: 'error', retryable: false },
  TAB_SILENT: { prefix: 'error', retryable: true },
  DATABASE_NEWER: { prefix: 'error', retryable: false },
  DATABASE_UNREADABLE: { prefix: 'error', retryable: false },
  IDENTITY_MISMATCH: { prefix: 'error', retryable: false },
  SERVER_KEY_CHANGED: { prefix: 'error', retryable: true },
  EVENT_FORGED: { prefix: 'error', retryable: false },
  PLATFORM_LACKING: { prefix: 'error', retryable: false },
  RANDOM_WEAK: { prefix: 'error', retryable: false },
  KEY_INVALID: { prefix: 'error', retryable: false },
  SIGNER_FAILED: { prefix: 'error', retryable: true },
  CONNECTION_INSECURE: { prefix: 'error', retryable: false },
  CONNECTION_FAILED: { prefix: 'error', retryable: true },
  RELAY_UNSUITABLE: { prefix: 'error', retryable: false },
  DOCUMENT_NOT_FOUND: { prefix: 'error', retryable: false },
  DOCUMENT_NOT_HELD: { prefix: 'error', retryable: true },
  DOCUMENT_IN_USE: { prefix: 'error', retryable: true },
  MESSAGE_NOT_FOUND: { prefix: 'error', retryable: false },
  CONSENT_MISSING: { prefix: 'error', retryable: false },
  IMPORT_INVALID: { prefix: 'invalid', retryable: false },
  UNSAVED_EDITS: { prefix: 'error', retryable: true },
  VALUE_INVALID: { prefix: 'invalid', retryable: false },
} as const satisfies Record<string, { prefix: string; retryable: boolean }>

/** A stable code: programs may compare it. Messages are for people and may change. */
export type SyncErrorCode = keyof typeof ERROR_CODES

/** The one error class of onyx-sync. `message` says what was wrong and how to mend it. */
export class SyncError extends Error {
  readonly code: SyncErrorCode
  /** Whether the same thing, unchanged, may succeed later. */
  readonly retryable: boolean

  constructor(code: SyncErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'SyncError'
    this.code = code
    this.retryable = ERROR_CODES[code].retryable
  }

  /** The reason as the wire carries it: `"<prefix>: <message>"` (NIP-01). */
  get reason(): string {
    return `${ERROR_CODES[this.code].prefix}: ${this.message}`
  }
}

/** The error itself if it is a {@link SyncError}, else one with the given code that carries it as `cause`. */
export function toSyncError(error: unknown, code: SyncErrorCode = 'INTERNAL', message?: string): SyncError {
  if (error instanceof SyncError) return error
  const detail = error instanceof Error ? error.message : String(error)
  return new SyncError(code, message === undefined ? detail : `${message}: ${detail}`, { cause: error })
}
