import { formatAddress, type Random, SyncError, settingsAddress } from '@onyx-sync/shared'
import type * as Y from 'yjs'
import { createClientId } from '../core/client-id.js'
import type { ModelDocuments } from '../core/model-documents.js'
import type { RowReader } from '../ports/store.js'
import { isSameJson, type JsonValue, toJsonValue } from './json.js'
import type { RowFeed } from './row-feed.js'
import { checkNoSecret } from './secrets.js'
import { createView, endAll, type View } from './view.js'

/** Preferences as an app declares them: a value for each key. Interfaces, too, which have no index signature. */
export type AnyPreferences = Record<string, JsonValue>

/** An account's settings as plain JSON. */
export interface SettingsContent<P extends object = AnyPreferences> {
  readonly preferences: Readonly<Partial<P>>
  /** One entry per feature or tool, so that two devices' toggles both survive. */
  readonly features: Readonly<Record<string, boolean>>
}

/**
 * The account's settings, one document for all devices. Two devices that set one key at the same time end up
 * with the same one of the two values. Edits resolve once durable on this device.
 */
export interface Settings<P extends object = AnyPreferences> {
  /** The same settings, with the keys and types of an app: `settings.typed<{ activeModel: string }>()`. */
  typed<T extends object>(): Settings<T>
  read(): Promise<SettingsContent<P>>
  /** The settings, to be observed. */
  watch(): View<SettingsContent<P>>
  /** A preference; undefined where it isn't set. */
  get<K extends keyof P & string>(key: K): Promise<P[K] | undefined>
  /** Sets a preference. `VALUE_INVALID` for what looks like a secret: those must never leave the device. */
  set<K extends keyof P & string>(key: K, value: P[K]): Promise<void>
  /** Removes a preference. Removing what isn't there is no error. */
  remove(key: keyof P & string): Promise<void>
  /** Switches a feature or tool. */
  setFeature(name: string, isOn: boolean): Promise<void>
}

export interface SettingsParts {
  readonly pubkey: string
  readonly documents: ModelDocuments
  readonly store: RowReader
  readonly feed: RowFeed
  readonly random: Random
}

export function createSettings({ pubkey, documents, store, feed, random }: SettingsParts): Settings {
  const address = formatAddress(settingsAddress(pubkey))
  const writers = createWriters(random)

  /** Writing what is there already would only make the document grow (trap Y11). */
  async function set(section: 'preferences' | 'features', key: string, value: JsonValue): Promise<void> {
    await documents.edit(address, (doc) => {
      const map = doc.getMap<unknown>(section)
      if (isSameJson(map.get(key), value)) return
      writers.use(doc, `${section}/${key}`, () => map.set(key, value))
    })
  }

  async function readRows(): Promise<SettingsContent> {
    const rows = await store.loadRows('settings', { column: 'address', equals: address })
    const sections: Record<string, Record<string, JsonValue>> = { preferences: {}, features: {} }
    for (const { section, key, value } of rows) {
      const entries = sections[String(section)]
      if (entries !== undefined) entries[String(key)] = JSON.parse(String(value)) as JsonValue
    }
    return toContent(sections.preferences ?? {}, sections.features ?? {})
  }

  const read = () =>
    documents.read(address, (doc) =>
      toContent(doc.getMap('preferences').toJSON(), doc.getMap('features').toJSON()),
    )

  const settings: Settings = {
    typed: <T extends object>() => settings as unknown as Settings<T>,
    read,
    watch: () =>
      createView({
        read: readRows,
        listen: (refresh) => endAll(feed.onRows('settings', refresh), feed.onReset(refresh)),
      }),
    get: async (key) => (await read()).preferences[key],

    async set(key, value) {
      checkKey(key)
      const json = toJsonValue(value, `the setting ${JSON.stringify(key)}`)
      checkNoSecret(key, json)
      await set('preferences', key, json)
    },

    async remove(key) {
      await documents.edit(address, (doc) => doc.getMap('preferences').delete(key))
    },

    async setFeature(name, isOn) {
      checkKey(name)
      await set('features', name, isOn)
    },
  }
  return settings
}

/**
 * Gives each key of a loaded document a Yjs client id of its own to be written under. Of a value that was overwritten
 * Yjs keeps a mark, and joins marks only where their values followed each other under one client id: written in turn
 * under one id, two keys keep a mark for each write (trap Y11). So it is one mark for each key and loading.
 */
function createWriters(random: Random) {
  const idsByDocument = new WeakMap<Y.Doc, Map<string, number>>()
  return {
    /** Runs `write`, in a transaction of the document, under the key's client id. */
    use(doc: Y.Doc, key: string, write: () => void): void {
      const ids = idsByDocument.get(doc) ?? new Map<string, number>()
      idsByDocument.set(doc, ids)
      const own = doc.clientID
      const id = ids.get(key) ?? createClientId(random)
      ids.set(key, id)
      doc.clientID = id
      try {
        write()
      } finally {
        doc.clientID = own
      }
    },
  }
}

function toContent(
  preferences: Record<string, JsonValue>,
  features: Record<string, unknown>,
): SettingsContent {
  return { preferences: sortKeys(preferences), features: sortKeys(features as Record<string, boolean>) }
}

/** The order of a Y.Map's keys differs between devices; what is shown shouldn't. */
function sortKeys<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function checkKey(key: string): void {
  if (typeof key !== 'string' || key.length < 1 || key.length > 128) {
    throw new SyncError(
      'VALUE_INVALID',
      `a settings key has 1–128 characters, this one ${String(key).length}`,
    )
  }
  if (key === '__proto__') throw new SyncError('VALUE_INVALID', 'a settings key can not be "__proto__"')
}
