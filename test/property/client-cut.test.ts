import {
  chatAddress,
  DEFAULT_LIMITS,
  decodeUpdateEvent,
  mergeUpdates,
  parsePartTag,
  stringifyEvent,
} from '@onyx-sync/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { cutEdit } from '../../client/src/core/cut-edit.js'
import { noise, rosterOf, testKey } from '../support/events.js'

const owner = testKey(1)
const member = testKey(2)

/** A piece of content: noise, which deflates badly, or words, which deflate well. */
const piece = fc.record({
  isText: fc.boolean(),
  isNoise: fc.boolean(),
  length: fc.integer({ min: 1, max: 6_000 }),
})

const edit = fc.record({
  pieces: fc.array(piece, { minLength: 1, maxLength: 8 }),
  maxEventBytes: fc.integer({ min: 1_200, max: 9_000 }),
  maxUpdateStructs: fc.integer({ min: 40, max: 400 }),
  members: fc.integer({ min: 0, max: 3 }),
  isOwner: fc.boolean(),
  isCheckpoint: fc.boolean(),
})

function updateOf(pieces: readonly { isText: boolean; isNoise: boolean; length: number }[]): Uint8Array {
  const doc = new Y.Doc()
  doc.clientID = 7
  const messages = doc.getArray<Y.Map<unknown>>('messages')
  for (const [index, { isText, isNoise, length }] of pieces.entries()) {
    const words = isNoise ? noise(length, `piece ${index}`) : 'word '.repeat(length / 5 + 1)
    if (isText) {
      const text = new Y.Text()
      messages.push([new Y.Map<unknown>([['content', text]])])
      text.insert(0, words)
    } else {
      // Many small structs.
      for (let n = 0; n < length / 50; n++) doc.getMap('metadata').set(`${index} ${n}`, words.slice(n, n + 9))
    }
  }
  if (messages.length > 1) messages.delete(0)
  return Y.encodeStateAsUpdate(doc)
}

describe('an edit that is cut', () => {
  it('[OUT17] gives events that a server takes, and that hold what the edit held', () => {
    let inParts = 0
    fc.assert(
      fc.property(edit, ({ pieces, maxEventBytes, maxUpdateStructs, members, isOwner, isCheckpoint }) => {
        const limits = { ...DEFAULT_LIMITS, maxEventBytes, maxUpdateStructs }
        const author = isOwner ? owner : member
        const update = updateOf(pieces)
        const { templates, reason } = cutEdit(
          {
            address: chatAddress(owner.publicKey, 'chat'),
            author: author.publicKey,
            framed: { update, checkpoint: isCheckpoint },
            roster: rosterOf(Array.from({ length: members }, (_, n) => testKey(n + 3))),
            createdAt: 1_764_000_000,
          },
          () => 'abcdef0123456789abcdef0123456789',
          limits,
        )
        expect(reason).toBe('')
        const decoded = templates.map((template, index) => {
          // As long as a real one; signing would take most of the time.
          const event = { ...template, id: 'a'.repeat(64), pubkey: author.publicKey, sig: 'b'.repeat(128) }
          expect(Buffer.byteLength(stringifyEvent(event))).toBeLessThanOrEqual(maxEventBytes)
          expect(parsePartTag(event, limits)).toEqual(
            templates.length === 1
              ? undefined
              : { group: 'abcdef0123456789abcdef0123456789', index, count: templates.length },
          )
          // Throws for more structs than the limit.
          return decodeUpdateEvent(event, limits)
        })
        if (templates.length > 1) inParts++
        for (const { framed } of decoded) expect(framed.checkpoint).toBe(isCheckpoint)
        const [whole, joined] = [new Y.Doc(), new Y.Doc()]
        Y.applyUpdate(whole, update)
        Y.applyUpdate(joined, mergeUpdates(decoded.map(({ framed }) => framed.update)))
        expect(Y.encodeStateAsUpdate(joined)).toEqual(Y.encodeStateAsUpdate(whole))
      }),
      { numRuns: 100 },
    )
    expect(inParts).toBeGreaterThan(10)
  })
})
