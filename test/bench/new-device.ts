import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import type { SyncClient } from '@onyx-sync/client'
import * as Y from 'yjs'
import { atMost, type Bench, type BenchContext, reported } from './bench.js'
import { countingVerifier, createAccount, openDevice, startServer, untilSynced } from './devices.js'
import { createWriter } from './text.js'
import { createWireMeter } from './wire-meter.js'

const MESSAGES_PER_CHAT = 40
const MESSAGE_LENGTH = 500
/** The account is written on several days: a chat's messages come in as many events. */
const DAYS = 8

/** A new device gets an account of many chats: what it costs on the wire, in signatures and in time. */
export const newDevice: Bench = {
  name: 'new-device',
  summary: '500 chats of 40 messages (10 MB of text) arrive on a new device',
  async run(context) {
    const { directory, isQuick } = context
    const chats = isQuick ? 50 : 500
    const signer = createAccount()
    const server = await startServer(join(directory, 'server'))
    const filler = await openDevice(directory, 'filler', { signer, url: server.url })
    await fill(filler, chats, context)
    const deflated = await deflatedSize(filler)
    await filler.close()
    const { port } = server.address ?? { port: 0 }
    await server.close()

    // A server that has just started: nothing is in memory.
    const meter = await createWireMeter(`ws://127.0.0.1:${port}/sync`)
    const again = await startServer(join(directory, 'server'), port, meter.url)
    const verifier = countingVerifier()
    const device = await openDevice(directory, 'new', { signer, url: meter.url, verifier })
    const seen = new Set<string>()
    device.onStatus(({ progress }) => {
      if (progress === undefined) return
      seen.add(`${progress.done}/${progress.total}`)
      context.progress(`received ${progress.done} of ${progress.total} documents`)
    })
    const startedAt = performance.now()
    device.connect()
    const listedSeconds = untilListed(device, chats).then(() => (performance.now() - startedAt) / 1000)
    await untilSynced(device)
    const seconds = (performance.now() - startedAt) / 1000
    const listed = (await device.chats.list()).length
    const { down } = meter.bytes
    await device.close()
    await meter.close()
    await again.close()
    if (listed !== chats) throw new Error(`${listed} of ${chats} chats arrived`)
    return [
      atMost('bytes received, of the deflated Yjs states', down / deflated, 1.1, '×'),
      atMost('signatures checked', verifier.count, 100, ''),
      reported('deflated Yjs states', deflated / 1e6, 'MB'),
      reported('received', down / 1e6, 'MB'),
      reported('steps of progress shown', seen.size, ''),
      reported('until the list of chats is there', await listedSeconds, 's'),
      reported('until everything is stored', seconds, 's'),
    ]
  },
}

/** Looks again and again, as a list on the screen does. */
async function untilListed(device: SyncClient, chats: number): Promise<void> {
  while ((await device.chats.list()).length < chats) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

const LOOK_MS = 20

async function fill(client: SyncClient, chats: number, { progress }: BenchContext): Promise<void> {
  const write = createWriter('new device')
  for (let day = 0; day < DAYS; day++) {
    client.disconnect()
    for (let chat = 0; chat < chats; chat++) {
      progress(`day ${day + 1} of ${DAYS}: chat ${chat} of ${chats}`)
      if (day === 0) await client.chats.create({ id: `chat-${chat}`, title: write(30) })
      const address = `30001:${client.pubkey}:chat-${chat}`
      const messages = Array.from({ length: MESSAGES_PER_CHAT / DAYS }, () => write(MESSAGE_LENGTH))
      await Promise.all(messages.map((text) => client.chats.send(address, text)))
    }
    client.connect()
    await untilSynced(client)
  }
}

/** What the documents take when each is encoded and deflated by itself. */
async function deflatedSize(client: SyncClient): Promise<number> {
  let total = 0
  for (const { address } of await client.chats.list()) {
    const { doc, release } = await client.chats.open(address)
    total += deflateRawSync(Y.encodeStateAsUpdate(doc)).byteLength
    release()
  }
  return total
}
