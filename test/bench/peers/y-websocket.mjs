import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import { createDoc, deviceOf } from './yjs-device.mjs'

/** A device of y-websocket's own provider; resolves once it is synced. */
export async function openDevice(url, name) {
  const doc = createDoc()
  // Without `disableBc`, devices of one process would tell each other past the server.
  const provider = new WebsocketProvider(url, name, doc, { WebSocketPolyfill: WebSocket, disableBc: true })
  await new Promise((resolve) => provider.on('sync', (isSynced) => isSynced && resolve()))
  return deviceOf(doc, provider)
}
