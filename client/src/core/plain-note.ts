import type { JournalChange } from './journal.js'

/** Key in the store's meta. */
export const META_PLAIN = 'plain'

/**
 * Remembers that this device has synced with a plain relay since it was compared with a sync server: what it got
 * or saved there, a sync server may lack, and its cursor doesn't tell.
 */
export interface PlainNote {
  readonly isSet: boolean
  /** What to write with the content that makes it true; nothing if it is noted already. */
  set(): JournalChange
  /** What to write together with everything that a sync server lacked. */
  clear(): JournalChange
}

/** `stored`: the value under {@link META_PLAIN}. */
export function createPlainNote(stored: string | undefined): PlainNote {
  let isSet = stored === '1'
  const become = (value: boolean): JournalChange => {
    if (isSet === value) return {}
    isSet = value
    return { meta: { [META_PLAIN]: value ? '1' : '' } }
  }
  return {
    get isSet() {
      return isSet
    },
    set: () => become(true),
    clear: () => become(false),
  }
}
