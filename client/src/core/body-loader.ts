import {
  addressToDTag,
  type DocumentAddress,
  decodeUpdateEvent,
  type EventVerifier,
  formatAddress,
  type Inflate,
  isDocumentKind,
  KIND,
  type Limits,
  type Logger,
  parseAddress,
  parseEvent,
  parseStateEvent,
  SyncError,
} from '@onyx-sync/shared'
import type { QueryRow } from '../ports/store.js'
import { createAssembly } from './assembly.js'
import { isState, joinParts, stateToUpdate, toRemoteUpdate } from './received-updates.js'
import type { RemoteUpdate } from './remote-updates.js'
import type { ServerTrust } from './server-trust.js'
import type { Session } from './session-api.js'

const BODIES_ID = 'bodies'
/** Chats brought at a time, and the size of their bodies together: they are in memory until all are there. */
const MAX_CHATS = 16
const MAX_BYTES = 2 * 1024 * 1024
/** A space and a public key. */
const AUTHOR_LENGTH = 65

/** Brings documents from their beginning. */
export interface BodyLoader {
  /**
   * Everything that the server has of some documents; nothing is stored. Rejects when the server refuses; never
   * settles if the connection goes before that.
   */
  load(session: Session, addresses: readonly DocumentAddress[]): Promise<LoadedBodies>
}

/** What the server has of some documents. */
export interface LoadedBodies {
  /** In order. */
  readonly updates: readonly RemoteUpdate[]
  /** Documents of which parts are missing; none of their updates is given. */
  readonly incomplete: ReadonlySet<string>
}

export interface BodyLoaderOptions {
  /** Undoes the DEFLATE of merged states. @default JavaScript's */
  readonly inflate?: Inflate
  readonly trust: ServerTrust
  readonly verifier: EventVerifier
  readonly limits: Limits
  readonly logger: Logger
}

export function createBodyLoader({
  trust,
  verifier,
  limits,
  logger,
  inflate,
}: BodyLoaderOptions): BodyLoader {
  /** Takes one event; gives what it completes. */
  function createReader() {
    const edits = createAssembly<RemoteUpdate>()
    const states = createAssembly<RemoteUpdate>()

    function openState(value: unknown): RemoteUpdate[] {
      const event = parseEvent(value, limits)
      trust.check(event)
      verifier.verify(event)
      const { documents, part } = parseStateEvent(event, limits, inflate)
      const updates = documents.map(stateToUpdate)
      if (part === undefined) return updates
      const parts = states.add(updates[0]?.address ?? '', part, updates[0] as RemoteUpdate)
      return parts === undefined ? [] : [joinParts(parts)]
    }

    function openEvent(value: unknown): RemoteUpdate[] {
      const event = parseEvent(value, limits)
      if (!isDocumentKind(event.kind)) return []
      const decoded = decodeUpdateEvent(event, limits)
      const update = toRemoteUpdate(event, decoded, () => verifier.verify(event))
      if (decoded.part === undefined) return [update]
      const parts = edits.add(`${update.address} ${event.pubkey}`, decoded.part, update)
      return parts === undefined ? [] : [joinParts(parts)]
    }

    return {
      read(value: unknown): RemoteUpdate[] {
        if (isState(value)) {
          try {
            return openState(value)
          } catch (error) {
            trust.distrust()
            throw error
          }
        }
        try {
          return openEvent(value)
        } catch (error) {
          logger.error('a received event was set aside', { error: String(error) })
          return []
        }
      },
      incomplete: () =>
        new Set([...states.incomplete, ...edits.incomplete.map((name) => name.slice(0, -AUTHOR_LENGTH))]),
    }
  }

  return {
    load(session, addresses) {
      const wanted = new Set(addresses.map(formatAddress))
      const reader = createReader()
      const updates: RemoteUpdate[] = []
      const filter = {
        kinds: [KIND.chat],
        '#d': [...new Set(addresses.map(addressToDTag))],
        after: '',
        ...(trust.refusesStates ? { states: false } : {}),
      }
      return new Promise((resolve, reject) => {
        session.open(BODIES_ID, [filter], {
          onEvent(event) {
            try {
              // Of chats of one id that belong to several owners, all come.
              for (const update of reader.read(event)) if (wanted.has(update.address)) updates.push(update)
            } catch (error) {
              session.shut(BODIES_ID)
              reject(error)
            }
          },
          onEose() {
            session.shut(BODIES_ID)
            const incomplete = reader.incomplete()
            for (const address of incomplete)
              logger.error('an edit came without some of its parts', { address })
            resolve({ updates: updates.filter(({ address }) => !incomplete.has(address)), incomplete })
          },
          onClosed(reason) {
            reject(new SyncError('CONNECTION_FAILED', `the server does not bring documents: ${reason}`))
          },
        })
      })
    },
  }
}

/** Which of some chats to bring next, given their rows: what somebody waits for first, then the newest. */
export function nextToBring(
  newcomers: readonly { readonly address: string }[],
  rows: readonly QueryRow[],
  isAwaited: (address: string) => boolean,
): DocumentAddress[] {
  const bytesOf = new Map(rows.map((row) => [row.id, Number(row.bytes ?? 0)]))
  const activityOf = new Map(rows.map((row) => [row.id, Number(row.last_activity_at)]))
  const rank = (address: string) =>
    isAwaited(address) ? Number.POSITIVE_INFINITY : (activityOf.get(address) ?? 0)
  const ordered = newcomers
    .map(({ address }) => address)
    .sort((a, b) => rank(b) - rank(a) || (a < b ? -1 : 1))
  const chunk: DocumentAddress[] = []
  let bytes = 0
  for (const address of ordered) {
    bytes += bytesOf.get(address) ?? 0
    if (chunk.length > 0 && (bytes > MAX_BYTES || chunk.length >= MAX_CHATS)) break
    chunk.push(parseAddress(address) as DocumentAddress)
  }
  return chunk
}
