import { checkUpdate, DEFAULT_LIMITS, KIND, SyncError } from '@onyx-sync/shared'
import fc from 'fast-check'
import * as encoding from 'lib0/encoding'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { hostileUpdate, type Piece, value, writeItem } from '../support/hostile-updates.js'

function refusal(update: Uint8Array): SyncError | undefined {
  try {
    checkUpdate(update, KIND.chat, DEFAULT_LIMITS)
    return undefined
  } catch (error) {
    if (error instanceof SyncError) return error
    throw error
  }
}

const json = fc.jsonValue({ maxDepth: 3 })

/** One change of a chat by one of three devices, by numbers, so that chance can draw it. */
const change = fc.record({ device: fc.nat(2), what: fc.nat(6), at: fc.nat(40), value: json })

function chatOf(changes: readonly { device: number; what: number; at: number; value: unknown }[]): Y.Doc {
  const devices = [1, 2, 3].map((id) => {
    const doc = new Y.Doc()
    doc.clientID = id * 7_919
    return doc
  })
  for (const { device, what, at, value: content } of changes) {
    const doc = devices[device] as Y.Doc
    const messages = doc.getArray<unknown>('messages')
    const metadata = doc.getMap<unknown>('metadata')
    const place = at % (messages.length + 1)
    if (what === 0) messages.insert(place, [content, at])
    else if (what === 1 && messages.length > 0) messages.delete(at % messages.length)
    else if (what === 2) metadata.set(`key ${at % 3}`, content)
    else if (what === 3) metadata.set('bytes', new Uint8Array([at]))
    else if (what === 4) messages.insert(place, [new Y.Text('some text 🙂')])
    else if (what === 5) metadata.delete(`key ${at % 3}`)
    else {
      const text = messages.toArray().find((item) => item instanceof Y.Text)
      if (text instanceof Y.Text) {
        text.insert(0, `${at}`, { bold: at % 2 === 0 })
        text.insertEmbed(0, { content: at })
      }
    }
    if (at % 5 === 0) for (const other of devices) Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
  }
  const all = new Y.Doc()
  for (const doc of devices) Y.applyUpdate(all, Y.encodeStateAsUpdate(doc))
  return all
}

describe('looking through an update', () => {
  it('[YJS6] takes what Yjs writes, and names the same client ids as it', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const update = Y.encodeStateAsUpdate(chatOf(changes))
        const { clientIds } = checkUpdate(update, KIND.chat, DEFAULT_LIMITS)
        const decoded = Y.decodeUpdate(update).structs.filter((struct) => !(struct instanceof Y.Skip))
        expect(clientIds).toEqual([...new Set(decoded.map(({ id }) => id.client))])
      }),
      { numRuns: 50 },
    )
  })

  it('[YJS6] takes nothing that Yjs can not decode, whatever is flipped in it', () => {
    const flips = fc.array(fc.record({ at: fc.nat(), to: fc.nat(255) }), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(fc.array(change, { minLength: 3, maxLength: 20 }), flips, (changes, flipped) => {
        const update = Y.encodeStateAsUpdate(chatOf(changes)).slice()
        for (const { at, to } of flipped) update[at % update.byteLength] = to
        if (refusal(update) !== undefined) return
        expect(() => Y.decodeUpdate(update)).not.toThrow()
      }),
      { numRuns: 200 },
    )
  })

  const item = (content: (encoder: encoding.Encoder) => void): Piece => writeItem('messages', content)
  const any = (write: (encoder: encoding.Encoder) => void): Piece =>
    item((encoder) => {
      encoding.writeUint8(encoder, 8)
      encoding.writeVarUint(encoder, 1)
      write(encoder)
    })

  const nested = (depth: number): Piece =>
    any((encoder) => {
      for (let level = 0; level < depth; level++) {
        encoding.writeUint8(encoder, 117)
        encoding.writeVarUint(encoder, 1)
      }
      encoding.writeUint8(encoder, 126)
    })

  const embed = (text: string): Piece =>
    item((encoder) => {
      encoding.writeUint8(encoder, 5)
      encoding.writeVarString(encoder, text)
    })

  /** A value behind the one at a clock of client 1. */
  const afterClock =
    (clock: number): Piece =>
    (encoder) => {
      encoding.writeUint8(encoder, 8 | 0x80)
      for (const number of [1, clock, 1]) encoding.writeVarUint(encoder, number)
      encoding.writeAny(encoder, 'x')
    }

  const subdocument = item((encoder) => {
    encoding.writeUint8(encoder, 9)
    encoding.writeVarString(encoder, 'guid')
    encoding.writeAny(encoder, {})
  })

  const list = (length: number): Piece =>
    item((encoder) => {
      encoding.writeUint8(encoder, 8)
      encoding.writeVarUint(encoder, length)
      for (let index = 0; index < length; index++) encoding.writeAny(encoder, index)
    })

  const everySecond = Array.from({ length: 10_000 }, (_, index) => [2 * index, 1] as const)
  const sameKey = (length: number): Piece[] =>
    Array.from({ length }, (_, index) => value('metadata', index, 'title'))

  it.each<[string, Uint8Array, string | undefined]>([
    ['values 64 deep', hostileUpdate([[1, 0, [nested(64)]]]), undefined],
    ['values 65 deep', hostileUpdate([[1, 0, [nested(65)]]]), 'UPDATE_INVALID'],
    ['values 100,000 deep', hostileUpdate([[1, 0, [nested(100_000)]]]), 'UPDATE_INVALID'],
    [
      'JSON 100,000 deep',
      hostileUpdate([[1, 0, [embed(`${'['.repeat(1e5)}${']'.repeat(1e5)}`)]]]),
      'UPDATE_INVALID',
    ],
    [
      'brackets in a text of JSON',
      hostileUpdate([[1, 0, [embed(JSON.stringify('['.repeat(200)))]]]),
      undefined,
    ],
    ['a subdocument', hostileUpdate([[1, 0, [subdocument]]]), 'UPDATE_INVALID'],
    [
      'a client id twice',
      hostileUpdate([
        [1, 0, [list(1)]],
        [1, 1, [list(1)]],
      ]),
      'UPDATE_INVALID',
    ],
    [
      'client ids from low to high',
      hostileUpdate([
        [1, 0, [list(1)]],
        [2, 0, [list(1)]],
      ]),
      'UPDATE_INVALID',
    ],
    [
      'a name of 1,025 characters',
      hostileUpdate([[1, 0, [value('metadata', 1, 'k'.repeat(1_025))]]]),
      'UPDATE_INVALID',
    ],
    ['bytes behind the end', new Uint8Array([0, 0, 0]), 'UPDATE_INVALID'],
    [
      'a struct that hangs on a later one',
      hostileUpdate([[1, 0, [value('messages', 1), afterClock(9)]]]),
      'UPDATE_INVALID',
    ],
    [
      'a struct that hangs on the one before',
      hostileUpdate([[1, 0, [value('messages', 1), afterClock(0)]]]),
      undefined,
    ],
    ['two million values in one struct', hostileUpdate([[1, 0, [list(2_000_000)]]]), 'TOO_LARGE'],
    [
      'a list of values that is cut into its pieces',
      hostileUpdate([[1, 0, [list(20_000)]]], [[1, everySecond]]),
      'TOO_LARGE',
    ],
    ['a key with 5,000 first values', hostileUpdate([[1, 0, sameKey(5_000)]]), 'TOO_LARGE'],
    ['a key with 50 first values', hostileUpdate([[1, 0, sameKey(50)]]), undefined],
  ])('[YJS6] answers %s', (_, update, code) => {
    expect(refusal(update)?.code).toBe(code)
  })
})
