import type { EditState, Message, SyncClient } from '@onyx-sync/client'
import type { Slot } from './slot.js'

/** How far each message of this device is. */
export interface Marks {
  /** Edits a message, and follows how far that gets. Every edit of a message goes through here, or it seems to be saved. */
  during<T>(address: string, messageId: string, edit: () => Promise<T>): Promise<T>
  /** Takes note, before it is edited, that a message is about to be: until {@link Marks.end} it goes by all of its chat. */
  begin(address: string, messageId: string): void
  /** Takes note that the edit is in the device's log: from here on the message is as far as that. */
  end(address: string, messageId: string): void
  /** How far a message is; undefined for one that came from elsewhere, and so from the server. */
  stateOf(address: string, message: Message): EditState | undefined
  subscribe(listener: () => void): () => void
  /** Keeps none any more, whatever is still being edited. */
  forget(): void
}

/** How often it is looked at what is under way. The client tells of what is saved, not of each thing that it sends. */
const LOOK_EVERY_MS = 250

/** The place of a message's newest edit in the device's log, 0 where that isn't known yet; and since when. */
type Place = readonly [seq: number, sinceMs: number]
/** By chat, by message. */
type Pending = Record<string, Record<string, Place>>

/** How long another tab may take from beginning an edit to having it in the log. Milliseconds. */
const BEGIN_MS = 60_000

/**
 * Follows messages that are not saved yet. They are kept in local storage, which all tabs of the device share, so that
 * after a restart none seems to be saved that isn't: a message of this device that isn't among them is.
 */
export function createMarks(client: SyncClient, slot: Slot): Marks {
  const [name, seenName] = namesOf(slot)
  const listeners = new Set<() => void>()
  let pending = read()
  /** Messages whose edit isn't in the log yet, so that nothing which is saved can be theirs. */
  const begun = new Set<string>()
  let timer: ReturnType<typeof setInterval> | undefined
  let isForgotten = false
  /** Chats with edits that local storage has lost with a browser that was killed: whose, can't be told until all is saved. */
  const unclear = new Set(
    [...(client.unsaved()?.documents ?? [])].filter(
      (address) => (readSeen()[address] ?? 0) < lastSeq(address),
    ),
  )
  client.onStatus(look)
  addEventListener('storage', ({ key }) => key === name && look())
  look()

  function read(): Pending {
    try {
      return JSON.parse(localStorage.getItem(name) ?? '{}') as Pending
    } catch {
      return {}
    }
  }

  function lastSeq(address: string): number {
    return client.lastEdit(address).seq
  }

  /** Up to which edit of a chat its marks are known to be complete, while it isn't saved. */
  function readSeen(): Record<string, number> {
    try {
      return JSON.parse(localStorage.getItem(seenName) ?? '{}') as Record<string, number>
    } catch {
      return {}
    }
  }

  function noteSeen(): void {
    const unsaved = client.unsaved()?.documents ?? []
    for (const address of [...unclear]) if (!unsaved.includes(address)) unclear.delete(address)
    const text = JSON.stringify(Object.fromEntries(unsaved.map((address) => [address, lastSeq(address)])))
    if (text !== localStorage.getItem(seenName)) localStorage.setItem(seenName, text)
  }

  function put(address: string, messageId: string, seq: number): void {
    if (isForgotten) return
    const others = read()
    pending = { ...others, [address]: { ...others[address], [messageId]: [seq, Date.now()] } }
    localStorage.setItem(name, JSON.stringify(pending))
    look()
  }

  function stateAt(address: string, [seq]: Place): EditState {
    return client.stateOf(seq === 0 ? address : { address, seq })
  }

  function isOpen(address: string, messageId: string, place: Place): boolean {
    const [seq, sinceMs] = place
    if (begun.has(address + messageId)) return true
    // Perhaps another tab is about to make the edit.
    if (seq === 0 && Math.abs(Date.now() - sinceMs) < BEGIN_MS) return true
    return stateAt(address, place) !== 'saved'
  }

  function look(): void {
    // The client tells of its status until it is closed, and nothing of it shall be kept any more.
    if (isForgotten) return
    const before = read()
    const entries = Object.entries(before).map(
      ([address, messages]) =>
        [address, Object.entries(messages).filter(([id, place]) => isOpen(address, id, place))] as const,
    )
    pending = Object.fromEntries(
      entries
        .filter(([, open]) => open.length > 0)
        .map(([address, open]) => [address, Object.fromEntries(open)]),
    )
    const text = JSON.stringify(pending)
    if (text !== JSON.stringify(before)) localStorage.setItem(name, text)
    noteSeen()
    if (entries.length > 0) timer ??= setInterval(look, LOOK_EVERY_MS)
    else {
      clearInterval(timer)
      timer = undefined
    }
    for (const listener of [...listeners]) listener()
  }

  function begin(address: string, messageId: string): void {
    begun.add(address + messageId)
    put(address, messageId, 0)
  }

  function end(address: string, messageId: string): void {
    begun.delete(address + messageId)
    put(address, messageId, client.lastEdit(address).seq)
  }

  return {
    begin,
    end,
    async during(address, messageId, edit) {
      begin(address, messageId)
      try {
        return await edit()
      } finally {
        end(address, messageId)
      }
    },
    stateOf(address, message) {
      const place = pending[address]?.[message.id]
      if (place !== undefined) return stateAt(address, place)
      // What was imported has no device, and isn't followed one by one.
      if (message.device === undefined) return client.stateOf(address)
      if (message.device !== client.deviceId) return undefined
      return unclear.has(address) ? client.stateOf(address) : 'saved'
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    forget() {
      isForgotten = true
      clearInterval(timer)
      pending = {}
      removeMarks(slot)
    },
  }
}

function namesOf({ suffix }: Slot) {
  return [`onyx-sync.marks${suffix}`, `onyx-sync.marks-seen${suffix}`] as const
}

/** Takes the marks of an account away that is on this device no more. */
export function removeMarks(slot: Slot): void {
  for (const name of namesOf(slot)) localStorage.removeItem(name)
}
