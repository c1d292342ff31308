import type { Slot } from '../device/slot.js'
import { createEchoModel } from './echo-model.js'
import { createEndpointModel } from './endpoint-model.js'
import type { Model } from './model.js'

/** What is set for all devices of an account: where the model is, and its name. Never a key. */
export interface ModelPreferences {
  readonly modelUrl?: string
  readonly activeModel?: string
}

/** API keys of this device, each for one place: what another device sets as the place never gets this one's key. */
export function createApiKeys(slot: Slot) {
  const nameOf = (url: string) => `onyx-sync.api-key${slot.suffix}.${url}`
  return {
    get: (url: string): string => localStorage.getItem(nameOf(url)) ?? '',
    set(url: string, key: string): void {
      if (key === '') localStorage.removeItem(nameOf(url))
      else localStorage.setItem(nameOf(url), key)
    },
  }
}

const echo = createEchoModel()

/** The model that answers on this device now: the echo, unless an endpoint is set. */
export function chosenModel({ modelUrl, activeModel }: ModelPreferences, slot: Slot): Model {
  if (!modelUrl || !activeModel) return echo
  return createEndpointModel({ url: modelUrl, model: activeModel, apiKey: createApiKeys(slot).get(modelUrl) })
}
