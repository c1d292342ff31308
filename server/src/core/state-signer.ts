import {
  bytesToHex,
  type Clock,
  type EventTemplate,
  type Limits,
  type NostrEvent,
  type Part,
  type Random,
  type StateDocument,
  SyncError,
  stringifyEvent,
  utf8Length,
} from '@onyx-sync/shared'
import type { Merger } from '../ports/merger.js'
import type { ReplayedState, StateBatch } from './replay.js'
import { byteLengthOf } from './state-pieces.js'

/** Makes state events: kind 20002, signed with the server's own key. */
export interface StateSigner {
  /**
   * JSON of the events that carry a batch, in the order in which they are to be sent: one, or as many as it
   * takes to keep each under `maxEventBytes`. A document that is larger by itself goes in parts. Each is made while the
   * one before it is used. Throws `TOO_LARGE` where that can't be, before the first of a document.
   */
  sign(batch: StateBatch): AsyncIterable<string>
}

export interface StateSignerOptions {
  /** Signs with the server's key. */
  readonly signEvent: (template: EventTemplate) => NostrEvent
  readonly merger: Merger
  readonly clock: Clock
  readonly random: Random
  readonly limits: Pick<Limits, 'maxEventBytes' | 'maxParts' | 'maxUpdateBytes'>
}

/** What base64 and an event's other fields leave of the largest event, for bytes that DEFLATE can't shrink. */
const PART_FRACTION = 0.7
/** Leaves room for the framing of each document. */
const UNFOLDED_FRACTION = 0.9
/**
 * A device checks, unfolds and looks through each event in one go, while its user may be typing. So one is no larger than
 * this, unfolded, though the limits allow more; and what is larger comes in parts of about half of it.
 */
const WHOLE_BYTES = 512 * 1024
const GROUP_BYTES = 16

type Progress = Pick<StateBatch, 'done' | 'total'>

export function createStateSigner({
  signEvent,
  merger,
  clock,
  random,
  limits,
}: StateSignerOptions): StateSigner {
  const maxUnfoldedBytes = Math.min(limits.maxUpdateBytes * UNFOLDED_FRACTION, WHOLE_BYTES)
  const maxPieceBytes = Math.floor(
    Math.min(limits.maxEventBytes * PART_FRACTION, maxUnfoldedBytes, WHOLE_BYTES / 2),
  )

  async function jsonOf(
    documents: readonly StateDocument[],
    { done, total }: Progress,
    part?: Part,
  ): Promise<string> {
    const createdAt = Math.floor(clock.now() / 1000)
    const input = { documents, createdAt, part, progress: { done, total } }
    return stringifyEvent(signEvent(await merger.run('stateTemplate', input)))
  }

  async function* inParts(
    { address, log, updates }: ReplayedState,
    rest: Progress,
  ): AsyncGenerator<string, void> {
    const pieces: Uint8Array[] = []
    for (const update of updates) {
      if (update.byteLength <= maxPieceBytes) pieces.push(update)
      else pieces.push(...(await merger.run('split', update, maxPieceBytes)))
    }
    if (pieces.length > limits.maxParts) {
      throw new SyncError(
        'TOO_LARGE',
        `${address} takes ${pieces.length} parts, ${limits.maxParts} are allowed`,
      )
    }
    const group = bytesToHex(random.bytes(GROUP_BYTES))
    const make = (index: number) =>
      jsonOf([{ address, log, update: pieces[index] as Uint8Array }], rest, {
        group,
        index,
        count: pieces.length,
      })
    let next = make(0)
    for (let index = 1; index <= pieces.length; index++) {
      const json = await next
      if (index < pieces.length) next = make(index)
      // Should nobody want it, it fails for nobody.
      next.catch(() => {})
      yield json
    }
  }

  async function* sign({ documents, ...rest }: StateBatch): AsyncGenerator<string, void> {
    const bytes = documents.reduce((sum, { updates }) => sum + byteLengthOf(updates), 0)
    const whole = documents.flatMap(({ updates: [update, ...others], ...document }) =>
      update === undefined || others.length > 0 ? [] : { ...document, update },
    )
    // A reader bounds what it unfolds, however small it was folded.
    if (bytes <= maxUnfoldedBytes && whole.length === documents.length) {
      const json = await jsonOf(whole, rest)
      if (utf8Length(json) <= limits.maxEventBytes) {
        yield json
        return
      }
    }
    if (documents.length === 1) {
      yield* inParts(documents[0] as ReplayedState, rest)
      return
    }
    const middle = documents.length >> 1
    yield* sign({ documents: documents.slice(0, middle), ...rest })
    yield* sign({ documents: documents.slice(middle), ...rest })
  }

  return { sign }
}
