import { createMemoryStore, type SyncClient, type SyncStore } from '@onyx-sync/client'
import { createSeededRandom, createVirtualClock } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import { testKey } from './events.js'
import { openDevice } from './tab-client.js'

/** A device without a network, on a clock and a store that the test holds. */
export async function openOffline(
  options: { readonly store?: SyncStore; readonly seed?: string; readonly secretKey?: Uint8Array } = {},
) {
  const store = options.store ?? createMemoryStore()
  const clock = createVirtualClock(Date.UTC(2026, 0, 1))
  const client = await openDevice({
    store,
    signer: new PlainKeySigner(options.secretKey ?? testKey(1).secretKey),
    clock,
    random: createSeededRandom(options.seed ?? 'offline'),
  })
  return { store, clock, client }
}

/** A store that counts how often documents are loaded. */
export function countingLoads(store: SyncStore): { readonly store: SyncStore; readonly loads: string[] } {
  const loads: string[] = []
  return {
    loads,
    store: {
      ...store,
      loadUpdates(address) {
        loads.push(address)
        return store.loadUpdates(address)
      },
    },
  }
}

/** Waits until a view shows something, and what that fits. */
export function shows<T>(
  view: { getSnapshot(): T | undefined; subscribe(listener: () => void): () => void },
  fits: (value: T) => boolean = () => true,
): Promise<T> {
  return new Promise((resolve) => {
    const look = () => {
      const value = view.getSnapshot()
      if (value === undefined || !fits(value)) return
      queueMicrotask(() => stop())
      resolve(value)
    }
    const stop = view.subscribe(look)
    look()
  })
}

/** The text of a chat, as a device has it. */
export async function textsIn(client: SyncClient, chat: string): Promise<string[]> {
  return (await client.chats.read(chat)).messages.map(({ content }) => content)
}
