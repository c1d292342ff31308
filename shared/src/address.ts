import { SyncError } from './errors.js'
import { isHex64 } from './hex.js'
import { type DocumentKind, isDocumentKind, KIND, SETTINGS_IDENTIFIER } from './kinds.js'
import { DEFAULT_LIMITS } from './limits.js'

/** What names one document: the parts of a NIP-01 `a` tag value. */
export interface DocumentAddress {
  readonly kind: DocumentKind
  /** The owner's public key, 64 lower-case hex characters. */
  readonly owner: string
  /** The chat's id, 1–128 characters; empty for settings. */
  readonly identifier: string
}

/** `30001:<owner>:<chat id>` or `10001:<owner>:` (NIP-01 `a`-tag form). */
export function formatAddress(address: DocumentAddress): string {
  return `${address.kind}:${address.owner}:${address.identifier}`
}

const LONE_SURROGATE = /[\ud800-\udfff]/u

/** The address of a chat. Throws `VALUE_INVALID` if the id is empty or longer than 128 characters. */
export function chatAddress(owner: string, chatId: string): DocumentAddress {
  if (chatId.length < 1 || chatId.length > DEFAULT_LIMITS.maxIdentifierLength) {
    throw new SyncError(
      'VALUE_INVALID',
      `a chat id has 1–${DEFAULT_LIMITS.maxIdentifierLength} characters, this one ${chatId.length}`,
    )
  }
  if (LONE_SURROGATE.test(chatId)) {
    throw new SyncError('VALUE_INVALID', 'a chat id is well-formed Unicode; this one has half a character')
  }
  return { kind: KIND.chat, owner, identifier: chatId }
}

/** The address of an account's settings. */
export function settingsAddress(owner: string): DocumentAddress {
  return { kind: KIND.settings, owner, identifier: '' }
}

/** The value of the `d` tag that events of this document carry. */
export function addressToDTag(address: DocumentAddress): string {
  return address.kind === KIND.settings ? SETTINGS_IDENTIFIER : address.identifier
}

/** Reads `kind:owner:identifier`. Returns undefined for anything that doesn't name a document. */
export function parseAddress(text: string): DocumentAddress | undefined {
  const first = text.indexOf(':')
  const second = text.indexOf(':', first + 1)
  if (first < 0 || second < 0) return undefined
  const kindText = text.slice(0, first)
  const kind = Number(kindText)
  const owner = text.slice(first + 1, second)
  const identifier = text.slice(second + 1)
  if (String(kind) !== kindText || !isDocumentKind(kind) || !isHex64(owner)) return undefined
  if (kind === KIND.settings) return identifier === '' ? { kind, owner, identifier } : undefined
  if (identifier.length < 1 || identifier.length > DEFAULT_LIMITS.maxIdentifierLength) return undefined
  return { kind, owner, identifier }
}

/** The owner named in an address: 64 lower-case hex characters. */
export function ownerOfAddress(address: string): string {
  return address.slice(address.indexOf(':') + 1, address.lastIndexOf(':', address.indexOf(':') + 65))
}

/** Whether this is the text of a document's address, in the one form that it has. */
export function isCanonicalAddress(value: unknown): value is string {
  if (typeof value !== 'string' || LONE_SURROGATE.test(value)) return false
  const address = parseAddress(value)
  return address !== undefined && formatAddress(address) === value
}
