import type { SyncClient } from '@onyx-sync/client'
import { keptValues } from './kept-values.js'
import type { Slot } from './slot.js'

/** Lets a person take this device off the network, to see what happens. */
export interface NetworkSwitch {
  readonly isOn: boolean
  set(isOn: boolean): void
  subscribe(listener: () => void): () => void
}

/**
 * Connects at once, unless it was switched off before: neither a reload nor another tab switches it on again. All tabs of
 * the device have one switch.
 */
export function createNetworkSwitch(client: SyncClient, slot: Slot): NetworkSwitch {
  const name = nameOf(slot)
  const listeners = new Set<() => void>()
  const isKeptOn = () => keptValues.get(name) === undefined
  let isOn = isKeptOn()
  if (isOn) client.connect()

  function show(next: boolean): void {
    if (next === isOn) return
    isOn = next
    for (const listener of [...listeners]) listener()
  }

  addEventListener('storage', ({ key }) => key === name && show(isKeptOn()))
  return {
    get isOn() {
      return isOn
    },
    set(next) {
      // Where the browser refuses it, it holds for as long as local storage has it.
      keptValues.set([name, next ? undefined : 'yes']).catch(() => {})
      if (next) client.connect()
      else client.disconnect()
      show(next)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function nameOf({ suffix }: Slot): string {
  return `onyx-sync.offline${suffix}`
}

/** Forgets how it was, for the next account. Rejects with `STORE_FAILED`. */
export function forgetNetworkSwitch(slot: Slot): Promise<void> {
  return keptValues.set([nameOf(slot), undefined])
}
