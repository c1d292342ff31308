import { SyncError } from '@onyx-sync/shared'
import type { ModerationChange, ModerationList, ModerationStore } from '../ports/moderation-store.js'

/** What the operator may set besides the lists. */
export type ModerationSetting = 'name' | 'description' | 'allow-list-only'

/** Who may use this server, as its operators decided. Looked up in memory, changed on disk first. */
export interface Moderation {
  /** The error for a key that may not use this server; undefined where it may. */
  whyNot(pubkey: string): SyncError | undefined
  isBlocked(ip: string): boolean
  isOperator(pubkey: string): boolean
  /** Entries of a list with the operator's reasons, by key. */
  list(list: Exclude<ModerationList, 'setting'>): { readonly key: string; readonly reason: string }[]
  setting(name: ModerationSetting): string | undefined
  /**
   * Changes lists and settings, all or none. When it resolves they are durable, and every connection that has lost
   * its right is closed. Rejects with `STORE_FAILED`; nothing has changed then.
   */
  change(changes: readonly ModerationChange[]): Promise<void>
  /** Has `enforce` called after each change. */
  onChange(enforce: () => void): void
}

/** Reads what was decided. `operators` are the keys that may decide: 64 lower-case hex characters. */
export async function createModeration(
  store: ModerationStore,
  operators: readonly string[],
): Promise<Moderation> {
  const lists = new Map<ModerationList, Map<string, string>>()
  const enforcers: (() => void)[] = []

  function entriesOf(list: ModerationList): Map<string, string> {
    const entries = lists.get(list) ?? new Map<string, string>()
    lists.set(list, entries)
    return entries
  }

  for (const { list, key, value } of await store.load()) entriesOf(list).set(key, value)

  return {
    whyNot(pubkey) {
      // Or an operator could lock everybody out, and nobody could undo it.
      if (operators.includes(pubkey)) return undefined
      const reason = entriesOf('banned').get(pubkey)
      if (reason !== undefined) {
        const because = reason === '' ? '' : `: ${reason}`
        return new SyncError('KEY_BLOCKED', `this key is banned here${because}`)
      }
      const isListOnly = entriesOf('setting').get('allow-list-only') === 'true'
      if (!isListOnly || entriesOf('allowed').has(pubkey)) return undefined
      return new SyncError('KEY_BLOCKED', "only keys on the operator's list may use this server")
    },
    isBlocked: (ip) => entriesOf('blocked-ip').has(ip),
    isOperator: (pubkey) => operators.includes(pubkey),
    list: (list) =>
      [...entriesOf(list)].map(([key, reason]) => ({ key, reason })).sort((a, b) => (a.key < b.key ? -1 : 1)),
    setting: (name) => entriesOf('setting').get(name),
    async change(changes) {
      await store.apply(changes)
      for (const { list, key, value } of changes) {
        if (value === undefined) entriesOf(list).delete(key)
        else entriesOf(list).set(key, value)
      }
      for (const enforce of enforcers) enforce()
    },
    onChange(enforce) {
      enforcers.push(enforce)
    },
  }
}
