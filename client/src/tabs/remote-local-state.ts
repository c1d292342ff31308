import { getOrCreate } from '@onyx-sync/shared'
import type { LocalState } from '../model/local-state.js'
import type { TabLink } from './link.js'

interface Known {
  read: number | undefined
  draft: string
}

/** What this device alone knows of chats, in a tab that hasn't the database: what is set here holds at once. */
export interface RemoteLocalState extends LocalState {
  /** Takes in what the tab that leads knows: address, how many were read, draft. */
  take(locals: readonly (readonly [string, number | null, string])[]): void
}

/** `seenLocal` says up to which call of this tab the tab that leads has taken in what was set here. */
export function createRemoteLocalState(link: TabLink, seenLocal: () => number): RemoteLocalState {
  const known = new Map<string, Known>()
  const listeners = new Set<(address: string) => void>()

  const of = (address: string) => getOrCreate(known, address, () => ({ read: undefined, draft: '' }))
  const tell = (address: string) => {
    for (const listener of [...listeners]) listener(address)
  }

  function set(kind: 'read' | 'draft', address: string, value: string): void {
    // The status tells of a disk that fails; who waits for it flushes.
    link.call('local', [kind, address, value], 'kept').catch(() => {})
    tell(address)
  }

  return {
    readCount: (address) => known.get(address)?.read,
    draft: (address) => known.get(address)?.draft ?? '',
    known: () => [...known.keys()],
    setReadCount(address, count) {
      const entry = of(address)
      if (entry.read === count) return
      entry.read = count
      set('read', address, String(count))
    },
    setDraft(address, text) {
      const entry = of(address)
      if (entry.draft === text) return
      entry.draft = text
      set('draft', address, text)
    },
    // Where the database is.
    takeAllForRead: async () => {},
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    take(locals) {
      // What was set here and is on its way there comes after what is told now.
      const ours = new Set(
        link
          .unkept()
          .flatMap(({ id, method, args }) =>
            method === 'local' && id > seenLocal() ? [`${args[0]} ${args[1]}`] : [],
          ),
      )
      for (const [address, read, draft] of locals) {
        const entry = of(address)
        const before = { ...entry }
        if (!ours.has(`read ${address}`)) entry.read = read ?? undefined
        if (!ours.has(`draft ${address}`)) entry.draft = draft
        if (entry.read !== before.read || entry.draft !== before.draft) tell(address)
      }
    },
  }
}
