import {
  chatAddress,
  createUpdateTemplate,
  DEFAULT_LIMITS,
  decodeUpdateEvent,
  EMPTY_ROSTER,
  type Part,
  parseUpdateHeader,
  splitUpdate,
} from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { chatTemplate, messageUpdate, noise, sign, testKey } from '../support/events.js'

const owner = testKey(1)
const GROUP = '0123456789abcdef'

function partOf(update: Uint8Array, part: Part) {
  return createUpdateTemplate({
    address: chatAddress(owner.publicKey, 'oslo'),
    author: owner.publicKey,
    framed: { update, checkpoint: false },
    roster: EMPTY_ROSTER,
    createdAt: 5,
    part,
  })
}

describe('a part of an edit', () => {
  it('[EVT6] is an update event of its own; all of them together are the edit', () => {
    const text = noise(5_000)
    const whole = new Y.Doc()
    whole.getArray('messages').push([new Y.Map([['content', new Y.Text(text)]])])
    const updates = splitUpdate(Y.encodeStateAsUpdate(whole), 1_000)
    expect(updates.length).toBeGreaterThan(4)
    const count = updates.length
    const doc = new Y.Doc()
    for (const [index, update] of updates.entries()) {
      const event = sign(owner, partOf(update, { group: GROUP, index, count }))
      expect(event.tags).toContainEqual(['part', GROUP, String(index), String(count)])
      const { part, framed } = decodeUpdateEvent(event, DEFAULT_LIMITS)
      expect(part).toEqual({ group: GROUP, index, count })
      Y.applyUpdate(doc, framed.update)
    }
    const [message] = doc.getArray<Y.Map<unknown>>('messages').toJSON() as [{ content: string }]
    expect(message.content).toBe(text)
  })

  it('[EVT6] is told by its one part tag: without it an event is a whole edit', () => {
    const event = sign(owner, chatTemplate(owner))
    expect(parseUpdateHeader(event, DEFAULT_LIMITS).part).toBeUndefined()
    const limits = { ...DEFAULT_LIMITS, maxParts: 10 }
    const parse = (...tags: string[][]) =>
      parseUpdateHeader({ ...event, tags: [...event.tags, ...tags] }, limits).part
    for (const [group, index, count] of [
      ['01234567', '0', '2'],
      ['f'.repeat(64), '9', '10'],
    ] as const) {
      expect(parse(['part', group, index, count])).toEqual({
        group,
        index: Number(index),
        count: Number(count),
      })
    }
    const malformed: string[][][] = [
      [['part']],
      [['part', GROUP]],
      [['part', GROUP, '0']],
      [['part', GROUP, '0', '2', 'more']],
      [['part', '0123456', '0', '2']],
      [['part', 'f'.repeat(65), '0', '2']],
      [['part', 'ABCDEF0123', '0', '2']],
      [['part', `${GROUP}\n`, '0', '2']],
      [['part', GROUP, '2', '2']],
      [['part', GROUP, '0', '1']],
      [['part', GROUP, '0', '11']],
      [['part', GROUP, '-1', '2']],
      [['part', GROUP, '00', '2']],
      [['part', GROUP, '0', '02']],
      [['part', GROUP, '0', '2.0']],
      [['part', GROUP, '', '2']],
      [['part', GROUP, '0x0', '2']],
      [['part', GROUP, '0', '1e1']],
      [
        ['part', GROUP, '0', '2'],
        ['part', GROUP, '1', '2'],
      ],
    ]
    for (const tags of malformed) {
      expect(() => parse(...tags), JSON.stringify(tags)).toThrowError(
        expect.objectContaining({ code: 'EVENT_TAGS_INVALID', message: expect.stringContaining('2–10') }),
      )
    }
  })

  it('[EVT6] that can not be is not made', () => {
    const parts: Part[] = [
      { group: 'short', index: 0, count: 2 },
      { group: GROUP.toUpperCase(), index: 0, count: 2 },
      { group: GROUP, index: 2, count: 2 },
      { group: GROUP, index: -1, count: 2 },
      { group: GROUP, index: 0, count: 1 },
      { group: GROUP, index: 0.5, count: 2 },
      { group: GROUP, index: 0, count: Number.NaN },
    ]
    for (const part of parts) {
      expect(() => partOf(messageUpdate('x'), part)).toThrowError(
        expect.objectContaining({ code: 'VALUE_INVALID' }),
      )
    }
  })
})
