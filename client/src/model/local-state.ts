import type { Journal } from '../core/journal.js'
import type { QueryRow } from '../ports/store.js'

/** What this device alone knows of a chat. None of it is ever sent. */
export interface LocalState {
  /** How many messages of the chat had been read here; undefined where nobody has looked at it. */
  readCount(address: string): number | undefined
  /** What was being written here; empty where nothing was. */
  draft(address: string): string
  /** Addresses of chats of which something is known. */
  known(): readonly string[]
  /** Takes note that so many messages were read, with the journal's next batch. */
  setReadCount(address: string, count: number): void
  /** Keeps what is being written, with the journal's next batch. */
  setDraft(address: string, text: string): void
  /**
   * Takes everything that is there for read, once in the life of a database: what a new device gets at first is not
   * news to its user. A no-op from then on.
   */
  takeAllForRead(load: () => Promise<readonly QueryRow[]>): Promise<void>
  /** Calls back when something of a chat changed. @returns a function that ends it */
  onChange(listener: (address: string) => void): () => void
}

const READ = 'read:'
const DRAFT = 'draft:'
const META_BASELINE = 'readBaseline'

/** `meta` as it was when the device was opened. */
export function createLocalState(journal: Journal, meta: Readonly<Record<string, string>>): LocalState {
  const values = new Map(
    Object.entries(meta).filter(([key]) => key.startsWith(READ) || key.startsWith(DRAFT)),
  )
  const listeners = new Set<(address: string) => void>()
  let hasBaseline = meta[META_BASELINE] !== undefined

  function set(prefix: string, address: string, value: string): void {
    const key = prefix + address
    if ((values.get(key) ?? '') === value) return
    values.set(key, value)
    journal.add({ meta: { [key]: value } })
    for (const listener of [...listeners]) listener(address)
  }

  return {
    readCount(address) {
      const value = values.get(READ + address)
      return value === undefined || value === '' ? undefined : Number(value)
    },
    draft: (address) => values.get(DRAFT + address) ?? '',
    known: () => [...new Set([...values.keys()].map((key) => key.slice(key.indexOf(':') + 1)))],
    setReadCount: (address, count) => set(READ, address, String(count)),
    setDraft: (address, text) => set(DRAFT, address, text),
    async takeAllForRead(load) {
      if (hasBaseline) return
      hasBaseline = true
      try {
        const rows = await load()
        for (const { id, message_count } of rows) {
          if (!values.has(READ + id)) set(READ, id, String(message_count))
        }
        // With the next batch: until then nothing has changed that it could be told from.
        journal.add({ meta: { [META_BASELINE]: 'taken' } })
      } catch {
        // The next time everything is there; what is in the journal by then is written with it.
        hasBaseline = false
      }
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
