import type { SyncClient } from '@onyx-sync/client'
import type { Slot } from './slot.js'

/** Lets a person take this device off the network, to see what happens. */
export interface NetworkSwitch {
  readonly isOn: boolean
  set(isOn: boolean): void
  subscribe(listener: () => void): () => void
}

/** Connects at once, unless it was switched off in this tab before: a reload doesn't switch it on again. */
export function createNetworkSwitch(client: SyncClient, slot: Slot): NetworkSwitch {
  const name = `onyx-sync.offline${slot.suffix}`
  const listeners = new Set<() => void>()
  let isOn = sessionStorage.getItem(name) === null
  if (isOn) client.connect()
  return {
    get isOn() {
      return isOn
    },
    set(next) {
      if (next === isOn) return
      isOn = next
      if (isOn) {
        sessionStorage.removeItem(name)
        client.connect()
      } else {
        sessionStorage.setItem(name, 'yes')
        client.disconnect()
      }
      for (const listener of [...listeners]) listener()
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
