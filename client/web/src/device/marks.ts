import type { EditState, Message, SyncClient } from '@onyx-sync/client'
import type { Slot } from './slot.js'

/** How far each message of this device is. */
export interface Marks {
  /** Takes note, before it is edited, that a message is about to be: until {@link Marks.end} it goes by all of its chat. */
  begin(address: string, messageId: string): void
  /** Takes note that the edit is in the device's log: from here on the message is as far as that. */
  end(address: string, messageId: string): void
  /** How far a message is; undefined for one that came from elsewhere, and so from the server. */
  stateOf(address: string, message: Message): EditState | undefined
  subscribe(listener: () => void): () => void
  forget(): void
}

/** How often it is looked at what is under way. The client tells of what is saved, not of each thing that it sends. */
const LOOK_EVERY_MS = 250

/** By chat, by message: the place of its newest edit in the device's log, 0 where that isn't known yet. */
type Pending = Record<string, Record<string, number>>

/**
 * Follows messages that are not saved yet. They are kept in local storage, so that after a restart none seems to be saved
 * that isn't: a message of this device that isn't among them is.
 */
export function createMarks(client: SyncClient, slot: Slot): Marks {
  const name = `onyx-sync.marks${slot.suffix}`
  const listeners = new Set<() => void>()
  let pending = read()
  /** Messages whose edit isn't in the log yet, so that nothing which is saved can be theirs. */
  const begun = new Set<string>()
  let timer: ReturnType<typeof setInterval> | undefined
  client.onStatus(look)
  look()

  function read(): Pending {
    try {
      return JSON.parse(localStorage.getItem(name) ?? '{}') as Pending
    } catch {
      return {}
    }
  }

  function write(): void {
    localStorage.setItem(name, JSON.stringify(pending))
  }

  function put(address: string, messageId: string, seq: number): void {
    pending = { ...pending, [address]: { ...pending[address], [messageId]: seq } }
    write()
    look()
  }

  function stateAt(address: string, seq: number): EditState {
    return client.stateOf(seq === 0 ? address : { address, seq })
  }

  function look(): void {
    const before = JSON.stringify(pending)
    for (const [address, messages] of Object.entries(pending)) {
      const open = Object.entries(messages).filter(
        ([id, seq]) => begun.has(address + id) || stateAt(address, seq) !== 'saved',
      )
      const { [address]: _, ...others } = pending
      pending = open.length === 0 ? others : { ...others, [address]: Object.fromEntries(open) }
    }
    if (JSON.stringify(pending) !== before) write()
    const isAny = Object.keys(pending).length > 0
    if (isAny) timer ??= setInterval(look, LOOK_EVERY_MS)
    else {
      clearInterval(timer)
      timer = undefined
    }
    for (const listener of [...listeners]) listener()
  }

  return {
    begin(address, messageId) {
      begun.add(address + messageId)
      put(address, messageId, 0)
    },
    end(address, messageId) {
      begun.delete(address + messageId)
      put(address, messageId, client.lastEdit(address).seq)
    },
    stateOf(address, message) {
      const seq = pending[address]?.[message.id]
      if (seq !== undefined) return stateAt(address, seq)
      // What was imported has no device, and isn't followed one by one.
      if (message.device === undefined) return client.stateOf(address)
      return message.device === client.deviceId ? 'saved' : undefined
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    forget() {
      pending = {}
      localStorage.removeItem(name)
    },
  }
}
