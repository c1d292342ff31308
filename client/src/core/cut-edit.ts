import {
  checkUpdate,
  createUpdateTemplate,
  type EventTemplate,
  type Limits,
  partTag,
  SyncError,
  splitUpdate,
  type UpdateEventInput,
} from '@onyx-sync/shared'
import { eventBytes } from './outbox-events.js'

/** An edit as templates to sign, in their order: one, or the parts it was cut into. */
export interface CutEdit {
  readonly templates: readonly EventTemplate[]
  /** Why it can't be sent, for people; empty when it can. Otherwise there is one template, which holds all of it. */
  readonly reason: string
}

/** What signing adds to a template. */
const SIGNED = { id: '0'.repeat(64), pubkey: '0'.repeat(64), sig: '0'.repeat(128) }
/** Characters in the name of a group, at most (SPEC EVT6). */
const GROUP_LENGTH = 64
/** Room for type and length of a sync message. */
const FRAMING_BYTES = 8
/** Pieces are aimed a little smaller than they may be, since not each deflates as well as the whole. */
const MARGIN = 0.95

/** An edit, or a state, that becomes events. */
export type CutInput = Omit<UpdateEventInput, 'part'>

/**
 * An update in one event where that fits below `limits.maxEventBytes`, else in as many as it takes (SPEC EVT6).
 * `newGroup` gives parts their name, and is asked where there are any. The update is deflated to see what it
 * takes, so the time grows with its size.
 */
export function cutEdit(input: CutInput, newGroup: () => string, limits: Limits): CutEdit {
  const { update } = input.framed
  const cutter = createCutter(input, limits)
  const whole = cutter.templateOf(update)
  return finish(whole, limits, newGroup, () => {
    checkSize(update.byteLength, limits)
    return cutter.cut(update, whole, 0)
  })
}

/**
 * The same for an update that comes in pieces, which make it together. Yields after each of them, so that others can have
 * their turn.
 */
export function* cutPieces(
  input: Omit<CutInput, 'framed'> & { readonly checkpoint: boolean },
  pieces: readonly Uint8Array[],
  newGroup: () => string,
  limits: Limits,
): Generator<undefined, CutEdit, void> {
  const { checkpoint } = input
  const first = { update: pieces[0] as Uint8Array, checkpoint }
  if (pieces.length === 1) return cutEdit({ ...input, framed: first }, newGroup, limits)
  const cutter = createCutter({ ...input, framed: first }, limits)
  const templates: EventTemplate[] = []
  try {
    checkSize(
      pieces.reduce((sum, { byteLength }) => sum + byteLength, 0),
      limits,
    )
    for (const piece of pieces) {
      templates.push(...cutter.cut(piece, cutter.templateOf(piece), cutter.tagBytes))
      yield
    }
  } catch (error) {
    return finish(cutter.templateOf(first.update), limits, newGroup, () => {
      throw error
    })
  }
  return finish(templates[0] as EventTemplate, limits, newGroup, () => templates)
}

function checkSize(updateBytes: number, { maxUpdateBytes }: Limits): void {
  const bytes = updateBytes + FRAMING_BYTES
  if (bytes <= maxUpdateBytes) return
  throw new SyncError('TOO_LARGE', `it is ${bytes} bytes, and ${maxUpdateBytes} are allowed in all its parts`)
}

/** Templates as parts of one edit where there are several; why it can't be sent where `make` throws that it is too large. */
function finish(
  whole: EventTemplate,
  { maxParts }: Limits,
  newGroup: () => string,
  make: () => readonly EventTemplate[],
): CutEdit {
  try {
    const templates = make()
    const count = templates.length
    if (count === 1) return { templates, reason: '' }
    if (count > maxParts)
      throw new SyncError('TOO_LARGE', `it makes ${count} parts, and ${maxParts} are allowed`)
    const group = newGroup()
    const parts = templates.map((template, index) => ({
      ...template,
      tags: [...template.tags, partTag({ group, index, count })],
    }))
    return { templates: parts, reason: '' }
  } catch (error) {
    if (error instanceof SyncError && error.code === 'TOO_LARGE')
      return { templates: [whole], reason: error.message }
    throw error
  }
}

function createCutter(input: CutInput, limits: Limits) {
  const { framed, address } = input
  const { maxEventBytes, maxParts } = limits
  const longestTag = partTag({ group: 'f'.repeat(GROUP_LENGTH), index: maxParts - 1, count: maxParts })
  const tagBytes = JSON.stringify(longestTag).length + 1
  const templateOf = (update: Uint8Array) => createUpdateTemplate({ ...input, framed: { ...framed, update } })
  const sizeOf = (template: EventTemplate) => eventBytes({ ...template, ...SIGNED })

  /** What fits into a part however badly it deflates: base64 makes four bytes of three. */
  function certainBytes(template: EventTemplate): number {
    const roomBytes = maxEventBytes - tagBytes - sizeOf({ ...template, content: '' })
    return Math.floor((roomBytes * 3) / 4) - FRAMING_BYTES
  }

  /** Templates for an update, which has this one as a whole, and needs so many bytes besides. */
  function cut(update: Uint8Array, template: EventTemplate, extraBytes: number): EventTemplate[] {
    const isTooLarge = sizeOf(template) + extraBytes > maxEventBytes
    if (!isTooLarge && !hasTooManyStructs(update)) return [template]
    const pieceBytes = isTooLarge ? fittingBytes(update, template) : Math.floor(update.byteLength / 2)
    return splitUpdate(update, pieceBytes).flatMap((piece) => cut(piece, templateOf(piece), tagBytes))
  }

  /** How large pieces may be, going by how the whole deflates. Always smaller than the whole, so that it ends. */
  function fittingBytes(update: Uint8Array, template: EventTemplate): number {
    const certain = certainBytes(template)
    const deflatedTo = (template.content.length * 3) / 4 / update.byteLength
    const bytes = Math.floor(Math.max(certain, Math.min(certain / deflatedTo, update.byteLength) * MARGIN))
    if (certain > 0 && bytes < update.byteLength) return bytes
    throw new SyncError('TOO_LARGE', `the tags leave no room in an event of ${maxEventBytes} bytes`)
  }

  function hasTooManyStructs(update: Uint8Array): boolean {
    // Each takes more than a byte.
    if (update.byteLength <= limits.maxUpdateStructs) return false
    try {
      checkUpdate(update, address.kind, limits)
      return false
    } catch (error) {
      // Whatever else is wrong with it, cutting does not mend.
      return error instanceof SyncError && error.code === 'TOO_LARGE'
    }
  }

  return { templateOf, cut, tagBytes }
}
