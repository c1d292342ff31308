import {
  createStateTemplate,
  DEFAULT_LIMITS,
  type EventTemplate,
  encodeBase64,
  encodeSyncMessage,
  formatAddress,
  KIND,
  type Limits,
  type NostrEvent,
  parseStateEvent,
  SyncError,
  splitUpdate,
} from '@onyx-sync/shared'
import fc from 'fast-check'
import { deflateSync } from 'fflate'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { chatAddressText, messageUpdate, noise, testKey } from '../support/events.js'

const owner = testKey(1)
const settings = `10001:${owner.publicKey}:`

/** As if it were signed: neither id nor signature is looked at here. */
function signed(template: EventTemplate): NostrEvent {
  return { ...template, id: '0'.repeat(64), pubkey: testKey(9).publicKey, sig: '0'.repeat(128) }
}

function settingsUpdate(value: string): Uint8Array {
  const doc = new Y.Doc()
  doc.getMap('preferences').set('note', value)
  return Y.encodeStateAsUpdate(doc)
}

function codeOf(event: NostrEvent, limits: Limits = DEFAULT_LIMITS): string {
  try {
    parseStateEvent(event, limits)
    return 'accepted'
  } catch (error) {
    if (!(error instanceof SyncError)) throw error
    expect(error.message.length).toBeLessThan(300)
    return error.code
  }
}

/** Documents with their addresses as text, as they were given. */
function parsed(event: NostrEvent) {
  const { documents } = parseStateEvent(event, DEFAULT_LIMITS)
  return documents.map(({ address, update }) => ({ address: formatAddress(address), update }))
}

const texts = fc.oneof(
  fc.string(),
  fc.tuple(fc.constantFrom('word ', '🙂 Grüße '), fc.nat(80)).map(([word, count]) => word.repeat(count)),
)
const documents = fc
  .uniqueArray(fc.constantFrom('oslo', 'a:b', '☃ with space', 'x'.repeat(128), ''), { minLength: 1 })
  .chain((ids) =>
    fc.tuple(
      ...ids.map((id) =>
        texts.map((text) => ({
          address: id === '' ? settings : chatAddressText(owner, id),
          update: id === '' ? settingsUpdate(text) : messageUpdate(text),
        })),
      ),
    ),
  )

const sample = [
  { address: chatAddressText(owner, 'oslo'), update: messageUpdate('Grüße 🙂') },
  { address: settings, update: settingsUpdate('dark') },
]
const good = signed(createStateTemplate({ documents: sample, createdAt: 5 }))
const message = (update: Uint8Array, checkpoint = true) => encodeSyncMessage({ update, checkpoint })

describe('a state event', () => {
  it('[STE1] carries documents with their lengths, one message each', () => {
    const [first, second] = sample.map(({ update }) => message(update)) as [Uint8Array, Uint8Array]
    expect(createStateTemplate({ documents: sample, createdAt: 5 })).toEqual({
      kind: KIND.state,
      created_at: 5,
      tags: [
        ['a', chatAddressText(owner, 'oslo'), String(first.byteLength)],
        ['a', settings, String(second.byteLength)],
        ['encoding', 'yjs'],
      ],
      content: encodeBase64(Uint8Array.from([...first, ...second])),
    })
    expect(parseStateEvent(good, DEFAULT_LIMITS).part).toBeUndefined()
  })

  it('[STE1] gives back what was put in, deflated or not', () => {
    const encodings = new Set<string>()
    fc.assert(
      fc.property(documents, (given) => {
        const event = signed(createStateTemplate({ documents: given, createdAt: 7 }))
        expect(parsed(event)).toEqual(given)
        encodings.add(JSON.stringify(event.tags.find(([name]) => name === 'encoding')))
        expect(createStateTemplate({ documents: given, createdAt: 7 }).content).toBe(event.content)
      }),
      { numRuns: 200 },
    )
    expect([...encodings].sort()).toEqual(['["encoding","yjs","deflate"]', '["encoding","yjs"]'])
  })

  it('[STE1] gives each document bytes of its own', () => {
    for (const { update } of parsed(good)) expect(update.buffer.byteLength).toBe(update.byteLength)
  })

  it('[STE1] carries one part of one document, which is part of a group', () => {
    const doc = new Y.Doc()
    doc.getArray('messages').push([new Y.Map([['content', new Y.Text(noise(3_000))]])])
    const whole = Y.encodeStateAsUpdate(doc)
    const updates = splitUpdate(whole, 800)
    const copy = new Y.Doc()
    for (const [index, update] of updates.entries()) {
      const part = { group: 'feed0123', index, count: updates.length }
      const address = chatAddressText(owner, 'oslo')
      const event = signed(createStateTemplate({ documents: [{ address, update }], createdAt: 5, part }))
      expect(parseStateEvent(event, DEFAULT_LIMITS).part).toEqual(part)
      for (const { update } of parsed(event)) Y.applyUpdate(copy, update)
    }
    expect(Y.encodeStateAsUpdate(copy)).toEqual(whole)
  })

  it('[STE1] that can not be is not made', () => {
    const [first] = sample as [(typeof sample)[0]]
    const part = { group: 'feed0123', index: 0, count: 2 }
    for (const input of [
      { documents: [] },
      { documents: [first, first] },
      { documents: [{ ...first, address: 'oslo' }] },
      { documents: sample, part },
      { documents: [first], part: { ...part, index: 2 } },
    ]) {
      expect(() => createStateTemplate({ ...input, createdAt: 5 })).toThrowError(
        expect.objectContaining({ code: 'VALUE_INVALID' }),
      )
    }
  })

  it('[STE2] is refused when its tags say anything else', () => {
    const [chat, other, encoding] = good.tags as [string[], string[], string[]]
    const withTags = (...tags: string[][]) => codeOf({ ...good, tags })
    expect(withTags(chat, other, encoding)).toBe('accepted')
    expect(withTags(encoding, chat, ['-'], other)).toBe('accepted')
    expect(codeOf({ ...good, kind: 30001 })).toBe('KIND_NOT_ACCEPTED')
    expect(withTags(chat, other, ['encoding', 'nip44'])).toBe('ENCODING_UNKNOWN')
    const log = ['log', '10', '-1']
    expect(withTags(chat, other, encoding, log, log, ['progress', '1', '2'])).toBe('accepted')
    for (const logs of [[log], [log, log, log], [log, ['log', '10']], [log, ['log', '1.5', '1']]])
      expect(withTags(chat, other, encoding, ...logs)).toBe('EVENT_TAGS_INVALID')
    for (const progress of [
      ['progress'],
      ['progress', '1'],
      ['progress', '1', 'x'],
      ['progress', '1', '2', '3'],
    ])
      expect(withTags(chat, other, encoding, progress)).toBe('EVENT_TAGS_INVALID')
    const [, address, length] = chat as [string, string, string]
    const entries = [
      ['a'],
      ['a', address],
      ['a', address, ''],
      ['a', address, `0${length}`],
      ['a', address, `${length}.0`],
      ['a', address, ` ${length}`],
      ['a', address, '-1'],
      ['a', address, '0'],
      ['a', address, '1e1'],
      ['a', address, '9'.repeat(40)],
      ['a', address, length, 'more'],
      ['a', address, String(Number(length) + 1)],
      ['a', address, String(Number(length) - 1)],
      ['a', 'nonsense', length],
      ['a', `30001:${owner.publicKey}:`, length],
      ['a', `30001:${owner.publicKey}:${'x'.repeat(129)}`, length],
      ['a', `30001:${owner.publicKey}:half \ud800`, length],
      ['a', `1:${owner.publicKey}:oslo`, length],
      ['a', settings, length],
    ]
    for (const entry of entries) {
      expect(withTags(entry, other, encoding), JSON.stringify(entry)).toBe('EVENT_TAGS_INVALID')
    }
    expect(withTags(encoding)).toBe('EVENT_TAGS_INVALID')
    expect(withTags(chat, encoding)).toBe('EVENT_TAGS_INVALID')
    expect(withTags(chat, other)).toBe('EVENT_TAGS_INVALID')
    expect(withTags(chat, other, encoding, encoding)).toBe('EVENT_TAGS_INVALID')
    expect(withTags(chat, other, encoding, ['part', 'feed0123', '0', '2'])).toBe('EVENT_TAGS_INVALID')
    // The messages are those of other documents: a chat has no preferences.
    expect(withTags(['a', settings, length], ['a', address, other[2] as string], encoding)).toBe(
      'UPDATE_INVALID',
    )
  })

  it('[STE2] holds at most so many documents, and so many bytes, after decompression', () => {
    expect(codeOf(good, { ...DEFAULT_LIMITS, maxStateDocuments: 2 })).toBe('accepted')
    expect(codeOf(good, { ...DEFAULT_LIMITS, maxStateDocuments: 1 })).toBe('TOO_LARGE')
    const bytes = sample.reduce((sum, { update }) => sum + message(update).byteLength, 0)
    expect(codeOf(good, { ...DEFAULT_LIMITS, maxUpdateBytes: bytes })).toBe('accepted')
    expect(codeOf(good, { ...DEFAULT_LIMITS, maxUpdateBytes: bytes - 1 })).toBe('TOO_LARGE')
    expect(codeOf(good, { ...DEFAULT_LIMITS, maxUpdateStructs: 1 })).toBe('TOO_LARGE')
    // A bomb that says it is small.
    const bomb = encodeBase64(deflateSync(new Uint8Array(64 * 1024 * 1024)))
    const tags = good.tags.map((tag) => (tag[0] === 'encoding' ? ['encoding', 'yjs', 'deflate'] : tag))
    expect(codeOf({ ...good, tags, content: bomb })).toBe('TOO_LARGE')
  })

  it('[STE2] holds exactly one SyncStep2 message for each document', () => {
    const { address, update } = sample[0] as (typeof sample)[0]
    const code = (bytes: Uint8Array) =>
      codeOf({
        ...good,
        tags: [
          ['a', address, String(bytes.byteLength)],
          ['encoding', 'yjs'],
        ],
        content: encodeBase64(bytes),
      })
    expect(code(message(update))).toBe('accepted')
    expect(code(message(update, false))).toBe('UPDATE_INVALID')
    expect(code(Uint8Array.from([...message(update), 0]))).toBe('UPDATE_INVALID')
    expect(code(Uint8Array.from([...message(update), ...message(update)]))).toBe('UPDATE_INVALID')
    expect(code(message(update).subarray(1))).toBe('UPDATE_INVALID')
    expect(code(message(update.subarray(1)))).toBe('UPDATE_INVALID')
    expect(code(message(settingsUpdate('dark')))).toBe('UPDATE_INVALID')
    for (const content of ['', 'not base64!', good.content.slice(1)]) {
      expect(codeOf({ ...good, content })).toMatch(/^(UPDATE_INVALID|EVENT_TAGS_INVALID)$/)
    }
    // The right bytes in all, cut at another place.
    const lengths = good.tags.map((tag, index) =>
      tag[0] === 'a' ? ['a', tag[1] as string, String(Number(tag[2]) + (index === 0 ? 1 : -1))] : tag,
    )
    expect(codeOf({ ...good, tags: lengths })).toBe('UPDATE_INVALID')
  })

  it('[STE2] that was changed in any way is refused with a code, and never with another error', () => {
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom('a', 'encoding', 'part', 'yjs', 'deflate', settings, 'feed0123'),
      fc.nat(300).map(String),
    )
    const tag = fc.array(text, { maxLength: 5 })
    const change = fc.oneof(
      fc.record({ at: fc.nat(9), tag }),
      fc.record({ at: fc.nat(2), item: fc.nat(3), text }),
      fc.record({ byte: fc.nat(400), value: fc.nat(255) }),
      fc.record({ content: fc.oneof(text, fc.uint8Array({ maxLength: 200 }).map(encodeBase64)) }),
    )
    const outcomes = new Set<string>()
    fc.assert(
      fc.property(documents, fc.array(change, { minLength: 1, maxLength: 3 }), (given, changes) => {
        const template = createStateTemplate({ documents: given, createdAt: 7 })
        const tags = template.tags.map((tag) => [...tag])
        let { content } = template
        for (const one of changes) {
          if ('tag' in one) tags.splice(one.at % (tags.length + 1), one.at % 2, one.tag)
          else if ('item' in one) (tags[one.at % tags.length] ?? [])[one.item] = one.text
          else if ('content' in one) content = one.content
          else {
            const bytes = Buffer.from(content, 'base64')
            if (bytes.byteLength > 0) bytes[one.byte % bytes.byteLength] = one.value
            content = bytes.toString('base64')
          }
        }
        outcomes.add(codeOf(signed({ ...template, tags, content })))
      }),
      { numRuns: 1_500 },
    )
    expect([...outcomes]).toEqual(
      expect.arrayContaining(['accepted', 'EVENT_TAGS_INVALID', 'UPDATE_INVALID']),
    )
  })
})
