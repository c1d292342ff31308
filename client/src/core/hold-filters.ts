import { addressToDTag, KIND, type Limits, parseAddress } from '@onyx-sync/shared'
import type { BodyState } from '../ports/store.js'
import type { Documents } from './documents-api.js'

/** What the one subscription asks for. `some`: settings and training data, and the chats that are here. */
export type Scope = 'all' | 'some'

/** Of a message to the server, for the names of chats. */
const MAX_NAMES_FRACTION = 0.5
const OTHER_KINDS = [KIND.settings, KIND.training, KIND.deletion, KIND.presence]
const ALL_KINDS = [KIND.chat, ...OTHER_KINDS]

/** Whether content of a document is on this device. */
export function isHere(body: BodyState | undefined): boolean {
  return body === 'held' || body === 'local'
}

/** Whether an address is a chat's. */
export function isChat(address: string): boolean {
  return parseAddress(address)?.kind === KIND.chat
}

/** Filters of the subscription for everything, without a cursor. */
export function scopeFilters(scope: Scope, documents: Documents, limits: Limits): Record<string, unknown>[] {
  if (scope === 'all') return [{ kinds: ALL_KINDS }]
  const names = new Set<string>()
  let bytes = 0
  for (const { address, body } of documents.list()) {
    const parsed = parseAddress(address)
    if (parsed?.kind !== KIND.chat || !isHere(body)) continue
    const name = addressToDTag(parsed)
    if (!names.has(name)) bytes += name.length * 3 + 3
    names.add(name)
  }
  const perFilter = limits.maxFilterValues
  const tooMany =
    names.size > perFilter * (limits.maxFilters - 1) || bytes > limits.maxMessageBytes * MAX_NAMES_FRACTION
  // What isn't held is left alone when it comes.
  if (tooMany) return [{ kinds: ALL_KINDS }]
  const all = [...names]
  const chunks: Record<string, unknown>[] = []
  for (let start = 0; start < all.length; start += perFilter) {
    chunks.push({ kinds: [KIND.chat], '#d': all.slice(start, start + perFilter) })
  }
  return [{ kinds: OTHER_KINDS }, ...chunks]
}
