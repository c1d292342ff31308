import { join } from 'node:path'
import type { SyncStore } from '@onyx-sync/client'
import { atMost, type Bench, reported } from './bench.js'
import { createAccount, openDevice, startServer, untilSynced } from './devices.js'
import { createWireMeter } from './wire-meter.js'

/** A device that has everything comes back: what that costs, however much there is. */
export const reconnect: Bench = {
  name: 'reconnect',
  summary: 'a device with 1,000 chats reconnects, and nothing has changed',
  async run({ directory, isQuick, progress }) {
    const chats = isQuick ? 100 : 1_000
    const signer = createAccount()
    const server = await startServer(join(directory, 'server'))
    const { port } = server.address ?? { port: 0 }
    const filler = await openDevice(directory, 'device', { signer, url: server.url })
    for (let chat = 0; chat < chats; chat++) {
      progress(`chat ${chat} of ${chats}`)
      const { address } = await filler.chats.create({ title: `chat ${chat}` })
      await filler.chats.send(address, 'hello')
    }
    progress('sending')
    filler.connect()
    await untilSynced(filler)
    // Once more, so that what it sent has come back to it.
    filler.disconnect()
    filler.connect()
    await untilSynced(filler)
    await filler.close()
    await server.close()

    const meter = await createWireMeter(`ws://127.0.0.1:${port}/sync`)
    const again = await startServer(join(directory, 'server'), port, meter.url)
    let documentsRead = 0
    const wrap = (store: SyncStore): SyncStore => ({
      ...store,
      loadUpdates(address) {
        documentsRead++
        return store.loadUpdates(address)
      },
    })
    const device = await openDevice(directory, 'device', { signer, url: meter.url, wrap })
    const startedAt = performance.now()
    device.connect()
    await untilSynced(device)
    const milliseconds = performance.now() - startedAt
    const { up, down } = meter.bytes
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    const hotBytes = Number(/^onyx_sync_merged_state_bytes (\d+)/m.exec(metrics)?.[1])
    await device.close()
    await meter.close()
    await again.close()
    return [
      atMost('on the wire after the handshake, both directions', up + down, 1_536, 'bytes'),
      atMost('documents loaded on the device', documentsRead, 0, ''),
      atMost('documents loaded on the server', hotBytes, 0, 'bytes'),
      reported('from dialling to caught up', milliseconds, 'ms'),
    ]
  },
}
