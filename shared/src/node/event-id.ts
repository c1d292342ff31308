import { hash } from 'node:crypto'
import type { NostrEvent } from '../event.js'

/** The id that NIP-01 gives an event, by Node's OpenSSL; undefined where a number is none that it could write. */
export function eventId({
  pubkey,
  created_at,
  kind,
  tags,
  content,
}: Omit<NostrEvent, 'id' | 'sig'>): string | undefined {
  if (!Number.isSafeInteger(created_at) || !Number.isSafeInteger(kind)) return undefined
  return hash('sha256', JSON.stringify([0, pubkey, created_at, kind, tags, content]), 'hex')
}
