import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { WebSocket } from 'ws'
import { createDoc, deviceOf } from './yjs-device.mjs'

/** A device of Hocuspocus's own provider, with a connection of its own; resolves once it is synced. */
export async function openDevice(url, name) {
  const document = createDoc()
  const websocketProvider = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: WebSocket })
  const provider = new HocuspocusProvider({ websocketProvider, name, document })
  provider.attach()
  await new Promise((resolve) => provider.on('synced', resolve))
  return deviceOf(document, {
    disconnect: () => websocketProvider.disconnect(),
    connect: () => void websocketProvider.connect(),
    destroy() {
      provider.destroy()
      websocketProvider.destroy()
    },
  })
}
