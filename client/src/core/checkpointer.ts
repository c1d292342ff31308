import {
  type Clock,
  createUpdateTemplate,
  type EventTemplate,
  encodeClient,
  type Limits,
  type Logger,
  type NostrEvent,
  parseAddress,
  parseEvent,
  type Random,
  type Signer,
  stringifyEvent,
  type TimerHandle,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import { createBackoff } from './backoff.js'
import type { Documents } from './documents.js'
import { whyTooLarge } from './outbox-events.js'
import type { EditState } from './outbox-queries.js'

/** When this device publishes the state of a document, so that the server can drop the events it stands for. */
export interface CheckpointOptions {
  /** How large a document's log on the server must be, bytes of its events as JSON. @default 32_768 */
  readonly minLogBytes?: number
  /**
   * How many times as large as the checkpoint it must be. Larger makes fewer checkpoints and longer logs.
   * From 1.5. @default 3
   */
  readonly ratio?: number
  /**
   * Devices that see a log grow too large at the same moment wait for a random time, from this to five times as
   * long, and all but one find it done. Above 0. Milliseconds. @default 2_000
   */
  readonly waitMs?: number
}

/**
 * Keeps the logs on the server in proportion to the documents. A checkpoint says nothing new: it is not kept,
 * and if it does not arrive, the log is only longer for a while. Source: SPEC CKP1–CKP7.
 */
export interface Checkpointer {
  /** The connection has caught up, and events may be sent. */
  start(send: (text: string) => void): void
  /** The connection is gone, and with it what was under way. */
  stop(): void
  /** The log of a document has grown, or somebody's checkpoint of it came. */
  logged(address: string, isCheckpoint: boolean): void
  /** The server's answer to an event. @returns whether it was one of these */
  answered(eventId: string, accepted: boolean, reason: string): boolean
}

export interface CheckpointerParts extends CheckpointOptions {
  readonly pubkey: string
  readonly signer: Signer
  readonly documents: Documents
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  readonly logger: Logger
  /** Largest event that the server takes, bytes of JSON. */
  maxEventBytes(): number
  /** How far the edits are that were made here to a document, all of them together. */
  editState(address: string): EditState
}

/** The one that is being made. */
interface Attempt {
  readonly address: string
  readonly timer?: TimerHandle
  /** Once it is sent, and its bytes of JSON. */
  readonly sent?: { readonly eventId: string; readonly bytes: number }
}

const LONGEST_WAIT = 5
/** After a checkpoint that turned out too large the log has to grow by this before another is made to see. */
const GROWTH_BEFORE_RETRY = 1.25
/** The same after one that the server did not take, or that nothing was heard of. */
const GROWTH_AFTER_FAILURE = 2

export function createCheckpointer(parts: CheckpointerParts): Checkpointer {
  const { pubkey, signer, documents, clock, random, limits, logger } = parts
  const minLogBytes = parts.minLogBytes ?? 32_768
  const ratio = parts.ratio ?? 3
  const waitMs = parts.waitMs ?? 2_000
  /** For a server that has no time for it now: a checkpoint can wait for longer than an edit. */
  const backoff = createBackoff(random, { baseMs: 60_000, capMs: 3_600_000 })
  const wanted = new Set<string>()
  let send: ((text: string) => void) | undefined
  let attempt: Attempt | undefined
  let pause: TimerHandle

  /** Whether the log is worth a checkpoint, as far as that can be told without making one. */
  function isDue(address: string): boolean {
    const info = documents.info(address)
    if (info === undefined) return false
    return info.logBytes >= Math.max(minLogBytes, ratio * info.checkpointBytes)
  }

  /** Not now, as the log would have to be this large. */
  function putOff(address: string, untilLogBytes: number): void {
    documents.noteCheckpointBytes(address, Math.ceil(untilLogBytes / ratio))
  }

  /** One at a time: it costs this device and the server as much as the document is large. */
  function next(): void {
    if (send === undefined || attempt !== undefined || pause !== undefined) return
    for (const address of wanted) {
      wanted.delete(address)
      if (!isDue(address)) continue
      const delayMs = waitMs * (1 + random.next() * (LONGEST_WAIT - 1))
      const waiting: Attempt = { address, timer: clock.setTimeout(() => void make(waiting), delayMs) }
      attempt = waiting
      return
    }
  }

  function end(): void {
    clock.clearTimeout(attempt?.timer)
    attempt = undefined
    next()
  }

  async function make(current: Attempt): Promise<void> {
    const { address } = current
    try {
      const state = parts.editState(address)
      if (state !== 'saved') {
        // While somebody types there are moments in which all is saved; what was refused may stay for long.
        if (state !== 'refused') wanted.add(address)
        end()
        return
      }
      const template = await documents.read(address, (doc) => build(address, doc))
      if (attempt !== current) return
      const event = template === undefined ? undefined : await sign(template)
      // Meanwhile the connection may have gone, or somebody else's checkpoint may have come.
      if (attempt !== current) return
      if (event !== undefined) publish(address, event)
      else end()
    } catch (error) {
      logger.warn('a checkpoint could not be made', { address, reason: String(error) })
      if (attempt !== current) return
      putOff(address, GROWTH_AFTER_FAILURE * (documents.info(address)?.logBytes ?? 0))
      end()
    }
  }

  /** The checkpoint, if everything in the document is on the server and nothing is missing from it. */
  function build(address: string, doc: Y.Doc): EventTemplate | undefined {
    const info = documents.info(address)
    const parsed = parseAddress(address)
    if (info === undefined || parsed === undefined || !isDue(address)) return undefined
    if (documents.incomplete().includes(address)) return undefined
    if (parts.editState(address) !== 'saved') {
      wanted.add(address)
      return undefined
    }
    const isOwn = parsed.owner === pubkey
    // The members as they are known, stated when they were: a checkpoint must not be a newer statement.
    if (isOwn && info.membersStatedAt < 0) return undefined
    const template = createUpdateTemplate({
      address: parsed,
      author: pubkey,
      framed: { update: Y.encodeStateAsUpdate(doc), checkpoint: true },
      members: info.members,
      createdAt: isOwn ? info.membersStatedAt : Math.floor(clock.now() / 1000),
    })
    const bytes = sizeOf(template)
    if (info.logBytes >= ratio * bytes) return template
    putOff(address, Math.max(ratio * bytes, GROWTH_BEFORE_RETRY * info.logBytes))
    return undefined
  }

  async function sign(template: EventTemplate): Promise<NostrEvent> {
    const event = parseEvent(await signer.signEvent(template), limits)
    if (event.pubkey !== pubkey || event.content !== template.content || event.kind !== template.kind)
      throw new Error('the signer signed something else than it was given')
    return event
  }

  function publish(address: string, event: NostrEvent): void {
    const logBytes = documents.info(address)?.logBytes ?? 0
    // Whatever becomes of it, so that no server and no line makes this device send it again and again. When it
    // comes back, it says how large it is.
    putOff(address, GROWTH_AFTER_FAILURE * logBytes)
    // A checkpoint in parts is not made yet: the log of such a document stays as long as it is.
    const json = stringifyEvent(event)
    const reason = whyTooLarge(event, parts.maxEventBytes())
    if (reason !== '') {
      logger.info('a checkpoint would be too large', { address, reason })
      end()
      return
    }
    attempt = { address, sent: { eventId: event.id, bytes: json.length } }
    send?.(encodeClient.event(event))
  }

  return {
    start(sendText) {
      send = sendText
      for (const { address } of documents.list()) if (isDue(address)) wanted.add(address)
      next()
    },

    stop() {
      send = undefined
      wanted.clear()
      clock.clearTimeout(attempt?.timer)
      clock.clearTimeout(pause)
      attempt = undefined
      pause = undefined
    },

    logged(address, isCheckpoint) {
      if (isCheckpoint && attempt?.address === address) end()
      if (send === undefined || attempt?.address === address || !isDue(address)) return
      wanted.add(address)
      next()
    },

    answered(eventId, accepted, reason) {
      if (attempt?.sent?.eventId !== eventId) return false
      const { address, sent } = attempt
      if (accepted) backoff.reset()
      else logger.warn('the server did not take a checkpoint', { address, reason })
      if (!accepted && /^(rate-limited|error):/.test(reason)) {
        documents.noteCheckpointBytes(address, sent.bytes)
        pause = clock.setTimeout(() => {
          pause = undefined
          wanted.add(address)
          next()
        }, backoff.next())
      }
      end()
      return true
    },
  }
}

/** Hex of id, key and signature, the time, and the names of the fields. Bytes of JSON. */
const FRAME_BYTES = 345

/** About how large the event will be, bytes of JSON. */
function sizeOf({ content, tags }: EventTemplate): number {
  return FRAME_BYTES + content.length + JSON.stringify(tags).length
}
