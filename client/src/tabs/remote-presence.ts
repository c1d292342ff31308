import { type Limits, parseAddress, SyncError } from '@onyx-sync/shared'
import type { DocumentPresence, PresenceState } from '../core/presence-room.js'
import { checkPresenceState, type LocalState } from '../core/presence-voice.js'
import type { TabLink } from './link.js'
import type { Push } from './protocol.js'

/** Who is in documents, in a tab that hasn't the connection. All tabs of a device are one in each document. */
export interface RemotePresence {
  /** Throws `VALUE_INVALID` for what is no address of a document. */
  open(address: string): DocumentPresence
  take(presence: NonNullable<Push['presence']>): void
  /** Another tab leads: it is told what this one looks at and says. */
  reopen(): void
}

interface Room {
  uses: number
  clientId: number
  states: readonly PresenceState[]
  said: LocalState | null
  readonly listeners: Set<() => void>
}

export function createRemotePresence(link: TabLink, limits: Limits): RemotePresence {
  const rooms = new Map<string, Room>()

  const tell = (method: string, ...args: readonly unknown[]) => void link.call(method, args).catch(() => {})

  function make(address: string): Room {
    if (parseAddress(address) === undefined)
      throw new SyncError('VALUE_INVALID', `${JSON.stringify(address)} is not the address of a document`)
    const room: Room = { uses: 0, clientId: 0, states: [], said: null, listeners: new Set() }
    rooms.set(address, room)
    tell('presence', address)
    return room
  }

  return {
    open(address) {
      const room = rooms.get(address) ?? make(address)
      const own = new Set<() => void>()
      let isLeft = false
      room.uses++
      return {
        address,
        get clientId() {
          return room.clientId
        },
        setLocal(state) {
          if (isLeft) return
          const checked = state === null ? null : checkPresenceState(state, limits)
          if (JSON.stringify(checked) === JSON.stringify(room.said)) return
          room.said = checked
          tell('say', address, checked)
        },
        states: () => (isLeft ? [] : room.states),
        onChange(listener) {
          if (isLeft) return () => {}
          const entry = () => listener(room.states)
          const off = () => {
            room.listeners.delete(entry)
            own.delete(off)
          }
          room.listeners.add(entry)
          own.add(off)
          return off
        },
        leave() {
          if (isLeft) return
          isLeft = true
          for (const off of [...own]) off()
          room.uses--
          if (room.uses > 0) return
          rooms.delete(address)
          tell('leave', address)
        },
      }
    },
    take({ address, clientId, states }) {
      const room = rooms.get(address)
      if (room === undefined) return
      room.clientId = clientId
      if (JSON.stringify(room.states) === JSON.stringify(states)) return
      room.states = states
      for (const listener of [...room.listeners]) listener()
    },
    reopen() {
      for (const [address, { said }] of rooms) {
        if (said === null) tell('presence', address)
        else tell('say', address, said)
      }
    },
  }
}
