import { mergeUpdates, type Part, parsePartTag, SyncError, utf8Length } from '@onyx-sync/shared'
import type { Commit, EventLog, HeldPart, PartGroup } from '../ports/event-log.js'
import { type CheckedEvent, type DocumentContent, recheckEvent } from './check-event.js'
import { UNBOUNDED } from './stored-events.js'

/** An event of a document. */
export type DocumentEvent = CheckedEvent & { readonly content: DocumentContent }

/** The parts of edits that one batch brings and the log holds. */
export interface HeldParts {
  /** Takes a part in. Returns all parts of its edit, in order, when with it they are there. */
  add(checked: DocumentEvent, part: Part): Promise<DocumentEvent[] | undefined>
  /** The edit of a part is in the log, or else the part is refused. */
  settle(checked: DocumentEvent, part: Part, isAccepted: boolean): void
  toCommit(): Pick<Commit, 'held' | 'released'>
}

interface Group {
  readonly parts: Map<number, HeldPart>
  /** Indices of the parts that the log holds already. */
  readonly stored: ReadonlySet<number>
  isReleased: boolean
}

/**
 * Keeps parts until their edit is complete, so that nobody ever sees half of it. `maxHeldBytes` is for all
 * parts of one author; beyond that other edits of the author are given up, and sent again by their device.
 * Source: SPEC ING7, ING8.
 */
export function createHeldParts(log: EventLog, maxHeldBytes: number): HeldParts {
  const groups = new Map<string, Group & { readonly id: PartGroup }>()
  const givenUp: PartGroup[] = []

  async function groupOf(id: PartGroup): Promise<Group> {
    const key = `${id.author} ${id.group} ${id.address}`
    const known = groups.get(key)
    if (known !== undefined) return known
    const stored = await log.heldParts(id)
    const group = {
      id,
      parts: new Map(stored.map((part) => [part.index, part])),
      stored: new Set(stored.map(({ index }) => index)),
      isReleased: false,
    }
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

  return {
    async add(checked, part) {
      const { event, json, content } = checked
      const id = { author: event.pubkey, address: content.address, group: part.group }
      const group = await groupOf(id)
      const other = group.parts.get(part.index)
      if (other !== undefined && other.id !== event.id) {
        throw new SyncError(
          'EVENT_TAGS_INVALID',
          `part ${part.index} of group ${part.group} is there, as another event`,
        )
      }
      const bytes = [...group.parts.values()].reduce(
        (sum, { json: text }) => sum + utf8Length(text),
        utf8Length(json),
      )
      await makeRoom(id, bytes)
      group.parts.set(part.index, { ...id, index: part.index, id: event.id, json })
      if (group.parts.size < part.count) return undefined
      return complete([...group.parts.values()], checked, part, maxHeldBytes)
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
      return {
        held: all.flatMap(({ parts, stored, isReleased }) =>
          isReleased ? [] : [...parts.values()].filter(({ index }) => !stored.has(index)),
        ),
        released: [
          ...all.filter(({ stored, isReleased }) => isReleased && stored.size > 0).map(({ id }) => id),
          ...givenUp,
        ],
      }
    },
  }
}

/**
 * The parts of an edit, taken apart again. What they unfold to is bounded like what they take on disk: 256 parts,
 * each a deflate bomb of the largest update, would come to gigabytes.
 */
function complete(
  parts: readonly HeldPart[],
  last: DocumentEvent,
  { count }: Part,
  maxBytes: number,
): DocumentEvent[] {
  const inOrder = [...parts].sort((a, b) => a.index - b.index)
  let bytes = 0
  return inOrder.map(({ id, json }) => {
    const checked = id === last.event.id ? last : recheckEvent(json, UNBOUNDED)
    if (checked !== last && parsePartTag(checked.event, UNBOUNDED)?.count !== count) {
      throw new SyncError('EVENT_TAGS_INVALID', 'the parts of one group disagree about how many there are')
    }
    bytes += checked.content.framed.update.byteLength
    if (bytes > maxBytes) {
      throw new SyncError('TOO_LARGE', `the parts of an edit unfold to ${maxBytes} bytes at most`)
    }
    return checked
  })
}

/** What the parts of an edit bring together. */
export function joinContents(contents: readonly DocumentContent[]): DocumentContent {
  const [first] = contents
  if (first === undefined || contents.length === 1) return first as DocumentContent
  return {
    address: first.address,
    framed: {
      update: mergeUpdates(contents.map(({ framed }) => framed.update)),
      checkpoint: contents.every(({ framed }) => framed.checkpoint),
    },
    clientIds: [...new Set(contents.flatMap(({ clientIds }) => clientIds))],
    part: undefined,
  }
}
