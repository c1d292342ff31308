import {
  type Clock,
  type Coverage,
  createCoverage,
  EMPTY_ROSTER,
  type EventVerifier,
  formatAddress,
  getOrCreate,
  isPlainState,
  isSameRoster,
  joinRoster,
  type Limits,
  type Logger,
  membersOf,
  type NostrEvent,
  ownerOfAddress,
  type PlainState,
  parseEvent,
  parsePlainState,
  type Roster,
} from '@onyx-sync/shared'
import type { Documents } from './documents-api.js'
import { isHere } from './hold-filters.js'
import type { PlainNote } from './plain-note.js'
import type { RemoteUpdate } from './remote-updates.js'

/** A state as it came from a plain relay. */
export interface ReceivedState extends PlainState {
  readonly event: NostrEvent
  /** {@link PlainState.address} as text. */
  readonly name: string
}

/** Applies the states of a plain relay, and knows of which documents the relay lacks something. */
export interface PlainInbox {
  /** Events set aside because they weren't what an author signed. */
  readonly setAside: number
  receive(event: unknown): void
  /** Everything comes anew: what the relay has is gathered from here on. */
  beginReading(): void
  /** Resolves when everything received so far is applied and stored. Rejects with `STORE_FAILED`. */
  settled(): Promise<void>
  /** Documents of which no event since {@link beginReading} holds everything that is here. */
  lacking(): Promise<string[]>
  /** Whether a state holds everything that is here. */
  holdsAll(state: ReceivedState): Promise<boolean>
  /** The connection is gone; what was received and not applied will come again. */
  abandon(): void
}

export interface PlainInboxOptions {
  readonly pubkey: string
  readonly documents: Documents
  readonly verifier: EventVerifier
  readonly clock: Clock
  readonly limits: Limits
  readonly logger: Logger
  readonly note: PlainNote
  /** Called with each state that is applied, in order. */
  onApplied(state: ReceivedState): void
  /** Called after each batch with the documents in it. */
  onBatch(addresses: readonly string[]): void
  onFailed(error: unknown): void
}

/** States applied in one batch: each may be as large as an event can be. */
const MAX_BATCH = 32

export function createPlainInbox(options: PlainInboxOptions): PlainInbox {
  const { pubkey, documents, verifier, clock, limits, logger } = options
  let setAside = 0
  let queue: unknown[] = []
  let draining: Promise<void> | undefined
  let epoch = 0
  const coverages = new Map<string, Coverage>()
  /** What the relay's copies say about members, by document. */
  const rosters = new Map<string, Roster>()

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      const startedIn = epoch
      const states = queue.splice(0, MAX_BATCH).flatMap(open)
      // Who may write is what the owners say; so their states come first.
      await apply(states.filter(({ event, address }) => event.pubkey === address.owner))
      if (startedIn !== epoch) continue
      await apply(
        states.filter(({ event, address, name }) => event.pubkey !== address.owner && mayWrite(event, name)),
      )
      if (startedIn === epoch) options.onBatch(states.map(({ name }) => name))
      // Lets timers and the app run between batches.
      await new Promise<void>((resolve) => clock.setTimeout(resolve, 0))
    }
  }

  /** A state that can be read; nothing for what is none of ours. Its signature is checked if it changes something. */
  function open(value: unknown): ReceivedState[] {
    try {
      const event = parseEvent(value, limits)
      if (!isPlainState(event)) return []
      const state = parsePlainState(event, limits)
      return [{ ...state, event, name: formatAddress(state.address) }]
    } catch (error) {
      setAside++
      logger.error('a received event was set aside', { error: String(error) })
      return []
    }
  }

  function mayWrite({ pubkey: author }: NostrEvent, name: string): boolean {
    const members = documents.info(name)?.members ?? []
    return members.some(({ pubkey: key, role }) => key === author && role === 'write')
  }

  async function apply(states: readonly ReceivedState[]): Promise<void> {
    if (states.length === 0) return
    const wrong = new Set<ReceivedState>()
    setAside += await documents.applyRemote(
      states.filter((state) => isMeant(state)).map((state) => toUpdate(state, () => wrong.add(state))),
      () => options.note.set(),
    )
    for (const state of states) {
      if (wrong.has(state) || !isMeant(state)) continue
      getOrCreate(coverages, state.name, createCoverage).add(state.update)
      if (state.roster !== undefined)
        rosters.set(state.name, joinRoster(rosters.get(state.name) ?? EMPTY_ROSTER, state.roster))
      options.onApplied(state)
    }
  }

  /** Anybody can name anybody in a `p` tag, and relays send more than was asked for. */
  function isMeant({ address, name, roster }: ReceivedState): boolean {
    if (address.owner === pubkey || documents.info(name) !== undefined) return true
    return roster !== undefined && membersOf(roster).some((member) => member.pubkey === pubkey)
  }

  function toUpdate(state: ReceivedState, onWrong: () => void): RemoteUpdate {
    const { event, name, update, roster } = state
    return {
      address: name,
      updates: [update],
      author: event.pubkey,
      // A whole state: what its author wrote of it can't be told.
      clientIds: [],
      statement: roster,
      logged: undefined,
      checks: [
        () => {
          try {
            verifier.verify(event)
          } catch (error) {
            onWrong()
            throw error
          }
        },
      ],
    }
  }

  function lacksDecisions(name: string): boolean {
    const known = documents.info(name)?.roster ?? EMPTY_ROSTER
    const onRelay = rosters.get(name) ?? EMPTY_ROSTER
    const isOwn = ownerOfAddress(name) === pubkey
    return isOwn && !isSameRoster(onRelay, joinRoster(onRelay, { ...known, isDated: true }))
  }

  return {
    get setAside() {
      return setAside
    },
    receive(event) {
      queue.push(event)
      draining ??= drain()
        .catch((error: unknown) => {
          queue = []
          options.onFailed(error)
        })
        .finally(() => {
          draining = undefined
        })
    },
    beginReading() {
      coverages.clear()
      rosters.clear()
    },
    async settled() {
      while (draining !== undefined) await draining
      await documents.journal.flush()
    },
    async lacking() {
      const names: string[] = []
      for (const { address, body } of documents.list()) {
        if (!isHere(body)) continue
        const coverage = coverages.get(address) ?? createCoverage()
        const isHeld = await documents.read(address, (doc) => coverage.covers(doc))
        if (!isHeld || lacksDecisions(address)) names.push(address)
      }
      return names
    },
    holdsAll(state) {
      const coverage = createCoverage()
      coverage.add(state.update)
      return documents.read(state.name, (doc) => coverage.covers(doc))
    },
    abandon() {
      epoch++
      queue = []
    },
  }
}
