import {
  type Clock,
  type DecodedUpdateEvent,
  type DocumentAddress,
  decodeUpdateEvent,
  type EventVerifier,
  formatAddress,
  isDocumentKind,
  type Limits,
  type Logger,
  mergeUpdates,
  type NostrEvent,
  parseEvent,
} from '@onyx-sync/shared'
import { createAssembly } from './assembly.js'
import { createOneAnswer } from './one-answer.js'
import type { Session } from './session-api.js'

/** One edit of a document, as its author signed it. */
export interface LoggedEdit {
  /** Of the event; of an edit in parts the last one's. */
  readonly eventId: string
  /** 64 lower-case hex characters. */
  readonly author: string
  /** By the author's clock. Unix seconds. */
  readonly createdAt: number
  /** Whether it is the whole state, in place of the edits before it. */
  readonly isCheckpoint: boolean
  readonly update: Uint8Array
}

export interface DocumentLogParts {
  readonly verifier: EventVerifier
  readonly limits: Limits
  readonly clock: Clock
  readonly logger: Logger
  session(): Session | undefined
}

/**
 * Asks the server for the signed log of a document, by a plain `REQ`; nothing of it is stored. Every signature is checked;
 * what its author didn't sign is left out and logged. Rejects with `CONNECTION_FAILED` without a connection, or when
 * nothing comes, and with `RELAY_UNSUITABLE` at a plain relay, which keeps no log.
 */
export function createDocumentLog({ verifier, limits, clock, logger, session }: DocumentLogParts) {
  const ask = createOneAnswer({ clock, session }, 'the history')

  return async (address: DocumentAddress): Promise<LoggedEdit[]> => {
    const parts = createAssembly<LoggedEdit>()
    const edits: LoggedEdit[] = []
    for (const value of await ask({ kinds: [address.kind], '#d': [address.identifier] })) {
      try {
        const event = parseEvent(value, limits)
        if (!isDocumentKind(event.kind)) continue
        const decoded = decodeUpdateEvent(event, limits)
        // Chats of others may have the same id.
        if (formatAddress(decoded.address) !== formatAddress(address)) continue
        verifier.verify(event)
        const edit = toEdit(event, decoded)
        const whole = decoded.part === undefined ? [edit] : parts.add(event.pubkey, decoded.part, edit)
        if (whole !== undefined) edits.push(join(whole))
      } catch (error) {
        logger.error('an event of a history was left out', { error: String(error) })
      }
    }
    return edits.sort(byTime)
  }
}

function toEdit({ id, pubkey, created_at }: NostrEvent, { framed }: DecodedUpdateEvent): LoggedEdit {
  const { update, checkpoint } = framed
  return { eventId: id, author: pubkey, createdAt: created_at, isCheckpoint: checkpoint, update }
}

function join(parts: readonly LoggedEdit[]): LoggedEdit {
  const last = parts[parts.length - 1] as LoggedEdit
  return parts.length === 1 ? last : { ...last, update: mergeUpdates(parts.map(({ update }) => update)) }
}

/** A checkpoint stands for what came before it, so of the same second it is the first. */
function byTime(a: LoggedEdit, b: LoggedEdit): number {
  return (
    a.createdAt - b.createdAt ||
    Number(b.isCheckpoint) - Number(a.isCheckpoint) ||
    (a.eventId < b.eventId ? -1 : 1)
  )
}
