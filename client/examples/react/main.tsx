import { wakeOnPlatformEvents } from '@onyx-sync/client'
import { openSharedClient } from '@onyx-sync/client/browser'
import { SyncProvider } from '@onyx-sync/client/react'
import { generateSecretKey } from 'nostr-tools/pure'
import { PlainKeySigner } from 'nostr-tools/signer'
import { bytesToHex, hexToBytes } from 'nostr-tools/utils'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ChatApp } from './chat-app.js'

/** A device that all tabs of this browser share, its key beside it. The same key elsewhere is the same account. */
async function openDevice() {
  const key = localStorage.getItem('key') ?? bytesToHex(generateSecretKey())
  localStorage.setItem('key', key)
  const client = await openSharedClient({
    name: 'chats',
    signer: new PlainKeySigner(hexToBytes(key)),
    url: new URLSearchParams(location.search).get('sync') ?? 'ws://127.0.0.1:7447/sync',
  })
  client.connect()
  wakeOnPlatformEvents(() => client.wake())
  return client
}

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <SyncProvider client={openDevice()}>
      <ChatApp />
    </SyncProvider>
  </StrictMode>,
)
