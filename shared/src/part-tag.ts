import { SyncError } from './errors.js'
import type { EventTemplate } from './event.js'
import type { Limits } from './limits.js'

/** Which part of something that was too large for one event an event carries. */
export interface Part {
  /** What the parts of one whole have in common: 8–64 lower-case hex characters, made anew for each whole. */
  readonly group: string
  /** From 0. */
  readonly index: number
  /** Parts of the whole: 2 to `maxParts`. */
  readonly count: number
}

const GROUP = /^[0-9a-f]{8,64}$/
/** Decimal, without sign or leading zeros, and short enough to be exact. */
const WHOLE_NUMBER = /^(?:0|[1-9][0-9]{0,8})$/

/** The `part` tag. Throws `VALUE_INVALID` for a part that can't be. Source: SPEC EVT6. */
export function partTag({ group, index, count }: Part): string[] {
  const areWhole = Number.isSafeInteger(index) && Number.isSafeInteger(count)
  if (!GROUP.test(group) || !areWhole || count < 2 || index < 0 || index >= count) {
    throw new SyncError(
      'VALUE_INVALID',
      `part ${index} of ${count} in ${JSON.stringify(group)}: a group has 8–64 lower-case hex characters, and ` +
        'at least two parts that are counted from 0',
    )
  }
  return ['part', group, String(index), String(count)]
}

/**
 * What the `part` tag of an event says; undefined if there is none. Throws `EVENT_TAGS_INVALID` for more than
 * one, or one that is malformed. Source: SPEC EVT6.
 */
export function parsePartTag(event: Pick<EventTemplate, 'tags'>, limits: Limits): Part | undefined {
  const tags = event.tags.filter((tag) => tag[0] === 'part')
  if (tags.length === 0) return undefined
  const [, group = '', indexText = '', countText = '', ...others] = tags[0] as string[]
  const [index, count] = [Number(indexText), Number(countText)]
  const isWellFormed =
    tags.length === 1 &&
    others.length === 0 &&
    GROUP.test(group) &&
    WHOLE_NUMBER.test(indexText) &&
    WHOLE_NUMBER.test(countText)
  if (!isWellFormed || count < 2 || count > limits.maxParts || index >= count) {
    throw new SyncError(
      'EVENT_TAGS_INVALID',
      'the part tag, given at most once, is ["part", "<8–64 lower-case hex characters>", "<index from 0>", ' +
        `"<count, 2–${limits.maxParts}>"]`,
    )
  }
  return { group, index, count }
}
