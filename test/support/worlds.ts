import type { SyncClient, SyncStore } from '@onyx-sync/client'
import {
  DEFAULT_LIMITS,
  decodeUpdateEvent,
  formatAddress,
  isDocumentKind,
  type NostrEvent,
} from '@onyx-sync/shared'
import { createWorld, type World, type WorldDevice, type WorldOptions } from '@onyx-sync/testing'
import * as Y from 'yjs'

/** A world with its server up and its devices started and caught up. `cast`: account to names of devices. */
export async function startWorld(
  seed: string,
  cast: Readonly<Record<string, readonly string[]>>,
  options: Partial<WorldOptions> = {},
): Promise<World> {
  const world = createWorld({ seed, ...options })
  for (const [account, names] of Object.entries(cast))
    for (const name of names) world.addDevice(name, account)
  world.startServer()
  for (const device of world.devices) device.start()
  await world.advance(10_000)
  return world
}

/** A device by its name. */
export function deviceOf(world: World, name: string): WorldDevice {
  const device = world.devices.find((candidate) => candidate.name === name)
  if (device === undefined) throw new Error(`there is no device ${name}`)
  return device
}

/** The running client of a device. */
export function clientOf(world: World, name: string): SyncClient {
  const { client } = deviceOf(world, name)
  if (client === undefined) throw new Error(`${name} is not running`)
  return client
}

/** Lets time pass until a call has ended. */
export async function during<T>(world: { advance(ms: number): Promise<void> }, call: Promise<T>): Promise<T> {
  let isDone = false
  const ended = () => {
    isDone = true
  }
  call.then(ended, ended)
  for (let round = 0; round < 10_000 && !isDone; round++) await world.advance(20)
  if (!isDone) throw new Error('a call did not end')
  return call
}

/** A document as a store has it. */
export async function storedDocument(store: SyncStore, address: string): Promise<Y.Doc> {
  const doc = new Y.Doc()
  for (const { update } of await store.loadUpdates(address)) Y.applyUpdate(doc, update)
  return doc
}

/** A document as the server's log has it. */
export async function serverDocument({ serverDisk }: World, address: string): Promise<Y.Doc> {
  const doc = new Y.Doc()
  for (const event of await serverEvents(serverDisk.contents)) {
    if (!isDocumentKind(event.kind)) continue
    const decoded = decodeUpdateEvent(event, DEFAULT_LIMITS)
    if (formatAddress(decoded.address) === address) Y.applyUpdate(doc, decoded.framed.update)
  }
  return doc
}

/** All events in the server's log, oldest first. */
export async function serverEvents(log: World['serverDisk']['contents']): Promise<NostrEvent[]> {
  const events: NostrEvent[] = []
  for (let seq = 1; seq <= log.head; seq++) {
    const [json] = await log.load([seq])
    if (json !== undefined) events.push(JSON.parse(json) as NostrEvent)
  }
  return events
}

/** The text of a chat's messages. */
export function textsOf(doc: Y.Doc): string[] {
  return doc
    .getArray<Y.Map<unknown>>('messages')
    .toArray()
    .map((message) => String(message.get('content')))
}

/** Settings of devices whose logs are soon too large, and that send each edit at once. */
export const SMALL_LOGS = {
  checkpoints: { minLogBytes: 4_000, ratio: 2, waitMs: 100 },
  compaction: { minBytes: 16_384, ratio: 1 },
  batching: { intervalMs: 0 },
  maxSignMs: () => 0,
}
