import { type NostrEvent, normalizeRelayUrl, SyncError, tagValues } from '@onyx-sync/shared'

const ALL_RELAYS = 'ALL_RELAYS'

/**
 * Throws for a request to vanish that is for other servers, or for a time that hasn't come: until then this key could
 * publish nothing. Source: NIP-62, SPEC VAN1.
 */
export function checkVanish(event: NostrEvent, relayUrls: readonly string[], latestSeconds: number): void {
  const named = tagValues(event, 'relay')
  const own = relayUrls.map(normalizeRelayUrl)
  if (!named.some((url) => url === ALL_RELAYS || own.includes(normalizeRelayUrl(url)))) {
    throw new SyncError(
      'EVENT_TAGS_INVALID',
      `the relay tag names ${named[0] ?? 'nothing'}, this server is ${relayUrls[0]}; ${ALL_RELAYS} stands for every one`,
    )
  }
  if (event.created_at > latestSeconds) {
    throw new SyncError('EVENT_TAGS_INVALID', 'created_at of a request to vanish lies in the future')
  }
}

/** Throws for an event that its author wanted gone before it came. Source: NIP-62, SPEC VAN3. */
export function assertNotVanished(event: NostrEvent, until: number | undefined): void {
  if (until === undefined || event.created_at > until) return
  throw new SyncError(
    'DELETED',
    `this key asked to vanish at ${until}: what was signed up to then was deleted, and is not taken again`,
  )
}
