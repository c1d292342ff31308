import * as decoding from 'lib0/decoding'
import { skipAny, skipBytes } from './update-values.js'

/** Something in an update keeps it from being taken apart. */
export class Unsliceable extends Error {
  constructor(
    reason: string,
    /** Whether that is formatted text. */
    readonly isFormatting = false,
  ) {
    super(reason)
  }
}

/** A struct of an update as it lies there. */
export interface ReadStruct {
  readonly client: number
  readonly clock: number
  /** In clocks. */
  readonly length: number
  /** The update, and its own part of that: from `from` to before `to`. */
  readonly update: Uint8Array
  readonly from: number
  readonly to: number
  /** Client and clock of what it hangs on, of other clients only: of its own, everything earlier comes before it. */
  readonly needs: readonly (readonly [number, number])[]
  /** Whether a type begins here that isn't part of another, such as a message of a chat, as far as the update tells. */
  readonly beginsElement: boolean
}

interface Reader {
  struct(struct: ReadStruct): void
  deletion(client: number, clock: number, length: number): void
}

// Yjs update format V1: bits of the byte that begins a struct, and kinds of content.
const SKIP = 10
const KIND = 0x1f
const HAS_KEY = 0x20
const HAS_RIGHT = 0x40
const HAS_LEFT = 0x80
const FORMAT = 6
const TYPE = 7
const SUBDOCUMENT = 9
const XML_ELEMENT = 3
const XML_HOOK = 5

const NOTHING: ReadStruct['needs'] = []

/**
 * Reads where the structs of an update (Yjs format V1) begin and end and what they hang on, without making anything of
 * them. Yields after every `stepBytes`. Throws `Unsliceable`, or anything else where it is no update. It checks less than
 * `scanUpdate`: what comes from others has been looked through by that.
 */
export function* readStructs(
  update: Uint8Array,
  stepBytes: number,
  reader: Reader,
): Generator<undefined, void, void> {
  const decoder = decoding.createDecoder(update)
  let pause = stepBytes
  const elements: Elements = new Map()
  for (let clients = decoding.readVarUint(decoder); clients > 0; clients--) {
    let left = decoding.readVarUint(decoder)
    const client = decoding.readVarUint(decoder)
    let clock = decoding.readVarUint(decoder)
    for (; left > 0; left--) {
      const struct = readStruct(decoder, client, clock, elements)
      reader.struct(struct)
      clock += struct.length
      if (decoder.pos < pause) continue
      pause = decoder.pos + stepBytes
      yield
    }
  }
  for (let clients = decoding.readVarUint(decoder); clients > 0; clients--) {
    const client = decoding.readVarUint(decoder)
    for (let left = decoding.readVarUint(decoder); left > 0; left--)
      reader.deletion(client, decoding.readVarUint(decoder), decoding.readVarUint(decoder))
  }
  if (decoding.hasContent(decoder)) throw new Unsliceable('there are bytes behind its end')
}

/** Clocks of types by their client, and whether each is an element of a list at the top. */
type Elements = Map<number, Map<number, boolean>>

function readStruct(
  decoder: decoding.Decoder,
  client: number,
  clock: number,
  elements: Elements,
): ReadStruct {
  const from = decoder.pos
  const info = decoding.readUint8(decoder)
  if (info === SKIP) throw new Unsliceable('it has a gap')
  let needs = NOTHING
  let length: number
  let beginsElement = false
  if ((info & KIND) === 0) length = decoding.readVarUint(decoder)
  else {
    const kind = info & KIND
    const ids = Number((info & HAS_LEFT) !== 0) + Number((info & HAS_RIGHT) !== 0)
    beginsElement = kind === TYPE
    // Nothing is made here that isn't kept: this runs for every key of every message.
    for (let left = ids; left > 0; left--) {
      const ofClient = decoding.readVarUint(decoder)
      const at = decoding.readVarUint(decoder)
      if (ofClient !== client) needs = [...needs, [ofClient, at]]
      // Beside an element is another one; what isn't in the update most likely is one.
      beginsElement &&= elements.get(ofClient)?.get(at) ?? true
    }
    if (ids === 0) {
      const isAtTop = decoding.readVarUint(decoder) === 1
      beginsElement &&= isAtTop
      if (isAtTop) skipText(decoder)
      else {
        const ofClient = decoding.readVarUint(decoder)
        const at = decoding.readVarUint(decoder)
        if (ofClient !== client) needs = [[ofClient, at]]
      }
      if ((info & HAS_KEY) !== 0) skipText(decoder)
    }
    if (kind === TYPE) noteType(elements, client, clock, beginsElement)
    length = readContent(decoder, kind)
  }
  if (length < 1) throw new Unsliceable('it has an empty struct')
  return { client, clock, length, update: decoder.arr, from, to: decoder.pos, needs, beginsElement }
}

function noteType(elements: Elements, client: number, clock: number, isElement: boolean): void {
  const ofClient = elements.get(client) ?? new Map<number, boolean>()
  elements.set(client, ofClient.set(clock, isElement))
}

/** @returns its length in clocks */
function readContent(decoder: decoding.Decoder, kind: number): number {
  switch (kind) {
    case 1:
      return decoding.readVarUint(decoder)
    case 2: {
      const count = decoding.readVarUint(decoder)
      for (let left = count; left > 0; left--) skipText(decoder)
      return count
    }
    case 3:
      skipBytes(decoder, decoding.readVarUint(decoder))
      return 1
    case 4:
      return skipText(decoder)
    case 5:
      skipText(decoder)
      return 1
    case TYPE: {
      const type = decoding.readVarUint(decoder)
      if (type === XML_ELEMENT || type === XML_HOOK) skipText(decoder)
      return 1
    }
    case 8: {
      const count = decoding.readVarUint(decoder)
      for (let left = count; left > 0; left--) skipAny(decoder, () => {})
      return count
    }
    case FORMAT:
      throw new Unsliceable('it has formatting', true)
    case SUBDOCUMENT:
      throw new Unsliceable('it has a subdocument')
    default:
      throw new Unsliceable(`there is no content of kind ${kind}`)
  }
}

/** Skips a text of UTF-8. @returns its length in UTF-16, as Yjs counts */
function skipText(decoder: decoding.Decoder): number {
  const bytes = decoding.readVarUint(decoder)
  const from = decoder.pos
  skipBytes(decoder, bytes)
  let length = 0
  for (let at = from; at < decoder.pos; at++) {
    const byte = decoder.arr[at] as number
    // Not what goes on with a character; those of four bytes are two.
    if ((byte & 0xc0) !== 0x80) length += byte >= 0xf0 ? 2 : 1
  }
  return length
}
