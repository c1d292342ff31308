import {
  bytesToHex,
  type Clock,
  type EventTemplate,
  encodeClient,
  type Limits,
  type Logger,
  type NostrEvent,
  parseAddress,
  type Random,
  type Signer,
  type TimerHandle,
  vectorOf,
} from '@onyx-sync/shared'
import type { Turns } from '../ports/turns.js'
import { createBackoff } from './backoff.js'
import { signChecked } from './checked-signing.js'
import { cutPieces } from './cut-edit.js'
import type { Documents } from './documents-api.js'
import { eventBytes } from './outbox-events.js'
import type { EditState } from './outbox-queries.js'
import { statePieces } from './state-pieces.js'

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
  readonly turns: Turns
  readonly limits: Limits
  readonly logger: Logger
  /** Largest event that the server takes, bytes of JSON. */
  maxEventBytes(): number
  /** Tells from then on how far the edits are that were made here to a document until now, all of them together. */
  editsSoFar(address: string): () => EditState
}

/** The one that is being made. */
interface Attempt {
  readonly address: string
  /** What it waits for at the moment. */
  timer?: TimerHandle
  /** Its events that are sent and not answered, by id; and the bytes of JSON of all of them. */
  readonly sent?: { readonly unanswered: Set<string>; readonly bytes: number }
}

const LONGEST_WAIT = 5
/** How often it is looked whether edits are saved, at most, and how often in the shortest wait: for 10 s in all. */
const LOOKS = 20
const LOOKS_PER_WAIT = 4
const GROUP_BYTES = 16
/** After a checkpoint that turned out too large the log has to grow by this before another is made to see. */
const GROWTH_BEFORE_RETRY = 1.25
/** The same after one that the server did not take, or that nothing was heard of. */
const GROWTH_AFTER_FAILURE = 2

export function createCheckpointer(parts: CheckpointerParts): Checkpointer {
  const { pubkey, signer, documents, clock, random, turns, limits, logger } = parts
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
    // Of what isn't all here there is nothing to say.
    if (info?.body !== 'held') return false
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
      const pieces = await encode(current)
      const templates = pieces === undefined ? [] : await cut(current, pieces)
      const events: NostrEvent[] = []
      for (const template of templates) {
        // Meanwhile the connection may have gone, or somebody else's checkpoint may have come.
        if (attempt !== current) return
        if (events.length > 0) await turns.next()
        events.push(await signChecked(signer, pubkey, template, limits))
      }
      if (attempt !== current) return
      if (events.length > 0) await publish(address, events)
      else end()
    } catch (error) {
      logger.warn('a checkpoint could not be made', { address, reason: String(error) })
      if (attempt !== current) return
      putOff(address, GROWTH_AFTER_FAILURE * (documents.info(address)?.logBytes ?? 0))
      end()
    }
  }

  /**
   * The state, if nothing is missing from it and all that this device wrote of it is on the server; else nothing. It is
   * what the document held when this began: somebody may write without a pause.
   */
  async function encode(current: Attempt): Promise<readonly Uint8Array[] | undefined> {
    const { address } = current
    const vector = await documents.read(address, vectorOf)
    if (!isPossible(address) || !(await isSaved(current))) return undefined
    const { doc, release } = await documents.open(address)
    const pieces = await statePieces(doc, vector, turns).finally(release)
    // Once more, since what was deleted here meanwhile may be in it.
    return pieces !== undefined && (await isSaved(current)) && isPossible(address) ? pieces : undefined
  }

  function isPossible(address: string): boolean {
    return isDue(address) && !documents.incomplete().includes(address)
  }

  /** Waits until all that was edited here so far is on the server, but not for long. @returns whether it is */
  async function isSaved(current: Attempt): Promise<boolean> {
    const { address } = current
    const stateSoFar = parts.editsSoFar(address)
    for (let look = 1; attempt === current; look++) {
      const state = stateSoFar()
      if (state === 'saved') return true
      // What was refused may stay for long.
      if (state === 'refused') return false
      if (look === LOOKS) {
        wanted.add(address)
        return false
      }
      await new Promise<void>((resolve) => {
        current.timer = clock.setTimeout(resolve, waitMs / LOOKS_PER_WAIT)
      })
    }
    return false
  }

  async function cut(current: Attempt, pieces: readonly Uint8Array[]): Promise<readonly EventTemplate[]> {
    const { address } = current
    const info = documents.info(address)
    const parsed = parseAddress(address)
    if (info === undefined || parsed === undefined) return []
    const cutting = cutPieces(
      {
        address: parsed,
        author: pubkey,
        checkpoint: true,
        roster: info.roster,
        createdAt: Math.floor(clock.now() / 1000),
      },
      pieces,
      () => bytesToHex(random.bytes(GROUP_BYTES)),
      { ...limits, maxEventBytes: parts.maxEventBytes() },
    )
    let step = cutting.next()
    for (; step.done !== true; step = cutting.next()) {
      await turns.next()
      if (attempt !== current) return []
    }
    const { templates, reason } = step.value
    const bytes = templates.reduce((sum, template) => sum + sizeOf(template), 0)
    if (reason === '' && info.logBytes >= ratio * bytes) return templates
    if (reason !== '') logger.warn('a document is too large for a checkpoint', { address, reason })
    putOff(address, Math.max(ratio * bytes, GROWTH_BEFORE_RETRY * info.logBytes))
    return []
  }

  async function publish(address: string, events: readonly NostrEvent[]): Promise<void> {
    // Whatever becomes of it, so that no server and no line makes this device send it again and again. When it
    // comes back, it says how large it is.
    putOff(address, GROWTH_AFTER_FAILURE * (documents.info(address)?.logBytes ?? 0))
    const bytes = events.reduce((sum, event) => sum + eventBytes(event), 0)
    attempt = { address, sent: { unanswered: new Set(events.map(({ id }) => id)), bytes } }
    const sendNow = send
    for (const event of events) {
      if (event !== events[0]) await turns.next()
      // What was begun goes to its end on this connection: the server keeps the parts until all are there.
      if (send !== sendNow) return
      send?.(encodeClient.event(event))
    }
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
      if (attempt?.sent?.unanswered.delete(eventId) !== true) return false
      const { address, sent } = attempt
      if (accepted) backoff.reset()
      if (accepted && sent.unanswered.size > 0) return true
      if (!accepted) logger.warn('the server did not take a checkpoint', { address, reason })
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
