const LISTS = ['banned', 'allowed', 'blocked-ip', 'setting'] as const

/** Which of the operator's lists an entry is in. */
export type ModerationList = (typeof LISTS)[number]

/** Whether this names a list. */
export function isModerationList(value: unknown): value is ModerationList {
  return (LISTS as readonly unknown[]).includes(value)
}

/** One thing that the operator decided: a key, an address or a setting, with the reason or the value. */
export interface ModerationEntry {
  readonly list: ModerationList
  /** A public key, an IP address, or the name of a setting. */
  readonly key: string
  readonly value: string
}

/** An entry to be put; without a value it is taken out. */
export interface ModerationChange extends Omit<ModerationEntry, 'value'> {
  readonly value: string | undefined
}

/** What the operator decided, kept beside the log. One process has it open. */
export interface ModerationStore {
  /** All entries, in no order. Rejects with `STORE_FAILED`. */
  load(): Promise<ModerationEntry[]>
  /** All of the changes or none, durable (fsync) when it resolves. Rejects with `STORE_FAILED`. */
  apply(changes: readonly ModerationChange[]): Promise<void>
  close(): Promise<void>
}
