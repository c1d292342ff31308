import {
  formatAddress,
  type NostrEvent,
  type Part,
  parseEvent,
  parsePartTag,
  parseUpdateHeader,
  SyncError,
} from '@onyx-sync/shared'
import type { DocumentContent } from '../ports/document-content.js'
import type { Commit, EventLog, HeldPart, HeldPlace, PartGroup } from '../ports/event-log.js'
import type { Merger } from '../ports/merger.js'
import type { CheckedEvent } from './check-event.js'
import { beginAgain, runWhileItLasts } from './lost-merger.js'
import { UNBOUNDED } from './stored-events.js'

/** An event of a document. */
export type DocumentEvent = CheckedEvent & { readonly content: DocumentContent }

/** An edit that is complete. */
export interface WholeEdit {
  /** In order. What each brings by itself is in `content` only. */
  readonly parts: readonly EditPart[]
  /** What they bring together. */
  readonly content: DocumentContent
}

/** An event of an edit, without what it brings by itself. */
export type EditPart = Omit<CheckedEvent, 'content'> & { readonly address: string }

/** The parts of edits that one batch brings and the log holds. */
export interface HeldParts {
  /** Takes a part in. Returns all parts of its edit, in order, when with it they are there. */
  add(checked: DocumentEvent, part: Part): Promise<WholeEdit | undefined>
  /** The edit of a part is in the log, or else the part is refused. */
  settle(checked: DocumentEvent, part: Part, isAccepted: boolean): void
  toCommit(): Pick<Commit, 'held' | 'released'>
}

interface Group {
  readonly id: PartGroup
  readonly parts: Map<number, PartPlace>
  isReleased: boolean
}

interface PartPlace extends HeldPlace {
  /** Its JSON, if it came with this batch; the log has the others. */
  readonly json?: string
}

/**
 * Keeps parts until their edit is complete, so that nobody ever sees half of it. `maxHeldBytes` is for all
 * parts of one author; beyond that other edits of the author are given up, and sent again by their device.
 * Source: SPEC ING7, ING8.
 */
export function createHeldParts(log: EventLog, merger: Merger, maxHeldBytes: number): HeldParts {
  const groups = new Map<string, Group>()
  const givenUp: PartGroup[] = []

  async function groupOf(id: PartGroup): Promise<Group> {
    const key = `${id.author} ${id.group} ${id.address}`
    const known = groups.get(key)
    if (known !== undefined) return known
    const stored = await log.heldParts(id)
    const parts = new Map<number, PartPlace>(stored.map((place) => [place.index, place]))
    const group = { id, parts, isReleased: false }
    groups.set(key, group)
    return group
  }

  async function makeRoom(id: PartGroup, own: number): Promise<void> {
    const others = (await log.heldGroups(id.author)).filter(
      ({ group, address }) => group !== id.group || address !== id.address,
    )
    let total = own + others.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const { bytes, ...other } of others.sort((a, b) => b.bytes - a.bytes)) {
      if (total <= maxHeldBytes) return
      total -= bytes
      givenUp.push(other)
    }
    if (total > maxHeldBytes) {
      throw new SyncError('TOO_LARGE', `an edit in parts has at most ${maxHeldBytes} bytes in all`)
    }
  }

  /**
   * The parts of an edit, taken apart again, one at a time: together they may have 64 MB. What they unfold to is bounded
   * like what they take on disk: 256 parts, each a deflate bomb of the largest update, would come to gigabytes.
   */
  async function complete({ id, parts }: Group, { count }: Part): Promise<WholeEdit> {
    const join = ++joins
    const run = runWhileItLasts(merger)
    const edit: EditPart[] = []
    try {
      for (const place of [...parts.values()].sort((a, b) => a.index - b.index)) {
        const json = place.json ?? (await log.loadHeld(id, place.index))
        if (json === undefined) throw new Error(`part ${place.index} of group ${id.group} has gone`)
        const event = parseEvent(JSON.parse(json), UNBOUNDED)
        if (parsePartTag(event, UNBOUNDED)?.count !== count) {
          throw new SyncError(
            'EVENT_TAGS_INVALID',
            'the parts of one group disagree about how many there are',
          )
        }
        edit.push(partOf(event, json, place.bytes))
        await run('gather', join, event, maxHeldBytes)
      }
      return { parts: edit, content: await run('join', join) }
    } catch (error) {
      run('scatter', join).catch(() => {})
      throw error
    }
  }

  return {
    async add(checked, part) {
      const { event, json, bytes, content } = checked
      const id = { author: event.pubkey, address: content.address, group: part.group }
      const group = await groupOf(id)
      const other = group.parts.get(part.index)
      if (other !== undefined && other.id !== event.id) {
        throw new SyncError(
          'EVENT_TAGS_INVALID',
          `part ${part.index} of group ${part.group} is there, as another event`,
        )
      }
      await makeRoom(
        id,
        [...group.parts.values()].reduce((sum, other) => sum + other.bytes, bytes),
      )
      group.parts.set(part.index, { index: part.index, id: event.id, bytes, json })
      if (group.parts.size < part.count) return undefined
      try {
        return await beginAgain(
          () => complete(group, part),
          'putting the parts of the edit together takes too long: split it',
        )
      } catch (error) {
        // Not held, or it would be called known when it comes again, and the edit never be whole.
        group.parts.delete(part.index)
        throw error
      }
    },
    settle({ event, content }, part, isAccepted) {
      const group = groups.get(`${event.pubkey} ${part.group} ${content.address}`)
      if (group === undefined) return
      // What was said to be kept is kept, also where the edit as a whole is refused.
      if (isAccepted) group.isReleased = true
      else group.parts.delete(part.index)
    },
    toCommit() {
      const all = [...groups.values()]
      const isStored = ({ parts }: Group) => [...parts.values()].some(({ json }) => json === undefined)
      return {
        held: all.flatMap(({ id, parts, isReleased }) =>
          isReleased ? [] : [...parts.values()].flatMap((place) => heldOf(id, place)),
        ),
        released: [
          ...all.filter((group) => group.isReleased && isStored(group)).map(({ id }) => id),
          ...givenUp,
        ],
      }
    },
  }
}

/** What is to be held of a part from now on. */
function heldOf(group: PartGroup, { index, id, json }: PartPlace): HeldPart[] {
  return json === undefined ? [] : [{ ...group, index, id, json }]
}

/** Numbers what is put together. */
let joins = 0

function partOf(event: NostrEvent, json: string, bytes: number): EditPart {
  const { address, roster } = parseUpdateHeader(event, UNBOUNDED)
  return { event, json, bytes, address: formatAddress(address), owner: address.owner, statement: roster }
}
