import {
  chatAddress,
  createPresenceTemplate,
  DEFAULT_LIMITS,
  encodeBase64,
  type NostrEvent,
  type PresenceEntry,
  parsePresence,
  SyncError,
  settingsAddress,
} from '@onyx-sync/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from 'y-protocols/awareness'
import * as Y from 'yjs'

const owner = 'a'.repeat(64)
const limits = DEFAULT_LIMITS

const state = fc.option(
  fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
  { nil: null },
)
const entry: fc.Arbitrary<PresenceEntry> = fc.record({
  clientId: fc.nat(2 ** 31 - 1).map((n) => n * 2 + 1),
  clock: fc.nat(2 ** 31 - 1),
  // As it comes out of JSON: without -0.
  state: state.map((value) => JSON.parse(JSON.stringify(value)) as PresenceEntry['state']),
})
const entries = fc.uniqueArray(entry, { minLength: 1, maxLength: 4, selector: ({ clientId }) => clientId })

function eventOf(content: string, tags = [['a', `30001:${owner}:oslo`], ['-']]): NostrEvent {
  return { kind: 20001, created_at: 1, tags, content, id: '', pubkey: owner, sig: '' }
}

function parseBytes(update: Uint8Array) {
  return parsePresence(eventOf(encodeBase64(update)), limits)
}

/** The code with which something is refused; throws what is no SyncError. */
function codeOf(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    if (error instanceof SyncError) return error.code
    throw error
  }
}

/** Awareness of the library, without its timer. */
function createAwareness(clientId: number): Awareness {
  const doc = new Y.Doc()
  doc.clientID = clientId
  const awareness = new Awareness(doc)
  clearInterval((awareness as unknown as { _checkInterval: ReturnType<typeof setInterval> })._checkInterval)
  return awareness
}

describe('a presence event', () => {
  it('[PRS1] comes back as it went in', () => {
    fc.assert(
      fc.property(
        entries,
        fc.constantFrom(chatAddress(owner, 'oslo'), settingsAddress(owner)),
        (list, address) => {
          const template = createPresenceTemplate({ address, entries: list, createdAt: 5 })
          fc.pre(template.content.length < 5_000)
          const parsed = parsePresence({ ...template, id: '', pubkey: owner, sig: '' }, limits)
          expect(parsed.entries).toEqual(list)
          expect(parsed.address).toEqual(address)
          expect(encodeBase64(parsed.update)).toBe(template.content)
        },
      ),
    )
  })

  it('[PRS1] is what y-protocols writes and reads', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const writer = createAwareness(2)
        writer.setLocalState({ name: 'ada' })
        writer.setLocalState({ name: 'ada', typing: true })
        expect(parseBytes(encodeAwarenessUpdate(writer, [2])).entries).toEqual([
          { clientId: 2, clock: 2, state: { name: 'ada', typing: true } },
        ])
        const reader = createAwareness(4)
        const { content } = createPresenceTemplate({
          address: settingsAddress(owner),
          entries: list,
          createdAt: 0,
        })
        applyAwarenessUpdate(reader, Buffer.from(content, 'base64'), 'test')
        for (const { clientId, clock, state: said } of list) {
          // The library passes over a first clock of 0.
          if (clock === 0) continue
          expect(reader.meta.get(clientId)?.clock).toBe(clock)
          expect(reader.states.get(clientId) ?? null).toEqual(said)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('[PRS1] of any other content is refused with a code, and never fails in another way', () => {
    const codes = new Set(['PRESENCE_INVALID', 'TOO_LARGE', undefined])
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(codes).toContain(codeOf(() => parseBytes(bytes)))
      }),
    )
    fc.assert(
      fc.property(entries, fc.nat(), fc.nat(255), (list, at, byte) => {
        const { content } = createPresenceTemplate({
          address: settingsAddress(owner),
          entries: list,
          createdAt: 0,
        })
        const bytes = new Uint8Array(Buffer.from(content, 'base64'))
        expect(codeOf(() => parseBytes(bytes.slice(0, at % bytes.length)))).toBeDefined()
        expect(codeOf(() => parseBytes(new Uint8Array([...bytes, byte])))).toBeDefined()
        bytes[at % bytes.length] = byte
        expect(codes).toContain(codeOf(() => parseBytes(bytes)))
      }),
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(codes).toContain(codeOf(() => parsePresence(eventOf(text), limits)))
      }),
    )
  })

  it('[PRS1] keeps to its bounds', () => {
    const entryOf = (clientId: number, clock: number, said: unknown) =>
      ({ clientId, clock, state: said }) as PresenceEntry
    const code = (...list: PresenceEntry[]) =>
      codeOf(() =>
        parsePresence(
          eventOf(
            createPresenceTemplate({ address: settingsAddress(owner), entries: list, createdAt: 0 }).content,
          ),
          limits,
        ),
      )
    expect(code(entryOf(2 ** 32 - 1, 2 ** 31 - 1, {}), entryOf(1, 2 ** 31, null))).toBeUndefined()
    expect(code(entryOf(2 ** 32, 1, {}))).toBe('PRESENCE_INVALID')
    expect(code(entryOf(1, 2 ** 31, {}))).toBe('PRESENCE_INVALID')
    expect(code(entryOf(1, 2 ** 31 + 1, null))).toBe('PRESENCE_INVALID')
    for (const said of [[], [1], 'x', 1, true]) expect(code(entryOf(1, 1, said))).toBe('PRESENCE_INVALID')
    expect(code()).toBe('PRESENCE_INVALID')
    expect(code(...[1, 2, 3, 4].map((n) => entryOf(n, 1, {})))).toBeUndefined()
    expect(code(...[1, 2, 3, 4, 5].map((n) => entryOf(n, 1, {})))).toBe('TOO_LARGE')
    // Client, clock and length take six bytes around the text.
    const text = (length: number) => entryOf(1, 1, { t: 'x'.repeat(length - 13) })
    expect(code(text(4_096))).toBeUndefined()
    expect(code(text(4_097))).toBe('TOO_LARGE')
    expect(codeOf(() => parsePresence(eventOf('A'.repeat(10_000_000)), limits))).toBe('TOO_LARGE')
    // One client twice: count, then two entries of {}.
    expect(codeOf(() => parseBytes(new Uint8Array([2, 7, 1, 2, 123, 125, 7, 2, 2, 123, 125])))).toBe(
      'PRESENCE_INVALID',
    )
  })

  it('[PRS1] names one document', () => {
    const { content } = createPresenceTemplate({
      address: settingsAddress(owner),
      entries: [{ clientId: 1, clock: 1, state: {} }],
      createdAt: 0,
    })
    const a = `30001:${owner}:oslo`
    const refused = [
      [],
      [['a']],
      [
        ['a', a],
        ['a', a],
      ],
      [['a', 'oslo']],
      [['a', `1:${owner}:`]],
      [['a', `${a}\ud800`]],
    ]
    for (const tags of refused) {
      expect(codeOf(() => parsePresence(eventOf(content, tags), limits))).toBe('EVENT_TAGS_INVALID')
    }
    expect(codeOf(() => parsePresence({ ...eventOf(content), kind: 1 }, limits))).toBe('KIND_NOT_ACCEPTED')
    expect(codeOf(() => parsePresence(eventOf(content, [['a', a]]), limits))).toBeUndefined()
  })
})
