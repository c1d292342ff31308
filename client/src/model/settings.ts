import { formatAddress, SyncError, settingsAddress } from '@onyx-sync/shared'
import type { Documents } from '../core/documents.js'
import type { JsonValue } from './json.js'
import { checkNoSecret } from './secrets.js'

/** An account's settings as plain JSON. */
export interface SettingsContent {
  readonly preferences: Readonly<Record<string, JsonValue>>
  /** One entry per feature or tool, so that two devices' toggles both survive. */
  readonly features: Readonly<Record<string, boolean>>
}

/**
 * The account's settings, one document for all devices. Two devices that set one key at the same time end up
 * with the same one of the two values. Edits resolve once durable on this device.
 */
export interface Settings {
  read(): Promise<SettingsContent>
  /** Sets a preference. `VALUE_INVALID` for what looks like a secret: those must never leave the device. */
  set(key: string, value: JsonValue): Promise<void>
  /** Removes a preference. Removing what isn't there is no error. */
  remove(key: string): Promise<void>
  /** Switches a feature or tool. */
  setFeature(name: string, isOn: boolean): Promise<void>
}

export function createSettings(pubkey: string, documents: Documents): Settings {
  const address = formatAddress(settingsAddress(pubkey))
  return {
    read: () =>
      documents.read(address, (doc) => ({
        preferences: sortKeys(doc.getMap('preferences').toJSON()),
        features: sortKeys(doc.getMap('features').toJSON()),
      })),

    async set(key, value) {
      checkKey(key)
      checkNoSecret(key, JSON.stringify(value))
      await documents.edit(address, (doc) => {
        const preferences = doc.getMap<unknown>('preferences')
        // Writing what is there already would only make the document grow (trap Y11).
        if (JSON.stringify(preferences.get(key)) !== JSON.stringify(value)) preferences.set(key, value)
      })
    },

    async remove(key) {
      await documents.edit(address, (doc) => doc.getMap('preferences').delete(key))
    },

    async setFeature(name, isOn) {
      checkKey(name)
      await documents.edit(address, (doc) => {
        const features = doc.getMap<unknown>('features')
        if (features.get(name) !== isOn) features.set(name, isOn)
      })
    },
  }
}

/** The order of a Y.Map's keys differs between devices; what is shown shouldn't. */
function sortKeys<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function checkKey(key: string): void {
  if (key.length < 1 || key.length > 128) {
    throw new SyncError('VALUE_INVALID', `a settings key has 1–128 characters, this one ${key.length}`)
  }
  if (key === '__proto__') throw new SyncError('VALUE_INVALID', 'a settings key can not be "__proto__"')
}
