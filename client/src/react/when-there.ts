import { SyncError } from '@onyx-sync/shared'
import type { SyncClient } from '../client-api.js'

/**
 * Whether something that failed may work by now, as the client's status is: asked after each change of it. A chat that
 * wasn't there may have come; a server that was out of reach may answer on a new connection. What fails on a connection
 * isn't asked for again on the same one.
 */
export function createRetry(client: SyncClient, chat: string) {
  let wasLive = client.status.connection === 'live'
  return (error: SyncError): boolean => {
    const isLive = client.status.connection === 'live'
    const isNewlyLive = isLive && !wasLive
    wasLive = isLive
    if (error.code === 'DOCUMENT_NOT_FOUND') return isKnown(client, chat)
    if (error.code === 'STORE_FAILED') return true
    return isNewlyLive && error.retryable
  }
}

function isKnown(client: SyncClient, chat: string): boolean {
  try {
    client.chats.addressOf(chat)
    return true
  } catch (error) {
    return !(error instanceof SyncError)
  }
}
