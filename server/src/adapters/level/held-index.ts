import { getOrCreate, utf8Length } from '@onyx-sync/shared'
import type { Level } from 'level'
import type { Commit, HeldPlace, PartGroup } from '../../ports/event-log.js'
import { heldPlaceOfEntry } from './codecs.js'
import { rangeOf } from './keys.js'
import { entriesOf } from './paging.js'

/**
 * Which parts of edits an author has waiting, in memory: a part may have a megabyte, an author 64 of them, and each
 * one that comes is looked at beside all others.
 */
export interface HeldIndex {
  /** The parts of a group, by ascending index. */
  parts(group: PartGroup): Promise<readonly HeldPlace[]>
  /** All groups of an author, with the bytes of their JSON; in no order. */
  groups(author: string): Promise<(PartGroup & { readonly bytes: number })[]>
  /** Follows a commit that is on disk. */
  committed(commit: Commit): void
  /** Begins anew from the disk. */
  forget(): void
}

/** Authors of whom it is known at a time: those who send parts now. */
const MAX_AUTHORS = 256

interface HeldGroup {
  readonly group: PartGroup
  readonly parts: Map<number, HeldPlace>
}

type Groups = Map<string, HeldGroup>

/** One writer at a time: what is read while a commit is written may be of before it or after it. */
export function createHeldIndex(db: Level<Uint8Array, Uint8Array>): HeldIndex {
  /** Least recently asked for first. */
  const authors = new Map<string, Promise<Groups>>()

  async function read(author: string): Promise<Groups> {
    const groups: Groups = new Map()
    for await (const [key, value] of entriesOf<[Uint8Array, Uint8Array]>(
      db.iterator(rangeOf.heldBy(author)),
    )) {
      const { index, id, bytes, ...group } = heldPlaceOfEntry(key, value)
      placesOf(groups, group).set(index, { index, id, bytes })
    }
    return groups
  }

  function groupsOf(author: string): Promise<Groups> {
    const known = authors.get(author) ?? read(author)
    authors.delete(author)
    authors.set(author, known)
    for (const oldest of authors.keys()) {
      if (authors.size <= MAX_AUTHORS) break
      authors.delete(oldest)
    }
    known.catch(() => {
      if (authors.get(author) === known) authors.delete(author)
    })
    return known
  }

  /** Before anybody who asks from now on is answered. What is being read may have it already, and comes to the same. */
  function change(author: string, apply: (groups: Groups) => void): void {
    authors.get(author)?.then(apply, () => {})
  }

  return {
    async parts(group) {
      const places = (await groupsOf(group.author)).get(nameOf(group))?.parts.values()
      return [...(places ?? [])].sort((a, b) => a.index - b.index)
    },
    async groups(author) {
      return [...(await groupsOf(author)).values()].map(({ group, parts }) => {
        return { ...group, bytes: [...parts.values()].reduce((sum, { bytes }) => sum + bytes, 0) }
      })
    },
    committed({ held = [], released = [], deletedDocuments = [] }) {
      // Parts in it are gone, whosever they are.
      if (deletedDocuments.length > 0) return authors.clear()
      for (const group of released) change(group.author, (groups) => groups.delete(nameOf(group)))
      for (const { index, id, json, ...group } of held) {
        const place = { index, id, bytes: utf8Length(json) }
        change(group.author, (groups) => placesOf(groups, group).set(index, place))
      }
    },
    forget: () => authors.clear(),
  }
}

function nameOf({ group, address }: PartGroup): string {
  return `${group} ${address}`
}

function placesOf(groups: Groups, group: PartGroup): Map<number, HeldPlace> {
  return getOrCreate(groups, nameOf(group), () => ({ group, parts: new Map() })).parts
}
