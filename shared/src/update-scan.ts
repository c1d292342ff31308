import * as decoding from 'lib0/decoding'
import { getOrCreate } from './collections.js'
import { NotAnUpdate, skipAny, skipBytes, skipJson, skipText } from './update-values.js'

/** Yjs keeps clocks in JavaScript numbers and writes them as 32-bit varints in places: stay far below. */
const MAX_CLOCK = 2 ** 31
/** Characters in the name of a key, a formatting attribute or a root. */
const MAX_NAME_LENGTH = 1_024

/** Names that are looked for before one is read. */
const MAX_NAMES = 16

/** What a scan is told of on the way. Each may throw to end it. */
export interface ScanObserver {
  /** A top-level type that something is put into. */
  root(name: string): void
  /** So many structs, delete ranges or values more. */
  count(more: number): void
  /** A struct that is no gap, with its clocks, and where it stands in the update. */
  struct?(at: Place, length: number, from: number, to: number): void
  /** A deleted range. */
  deletion?(at: Place, length: number): void
}

/** What an update turned out to be. */
export interface ScannedUpdate {
  /** Yjs client ids under which it has structs, each once, in its order. */
  readonly clientIds: readonly number[]
  /**
   * Steps that Yjs may take over and above one for each struct when it applies the update to an empty document:
   * what runs of values cost that are cut apart, and values of one key that know nothing of each other.
   */
  readonly extraSteps: number
}

/** Where a struct, or a deleted range, stands among what its client wrote. */
export interface Place {
  readonly client: number
  readonly clock: number
}

// Yjs update format V1: bits of the byte that begins a struct.
const INFO_SKIP = 10
const MASK_CONTENT = 0x1f
const BIT_HAS_KEY = 0x20
const BIT_HAS_RIGHT = 0x40
const BIT_HAS_LEFT = 0x80
const MAX_TYPE_REF = 6
const TYPE_XML_ELEMENT = 3
const TYPE_XML_HOOK = 5

/**
 * Walks through a Yjs update (format V1) without making anything of it: memory stays flat, and what is too much is
 * noticed where it begins. Takes no more and no less than `Y.decodeUpdate`, but for what only harms: client ids
 * that come twice or out of order (merging would lose them), subdocuments, values nested too deeply, names too
 * long, clocks out of range, structs that hang on later ones of their own client, and bytes behind the end. Throws `NotAnUpdate`, an error of lib0, or what the
 * observer throws.
 */
export function scanUpdate(update: Uint8Array, observer: ScanObserver): ScannedUpdate {
  const scan = createScan(decoding.createDecoder(update), observer)
  const clientIds = scan.structs()
  scan.deletions()
  scan.end()
  return { clientIds, extraSteps: scan.extraSteps() }
}

function createScan(decoder: decoding.Decoder, observer: ScanObserver) {
  const { readVarUint } = decoding
  const count = (more: number): void => {
    pieces += more
    observer.count(more)
  }
  /** Lengths of the runs of values that Yjs keeps in one array. */
  const runs: number[] = []
  /**
   * How many first values each key got: by the client of its container, or `root`, then the key, then the container's clock,
   * or name. There is one for each field of each message, so nothing is made for them.
   */
  const firsts = new Map<number | 'root', Map<string, Map<number | string, number>>>()
  let pieces = 0
  /** What was read last of an id or a container. */
  let client: number | 'root' = 'root'
  let clock: number | string = ''

  /** Whether no value of this struct was counted. Not of each its own: there are as many as fields of messages. */
  let isFirstValue = true

  /** The names that came first: an update has few, and each of them many times. */
  const names: { readonly bytes: Uint8Array; readonly text: string }[] = []

  function name(): string {
    const { arr, pos } = decoder
    const length = readVarUint(decoder)
    const from = decoder.pos
    for (const { bytes, text } of names) {
      if (bytes.byteLength !== length || !isAt(arr, from, bytes)) continue
      decoder.pos = from + length
      return text
    }
    decoder.pos = pos
    const text = decoding.readVarString(decoder)
    if (text.length > MAX_NAME_LENGTH) {
      throw new NotAnUpdate(`a name of ${text.length} characters is longer than ${MAX_NAME_LENGTH}`)
    }
    if (names.length < MAX_NAMES) names.push({ bytes: arr.subarray(from, from + length), text })
    return text
  }

  /**
   * The id of an item that the one at `own` hangs on. Yjs looks whether items of other clients are there, and takes
   * for granted that one's own come earlier: it throws where they don't, each time the update is applied.
   */
  function id(own: Place): void {
    client = readVarUint(decoder)
    clock = readVarUint(decoder)
    if (clock >= MAX_CLOCK || (client === own.client && clock >= own.clock)) {
      throw new NotAnUpdate(`clock ${clock} of client ${client} is out of range for what refers to it`)
    }
  }

  /** A container of items. */
  function parent(own: Place): void {
    if (readVarUint(decoder) !== 1) {
      id(own)
      return
    }
    client = 'root'
    clock = name()
    observer.root(clock)
  }

  function values(read: () => void): number {
    const length = readVarUint(decoder)
    isFirstValue = true
    for (let left = length; left > 0; left--) read()
    // One value comes with its struct.
    if (length > 1) runs.push(length)
    return length
  }

  /** Counts one value less than there are, since each struct counts already. */
  function addValues(more: number): void {
    if (!isFirstValue) count(more)
    isFirstValue = false
  }

  function jsonValue(): void {
    const text = decoding.readVarString(decoder)
    if (text === 'undefined') addValues(1)
    else skipJson(text, addValues)
  }

  function anyValue(): void {
    skipAny(decoder, addValues)
  }

  function oneJson(): number {
    isFirstValue = true
    skipJson(decoding.readVarString(decoder), addValues)
    return 1
  }

  function content(kind: number): number {
    switch (kind) {
      case 1:
        return readVarUint(decoder)
      case 2:
        return values(jsonValue)
      case 3:
        skipBytes(decoder, readVarUint(decoder))
        return 1
      case 4:
        return skipText(decoder)
      case 5:
        return oneJson()
      case 6:
        name()
        return oneJson()
      case 7: {
        const type = readVarUint(decoder)
        if (type > MAX_TYPE_REF) throw new NotAnUpdate(`there is no shared type ${type}`)
        if (type === TYPE_XML_ELEMENT || type === TYPE_XML_HOOK) name()
        return 1
      }
      case 8:
        return values(anyValue)
      case 9:
        throw new NotAnUpdate('it holds a subdocument')
      default:
        throw new NotAnUpdate(`there is no content of kind ${kind}`)
    }
  }

  function item(info: number, own: Place): number {
    const hasLeft = (info & BIT_HAS_LEFT) !== 0
    const hasRight = (info & BIT_HAS_RIGHT) !== 0
    if (hasLeft) id(own)
    if (hasRight) id(own)
    if (!hasLeft && !hasRight) {
      parent(own)
      if ((info & BIT_HAS_KEY) !== 0) {
        const ofKey = getOrCreate(
          getOrCreate(firsts, client, newMap<string, Map<number | string, number>>),
          name(),
          newMap<number | string, number>,
        )
        ofKey.set(clock, (ofKey.get(clock) ?? 0) + 1)
      }
    }
    return content(info & MASK_CONTENT)
  }

  /** Returns the length of the struct in clocks. */
  function struct(info: number, own: Place): number {
    if (info === INFO_SKIP || (info & MASK_CONTENT) === 0) return readVarUint(decoder)
    return item(info, own)
  }

  function checkRange(clock: number, length: number): void {
    if (length < 1 || clock + length > MAX_CLOCK) {
      throw new NotAnUpdate(`clock ${clock} with length ${length} is out of range`)
    }
  }

  return {
    structs(): number[] {
      const clientIds: number[] = []
      let previous = Number.POSITIVE_INFINITY
      for (let clients = readVarUint(decoder); clients > 0; clients--) {
        let left = readVarUint(decoder)
        const client = readVarUint(decoder)
        if (client >= previous) throw new NotAnUpdate('client ids come once each, the highest first')
        previous = client
        let clock = readVarUint(decoder)
        let hasWritten = false
        for (; left > 0; left--) {
          count(1)
          const from = decoder.pos
          const info = decoding.readUint8(decoder)
          const place = { client, clock }
          const length = struct(info, place)
          checkRange(clock, length)
          clock += length
          if (info === INFO_SKIP) continue
          hasWritten = true
          observer.struct?.(place, length, from, decoder.pos)
        }
        if (hasWritten) clientIds.push(client)
      }
      return clientIds
    },

    deletions(): void {
      for (let clients = readVarUint(decoder); clients > 0; clients--) {
        const client = readVarUint(decoder)
        for (let left = readVarUint(decoder); left > 0; left--) {
          count(1)
          const clock = readVarUint(decoder)
          const length = readVarUint(decoder)
          checkRange(clock, length)
          observer.deletion?.({ client, clock }, length)
        }
      }
    },

    end(): void {
      if (decoding.hasContent(decoder)) throw new NotAnUpdate('there are bytes behind its end')
    },

    extraSteps(): number {
      let steps = 0
      for (const length of runs) steps += length * Math.min(length, pieces - length)
      for (const keys of firsts.values())
        for (const ofKey of keys.values()) for (const times of ofKey.values()) steps += times * (times - 1)
      return steps
    },
  }
}

/** Whether the bytes are there, from an index on. */
function isAt(there: Uint8Array, from: number, bytes: Uint8Array): boolean {
  for (let index = 0; index < bytes.byteLength; index++)
    if (there[from + index] !== bytes[index]) return false
  return true
}

function newMap<K, V>(): Map<K, V> {
  return new Map()
}
