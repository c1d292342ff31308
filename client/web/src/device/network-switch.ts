import type { SyncClient } from '@onyx-sync/client'
import { keptValues } from './kept-values.js'
import type { Slot } from './slot.js'

/** Lets a person take this device off the network, to see what happens. */
export interface NetworkSwitch {
  readonly isOn: boolean
  set(isOn: boolean): void
  /** Forgets how it was, for the next account. */
  forget(): void
  subscribe(listener: () => void): () => void
}

/**
 * Connects at once, unless it was switched off before: neither a reload nor another tab switches it on again. All tabs of
 * the device have one switch.
 */
export function createNetworkSwitch(client: SyncClient, slot: Slot): NetworkSwitch {
  const name = `onyx-sync.offline${slot.suffix}`
  const listeners = new Set<() => void>()
  const isKeptOn = () => keptValues.get(name) === undefined
  let isOn = isKeptOn()
  if (isOn) client.connect()

  /** Where the browser refuses it, it holds for as long as local storage has it. */
  function keep(value: string | undefined): void {
    keptValues.set([name, value]).catch(() => {})
  }

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
      keep(next ? undefined : 'yes')
      if (next) client.connect()
      else client.disconnect()
      show(next)
    },
    forget: () => keep(undefined),
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
