/** Event kinds of the wire contract. Source: docs/SPEC.md "Kinds". */
export const KIND = {
  /** Training data contribution. Regular event, stored. */
  training: 1,
  /** Deletion request (NIP-09). Stored, and served to who could read what it names. */
  deletion: 5,
  /** Request to vanish (NIP-62). Kept, and served to nobody. */
  vanish: 62,
  /** Settings update of one account: a Yjs update of the document `10001:<owner>:`. */
  settings: 10001,
  /** Chat update: a Yjs update of the document `30001:<owner>:<chat id>`. */
  chat: 30001,
  /** Presence in a document: a y-protocols awareness update. Ephemeral: forwarded, never stored. */
  presence: 20001,
  /** Merged states of documents, signed by a server's own key. Never stored as an event. */
  state: 20002,
  /** Summaries of documents, for a list without their bodies; signed by a server's own key. Never stored. */
  summary: 20003,
  /** Whose the Yjs client ids of documents are; signed by a server's own key. Never stored. */
  writers: 20004,
  /** Proof of key for one connection (NIP-42). Never stored or forwarded. */
  auth: 22242,
} as const

/** The kinds whose events carry Yjs updates of a document. */
export type DocumentKind = typeof KIND.chat | typeof KIND.settings

/** The `d` tag that every settings event carries. */
export const SETTINGS_IDENTIFIER = 'settings'

/**
 * Root types a document of each kind may have. Roots are created by name and never by an operation, so two
 * offline devices can't create them twice; anything else at the top level is refused.
 */
export const DOCUMENT_ROOTS: Readonly<Record<DocumentKind, readonly string[]>> = {
  [KIND.chat]: ['messages', 'metadata'],
  [KIND.settings]: ['preferences', 'features'],
}

/** Whether events of this kind carry updates of a document. */
export function isDocumentKind(kind: number): kind is DocumentKind {
  return kind === KIND.chat || kind === KIND.settings
}
