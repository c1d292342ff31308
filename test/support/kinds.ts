import type { NostrEvent } from '@onyx-sync/shared'
import { finalizeEvent, generateSecretKey } from 'nostr-tools/pure'
import { sign, type TestKey } from './events.js'

let clockSeconds = 1_764_100_000

/** A signed event of any kind. Each is a second newer than the one before, unless told otherwise. */
export function plainEvent(
  key: TestKey,
  kind: number,
  more: { readonly tags?: string[][]; readonly content?: string; readonly createdAt?: number } = {},
): NostrEvent {
  const { tags = [], content = '', createdAt = ++clockSeconds } = more
  return sign(key, { kind, created_at: createdAt, tags, content })
}

/** A gift wrap for a receiver, signed by a key that nobody keeps. */
export function giftWrap(
  receiver: TestKey,
  more: { readonly kind?: number; readonly tags?: string[][]; readonly createdAt?: number } = {},
): NostrEvent {
  const { kind = 1059, tags = [], createdAt = ++clockSeconds } = more
  const template = {
    ...{ kind, created_at: createdAt, content: 'sealed' },
    tags: [['p', receiver.publicKey], ...tags],
  }
  return JSON.parse(JSON.stringify(finalizeEvent(template, generateSecretKey()))) as NostrEvent
}

/** Kinds of every class, with those that are read by some only. */
export const EXTRA_KINDS = [0, 4, 6, 7, 1059, 10_002, 20_100, 21_059, 30_023] as const
