import {
  getOrCreate,
  type Limits,
  ownerOfAddress,
  PRESENCE_TIMEOUT_MS,
  type PresenceEntry,
  SyncError,
} from '@onyx-sync/shared'
import type { PresenceEvent } from './presence-watchers.js'

/** A presence event that was taken. */
export interface Said extends PresenceEvent {
  /** Clients that it names. */
  readonly clientIds: readonly number[]
  /** Counts what arrived, so that it can be sent on in that order. */
  readonly order: number
  /** When it arrived, milliseconds of the server's clock. */
  readonly atMs: number
}

/** What one connection has said. */
export interface Holder {
  /** Oldest first. */
  readonly claims: Set<Claim>
}

/** An awareness client of a document. It belongs to the connection and the key that used it first. */
export interface Claim {
  readonly address: string
  readonly clientId: number
  readonly holder: Holder
  readonly author: string
  clock: number
  /** False once it said that it is gone. Kept, so that nobody else takes the id while the connection lives. */
  isPresent: boolean
  said: Said
}

/** Who is there in which document. Knows nothing of permissions, and waits for nothing. */
export interface Rooms {
  /** An owner's documents of which something is known. */
  addressesOf(owner: string): Iterable<string>
  readonly isEmpty: boolean
  has(address: string, clientId: number): boolean
  /** What one key said in a document, on whatever connection. */
  claimsOf(address: string, author: string): Claim[]
  /**
   * Takes over what is newer. Returns whether anything was. Throws `WRITE_RESTRICTED` where a client belongs
   * to somebody else, and `RATE_LIMITED` where it would be too much; nothing is changed then.
   */
  accept(holder: Holder, address: string, entries: readonly PresenceEntry[], said: Said): boolean
  /** Lets clients go. Returns what tells others of those that were there. */
  remove(claims: readonly Claim[]): PresenceEntry[]
  /** Events that show who is in a document to somebody who is new, in the order of their arrival. */
  saidIn(address: string, nowMs: number): Said[]
}

export function createRooms(limits: Limits): Rooms {
  /** By address and client id. No document is without a claim. */
  const rooms = new Map<string, Map<number, Claim>>()
  /** So that who asks is not shown round the documents of everybody. */
  const addressesByOwner = new Map<string, Set<string>>()

  function release(claim: Claim): void {
    claim.holder.claims.delete(claim)
    const room = rooms.get(claim.address)
    room?.delete(claim.clientId)
    if (room?.size !== 0) return
    rooms.delete(claim.address)
    const owner = ownerOfAddress(claim.address)
    const owned = addressesByOwner.get(owner)
    owned?.delete(claim.address)
    if (owned?.size === 0) addressesByOwner.delete(owner)
  }

  /** That a connection is present as few times as it may be, once these entries hold. */
  function checkHolder({ claims }: Holder, address: string, entries: readonly PresenceEntry[]): void {
    const present = entries.filter(({ state }) => state !== null)
    if (present.length === 0) return
    const named = new Set(entries.map(({ clientId }) => clientId))
    const addresses = new Set([address])
    let clients = present.length
    for (const claim of claims) {
      if (!claim.isPresent) continue
      addresses.add(claim.address)
      if (claim.address === address && !named.has(claim.clientId)) clients++
    }
    const { maxPresenceClients, maxPresenceDocuments } = limits
    if (clients > maxPresenceClients) {
      throw new SyncError('RATE_LIMITED', `at most ${maxPresenceClients} clients in a document; remove one`)
    }
    if (addresses.size > maxPresenceDocuments) {
      throw new SyncError('RATE_LIMITED', `at most ${maxPresenceDocuments} documents at a time; leave one`)
    }
  }

  /** Clients that are gone keep their ids as far as there is room: a connection may have had many. */
  function forgetOldest({ claims }: Holder): void {
    const most = limits.maxPresenceClients * limits.maxPresenceDocuments
    for (const claim of claims) {
      if (claims.size <= most) return
      if (!claim.isPresent) release(claim)
    }
  }

  return {
    addressesOf: (owner) => addressesByOwner.get(owner) ?? [],
    get isEmpty() {
      return rooms.size === 0
    },
    has: (address, clientId) => rooms.get(address)?.has(clientId) === true,
    claimsOf: (address, author) =>
      [...(rooms.get(address)?.values() ?? [])].filter((claim) => claim.author === author),

    accept(holder, address, entries, said) {
      const author = said.event.pubkey
      const known = rooms.get(address)
      const newer = entries.filter(({ clientId, clock }) => {
        const claim = known?.get(clientId)
        if (claim === undefined) return true
        if (claim.holder === holder && claim.author === author) return clock > claim.clock
        throw new SyncError('WRITE_RESTRICTED', `client ${clientId} belongs to another connection or key`)
      })
      if (newer.length === 0) return false
      checkHolder(holder, address, newer)
      const room = getOrCreate(rooms, address, () => new Map<number, Claim>())
      getOrCreate(addressesByOwner, ownerOfAddress(address), () => new Set()).add(address)
      for (const { clientId, clock, state } of newer) {
        const claim = getOrCreate(room, clientId, () => {
          const made = { address, clientId, holder, author, clock, isPresent: false, said }
          holder.claims.add(made)
          return made
        })
        claim.clock = clock
        claim.isPresent = state !== null
        claim.said = said
      }
      forgetOldest(holder)
      return true
    },

    remove(claims) {
      for (const claim of claims) release(claim)
      return claims
        .filter(({ isPresent }) => isPresent)
        .map(({ clientId, clock }) => ({ clientId, clock: clock + 1, state: null }))
    },

    saidIn(address, nowMs) {
      const room = rooms.get(address) ?? new Map<number, Claim>()
      const shown = new Set<Said>()
      for (const { isPresent, said } of room.values()) {
        if (isPresent && said.atMs > nowMs - PRESENCE_TIMEOUT_MS) shown.add(said)
      }
      // An event may name a client that has gone since: what that one said last belongs to it, or it would seem
      // to be there again. The set grows while it is gone through.
      for (const { clientIds } of shown) {
        for (const clientId of clientIds) {
          const said = room.get(clientId)?.said
          if (said !== undefined) shown.add(said)
        }
      }
      return [...shown].sort((a, b) => a.order - b.order)
    },
  }
}
