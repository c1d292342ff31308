import {
  type Clock,
  type EventVerifier,
  getOrCreate,
  KIND,
  type Limits,
  parseAddress,
  parseEvent,
  parseWritersEvent,
} from '@onyx-sync/shared'
import type { Journal } from './journal.js'
import { createOneAnswer } from './one-answer.js'
import type { ServerTrust } from './server-trust.js'
import type { Session } from './session-api.js'

/** Before the address in the store's meta: JSON of the client ids of a shared chat by public key. */
export const META_WRITERS = 'writers '

/** Knows which key wrote what in shared chats, by Yjs client ids. Source: SPEC ATT3. */
export interface Authorship {
  /**
   * Takes note of what a key was first seen to write under, with the journal's next batch. A client id that is known to
   * be somebody's stays theirs.
   */
  note(address: string, pubkey: string, clientIds: readonly number[]): void
  /**
   * The keys that wrote under client ids; none for those where nobody can tell. Asks the server for what this device
   * hasn't seen, unless it must not. Rejects then with `CONNECTION_FAILED` or `RELAY_UNSUITABLE`, and with
   * `SERVER_KEY_CHANGED` where another server answers.
   */
  find(address: string, clientIds: readonly number[], mayAsk?: boolean): Promise<ReadonlyMap<number, string>>
}

export interface AuthorshipParts {
  readonly pubkey: string
  /** The store's meta, as it was when it was opened. */
  readonly meta: Readonly<Record<string, string>>
  readonly trust: ServerTrust
  readonly verifier: EventVerifier
  readonly limits: Limits
  readonly clock: Clock
  session(): Session | undefined
  /** Whether the owner has ever decided about members of a document. */
  wasShared(address: string): boolean
  readonly journal: Pick<Journal, 'add' | 'flush'>
}

type Writers = Map<number, string>

export function createAuthorship(parts: AuthorshipParts): Authorship {
  const { pubkey, meta, trust, verifier, limits, clock, journal } = parts
  const ask = createOneAnswer({ clock, session: parts.session }, 'the list of writers')
  /** By address. */
  const known = new Map<string, Writers>()

  function writersOf(address: string): Writers {
    return getOrCreate(known, address, () => readWriters(meta[`${META_WRITERS}${address}`] ?? '{}'))
  }

  /** Of a chat that nobody else was ever let into, everything is its owner's. */
  function soleWriter(address: string): string | undefined {
    const { owner } = parseAddress(address) ?? {}
    return owner === pubkey && !parts.wasShared(address) ? owner : undefined
  }

  function note(address: string, author: string, clientIds: readonly number[]): void {
    if (parseAddress(address)?.kind !== KIND.chat || soleWriter(address) !== undefined) return
    const writers = writersOf(address)
    const news = clientIds.filter((id) => !writers.has(id))
    if (news.length === 0) return
    for (const id of news) writers.set(id, author)
    journal.add({ meta: { [`${META_WRITERS}${address}`]: formatWriters(writers) } })
  }

  async function askServer(address: string): Promise<void> {
    for (const value of await ask({ kinds: [KIND.writers], '#a': [address] })) {
      const event = parseEvent(value, limits)
      trust.check(event)
      verifier.verify(event)
      for (const { writers } of parseWritersEvent(event, limits).filter((told) => told.address === address)) {
        for (const [author, clientIds] of Object.entries(writers)) note(address, author, clientIds)
      }
    }
  }

  return {
    note,
    async find(address, clientIds, mayAsk = true) {
      const sole = soleWriter(address)
      if (sole !== undefined) return new Map(clientIds.map((id) => [id, sole]))
      const writers = writersOf(address)
      const isKnown = !mayAsk || clientIds.every((id) => writers.has(id))
      // Who believes authors only asks no server.
      if (isKnown || (parts.session()?.status.state === 'live' && !trust.isServerKnown)) return writers
      await askServer(address)
      // A disk that takes nothing is reported elsewhere; what the server said holds all the same.
      await journal.flush().catch(() => {})
      return writers
    },
  }
}

function formatWriters(writers: Writers): string {
  const byAuthor = new Map<string, number[]>()
  for (const [id, author] of writers) getOrCreate(byAuthor, author, () => []).push(id)
  return JSON.stringify(Object.fromEntries(byAuthor))
}

/** Nothing where it can't be read: the server can be asked again. */
function readWriters(json: string): Writers {
  try {
    const byAuthor = JSON.parse(json) as Record<string, readonly number[]>
    return new Map(
      Object.entries(byAuthor).flatMap(([author, ids]) => ids.map((id): [number, string] => [id, author])),
    )
  } catch {
    return new Map()
  }
}
