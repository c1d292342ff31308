import type { Presence } from '../core/presence.js'
import type { DocumentPresence } from '../core/presence-room.js'
import type { Push } from './protocol.js'

type State = Readonly<Record<string, unknown>>

/** What all tabs say in documents: one device has one state in each, the one that a tab set last and still has. */
export interface HostPresence {
  /** A tab looks at a document. */
  open(tab: string, address: string): void
  /** Says what a tab does, or with `null` that it does nothing. Throws `VALUE_INVALID`. */
  say(tab: string, address: string, state: State | null): void
  leave(tab: string, address: string): void
  /** A tab has gone. */
  forget(tab: string): void
  stop(): void
}

interface Room {
  readonly document: DocumentPresence
  readonly tabs: Set<string>
  /** By tab, the one that was set last behind. */
  readonly states: Map<string, State>
}

export function createHostPresence(presence: Presence, post: (push: Push) => void): HostPresence {
  const rooms = new Map<string, Room>()

  function make(address: string): Room {
    const document = presence.open(address)
    const room = { document, tabs: new Set<string>(), states: new Map<string, State>() }
    document.onChange(() => tell(room))
    rooms.set(address, room)
    return room
  }

  function tell({ document }: Room): void {
    const { address, clientId } = document
    post({ presence: { address, clientId, states: document.states() } })
  }

  function say(room: Room, tab: string, state: State | null): void {
    const before = room.states.get(tab)
    room.states.delete(tab)
    if (state !== null) room.states.set(tab, state)
    try {
      room.document.setLocal([...room.states.values()].pop() ?? null)
    } catch (error) {
      room.states.delete(tab)
      if (before !== undefined) room.states.set(tab, before)
      throw error
    }
  }

  function leave(tab: string, address: string): void {
    const room = rooms.get(address)
    if (room === undefined || !room.tabs.delete(tab)) return
    say(room, tab, null)
    if (room.tabs.size > 0) return
    room.document.leave()
    rooms.delete(address)
  }

  return {
    open(tab, address) {
      const room = rooms.get(address) ?? make(address)
      room.tabs.add(tab)
      tell(room)
    },
    say(tab, address, state) {
      const room = rooms.get(address) ?? make(address)
      room.tabs.add(tab)
      say(room, tab, state)
      tell(room)
    },
    leave,
    forget(tab) {
      for (const address of [...rooms.keys()]) leave(tab, address)
    },
    stop() {
      for (const { document } of rooms.values()) document.leave()
      rooms.clear()
    },
  }
}
