import { readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { SyncClient } from '@onyx-sync/client'
import { createSeededRandom } from '@onyx-sync/testing'
import type Database from 'better-sqlite3'
import * as Y from 'yjs'
import { atMost, type Bench, type BenchContext, reported } from './bench.js'
import { countingVerifier, createAccount, openDevice, startServer, untilSynced } from './devices.js'
import { createWireMeter } from './wire-meter.js'

/** What the server puts into one part of a long state. */
const PIECE_BYTES = 256 * 1024

/**
 * Edits that become one event. Months of editing are gone through in minutes here, so the usual pace would put
 * thousands into each; without it, what is edited while an event is under way still goes into the next.
 */
const EDITS_PER_EVENT = 10
const UNPACED = { intervalMs: 0 }

/** One chat is edited for long: whether what is kept of it stays in proportion to what it is. */
export const longChat: Bench = {
  name: 'long-chat',
  summary: '100,000 small edits of one chat on three devices, one of which misses the last half',
  async run(context) {
    const { directory, isQuick, progress } = context
    const edits = isQuick ? 1_000 : 100_000
    const signer = createAccount()
    const data = join(directory, 'server')
    const server = await startServer(data)
    const { port } = server.address ?? { port: 0 }
    const names = ['phone', 'laptop', 'tablet']
    const devices = await Promise.all(
      names.map((name) => openDevice(directory, name, { signer, url: server.url, batching: UNPACED })),
    )
    const [phone, laptop, tablet] = devices as [SyncClient, SyncClient, SyncClient]
    const { address } = await phone.chats.create({ title: 'long' })
    for (let index = 0; index < 20; index++) await phone.chats.send(address, `message ${index}`)
    // One after the other: the others must find the chat there.
    for (const device of devices) {
      device.connect()
      await untilSynced(device)
    }
    await edit(context, [phone, laptop, tablet], address, edits / 2, 0)
    for (const device of devices) await untilSynced(device)
    await tablet.close()
    await edit(context, [phone, laptop], address, edits / 2, edits / 2)
    for (const device of [phone, laptop]) await untilSynced(device)
    progress('waiting for the last checkpoint')
    await new Promise((resolve) => setTimeout(resolve, 15_000))
    const state = await stateOf(phone, address)
    await phone.close()
    await laptop.close()
    await server.close()

    const meter = await createWireMeter(`ws://127.0.0.1:${port}/sync`)
    const again = await startServer(data, port, meter.url)
    const verifier = countingVerifier()
    const late = await openDevice(directory, 'tablet', { signer, url: meter.url, verifier })
    late.connect()
    await untilSynced(late)
    const { down } = meter.bytes
    const isEqual = Buffer.compare(Buffer.from(await stateOf(late, address)), Buffer.from(state)) === 0
    await late.close()
    await meter.close()
    await again.close()
    if (!isEqual) throw new Error('the late device differs')
    const size = state.byteLength
    return [
      atMost('the server on disk, of the final state', directorySize(join(data, 'log')) / size, 4, '×'),
      atMost(
        'a device’s log in its rows, of the final state',
        rowBytes(join(directory, 'phone.db')) / size,
        3,
        '×',
      ),
      atMost('signatures that the late device checked', verifier.count, Math.ceil(size / PIECE_BYTES), ''),
      reported('received by the late device, of the final state', down / size, '×'),
      reported('final state', size / 1e3, 'kB'),
      reported('a device’s whole file', statSync(join(directory, 'phone.db')).size / 1e3, 'kB'),
    ]
  },
}

/** Edits here and there in twenty messages, by several devices in turn, as fast as the server takes them. */
async function edit(
  { progress }: BenchContext,
  devices: readonly SyncClient[],
  address: string,
  count: number,
  done: number,
): Promise<void> {
  const random = createSeededRandom(`edits ${done}`)
  const opened = await Promise.all(devices.map((device) => device.chats.open(address)))
  for (let index = 0; index < count; index++) {
    const turn = Math.floor(index / 50) % devices.length
    const { doc } = opened[turn] as (typeof opened)[0]
    const messages = doc.getArray<Y.Map<unknown>>('messages')
    const text = messages.get(random.below(messages.length)).get('content') as Y.Text
    if (text.length > 40 && random.chance(0.2)) text.delete(random.below(text.length - 10), 5)
    else text.insert(random.below(text.length + 1), random.pick(['word ', 'and ', 'so ', 'fixed ']))
    if (index % EDITS_PER_EVENT === EDITS_PER_EVENT - 1) await devices[turn]?.saved()
    if (index % 500 === 0) progress(`edit ${done + index}`)
  }
  for (const { release } of opened) release()
}

/** As it is stored: a chat that is open keeps what was deleted in it, to undo that. */
async function stateOf(client: SyncClient, address: string): Promise<Uint8Array> {
  const { doc, release } = await client.chats.open(address)
  const stored = new Y.Doc()
  Y.applyUpdate(stored, Y.encodeStateAsUpdate(doc))
  release()
  return Y.encodeStateAsUpdate(stored)
}

function directorySize(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
}

function rowBytes(file: string): number {
  const open = createRequire(import.meta.url)('better-sqlite3') as typeof Database
  const db = open(file, { readonly: true })
  try {
    return Number(db.prepare('select sum(length(data)) from sync_updates').pluck().get())
  } finally {
    db.close()
  }
}
