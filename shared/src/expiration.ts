import { SyncError } from './errors.js'
import type { NostrEvent } from './event.js'

const SECONDS = /^\d{1,15}$/

/**
 * When an event expires, Unix seconds; undefined where it doesn't. Throws `EVENT_TAGS_INVALID` for a tag that says no
 * time. Source: NIP-40.
 */
export function expirationOf({ tags }: Pick<NostrEvent, 'tags'>): number | undefined {
  const tag = tags.find(([name]) => name === 'expiration')
  if (tag === undefined) return undefined
  if (!SECONDS.test(tag[1] ?? '')) {
    throw new SyncError('EVENT_TAGS_INVALID', 'an expiration tag holds whole Unix seconds')
  }
  return Number(tag[1])
}

/** Whether an event that was checked when it was stored has expired: at its second, not after it. */
export function isExpired(event: Pick<NostrEvent, 'tags'>, nowMs: number): boolean {
  const tag = event.tags.find(([name]) => name === 'expiration')
  return tag !== undefined && Number(tag[1]) * 1000 <= nowMs
}
