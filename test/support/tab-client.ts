import { createSyncClient, type SyncClient, type SyncClientOptions } from '@onyx-sync/client'
import type { TabPorts } from '../../client/src/ports/tabs.js'
import { createSharedClient } from '../../client/src/shared-client.js'

const global = globalThis as { onyxSyncInATab?: boolean }

/** From here on tests open their clients in a tab that follows. */
export function useTabs(): void {
  global.onyxSyncInATab = true
}

/** Opens a device; where tests are to use tabs, as a tab sees it in which the database isn't. */
export function openDevice(options: SyncClientOptions): Promise<SyncClient> {
  return global.onyxSyncInATab === true ? openFollower(options) : createSyncClient(options)
}

/** Opens a device in one tab, and gives the client of another, which ends the first with itself. */
async function openFollower({ store, ...options }: SyncClientOptions): Promise<SyncClient> {
  const ports = createPorts()
  const leader = await createSharedClient({ ...options, tabs: ports(), openStore: async () => store })
  const follower = await createSharedClient({ ...options, tabs: ports(), openStore: async () => store })
  const closeOf = follower.close
  return Object.defineProperties(follower, {
    close: {
      async value() {
        await closeOf().finally(() => leader.close())
      },
    },
  })
}

function createPorts(): () => TabPorts {
  const members = new Set<(message: unknown) => void>()
  const held = new Map<string, (() => void)[]>()

  function grant(name: string, resolve: (letGo: () => void) => void): void {
    resolve(() => {
      const next = held.get(name)?.shift()
      if (next === undefined) held.delete(name)
      else next()
    })
  }

  return () => ({
    join(onMessage) {
      members.add(onMessage)
      return {
        post(message) {
          for (const other of members) {
            if (other === onMessage) continue
            const copy = structuredClone(message)
            setImmediate(() => members.has(other) && other(copy))
          }
        },
        close: () => members.delete(onMessage),
      }
    },
    lock: (name, signal) =>
      new Promise((resolve, reject) => {
        const queue = held.get(name)
        if (queue === undefined) {
          held.set(name, [])
          grant(name, resolve)
          return
        }
        const turn = () => grant(name, resolve)
        queue.push(turn)
        signal?.addEventListener('abort', () => {
          const at = queue.indexOf(turn)
          if (at >= 0) queue.splice(at, 1)
          reject(new Error('aborted'))
        })
      }),
    held: async () => [...held.keys()],
  })
}
