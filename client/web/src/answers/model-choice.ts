import { keptValues } from '../device/kept-values.js'
import type { Slot } from '../device/slot.js'
import { ECHO_NAME, type Model } from './model.js'

/** What is set for all devices of an account: where the model is, and its name. Never a key. */
export interface ModelPreferences {
  readonly modelUrl?: string
  readonly activeModel?: string
}

/** API keys of this device, each for one place: what another device sets as the place never gets this one's key. */
export function createApiKeys(slot: Slot) {
  const prefix = `onyx-sync.api-key${slot.suffix}.`
  const nameOf = (url: string) => prefix + url
  return {
    get: (url: string): string => keptValues.get(nameOf(url)) ?? '',
    /** On the disk when it resolves. Rejects with `STORE_FAILED`. */
    set: (url: string, key: string): Promise<void> =>
      keptValues.set([nameOf(url), key === '' ? undefined : key]),
    /** Forgets all of them. */
    async forget(): Promise<void> {
      // Those of the devices in frames have more before their address.
      const names = keptValues.names().filter((name) => name.startsWith(`${prefix}http`))
      if (names.length > 0) await keptValues.set(...names.map((name) => [name, undefined] as const))
    },
  }
}

/** Models are loaded when somebody wants an answer: whoever only reads doesn't wait for them. */
function lazily(name: string, load: () => Promise<Model>): Model {
  return {
    name,
    async *answer(messages, signal) {
      yield* (await load()).answer(messages, signal)
    },
  }
}

const echo = lazily(ECHO_NAME, async () => (await import('./echo-model.js')).createEchoModel())

/** The model that answers on this device now: the echo, unless an endpoint is set. */
export function chosenModel({ modelUrl, activeModel }: ModelPreferences, slot: Slot): Model {
  if (!modelUrl || !activeModel) return echo
  const endpoint = { url: modelUrl, model: activeModel, apiKey: createApiKeys(slot).get(modelUrl) }
  return lazily(activeModel, async () => (await import('./endpoint-model.js')).createEndpointModel(endpoint))
}
