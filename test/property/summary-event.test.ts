import {
  createSummaryTemplate,
  DEFAULT_LIMITS,
  type DocumentSummary,
  isSummary,
  type NostrEvent,
  parseSummaryEvent,
  SyncError,
} from '@onyx-sync/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const OWNER = 'ab'.repeat(32)

const summary = (address: string): fc.Arbitrary<DocumentSummary> =>
  fc.record({
    address: fc.constant(address),
    title: fc.string({ unit: 'grapheme', maxLength: 100 }),
    createdAt: fc.integer({ min: -1, max: 2 ** 45 }),
    lastActivity: fc.integer({ min: 0, max: 2 ** 45 }),
    messages: fc.nat(),
    bytes: fc.nat(),
    archived: fc.boolean(),
    deleted: fc.boolean(),
  })

const documents = fc
  .uniqueArray(fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 }), {
    minLength: 1,
    maxLength: 8,
  })
  .chain((ids) => fc.tuple(...ids.map((id) => summary(`30001:${OWNER}:${id}`))))

function eventOf(list: readonly DocumentSummary[]): NostrEvent {
  return { ...createSummaryTemplate({ documents: list, createdAt: 5 }), id: '', pubkey: OWNER, sig: '' }
}

function codeOf(event: NostrEvent, limits = DEFAULT_LIMITS): string | undefined {
  try {
    parseSummaryEvent(event, limits)
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(SyncError)
    return (error as SyncError).code
  }
}

describe('summary events', () => {
  it('[SUM1] come back as they went in', () => {
    fc.assert(
      fc.property(documents, (list) => {
        expect(parseSummaryEvent(eventOf(list), DEFAULT_LIMITS)).toEqual(list)
      }),
    )
  })

  it('[SUM1] are read or refused with a code, whatever the content', () => {
    const content = fc.oneof(fc.json(), fc.string(), fc.constant('['.repeat(100_000)))
    const tags = fc.array(fc.array(fc.oneof(fc.constant('a'), fc.constant(`30001:${OWNER}:x`), fc.string())))
    fc.assert(
      fc.property(documents, content, tags, fc.boolean(), (list, text, others, keepsTags) => {
        const event = eventOf(list)
        const code = codeOf({ ...event, content: text, tags: keepsTags ? event.tags : others })
        expect(['SUMMARY_INVALID', 'EVENT_TAGS_INVALID', 'TOO_LARGE']).toContain(code)
      }),
    )
  })

  it('[SUM1] are refused where a field is missing, of another type, or of another document', () => {
    fc.assert(
      fc.property(
        documents,
        fc.constantFrom(
          'address',
          'title',
          'createdAt',
          'lastActivity',
          'messages',
          'bytes',
          'archived',
          'deleted',
        ),
        fc.constantFrom(undefined, null, -1.5, 'x'.repeat(600), [], {}, 2 ** 60),
        (list, field, value) => {
          const event = eventOf(list)
          const first = { ...list[0], [field]: value }
          fc.pre(!isSummary(first))
          const changed = { ...event, content: JSON.stringify([first, ...list.slice(1)]) }
          expect(codeOf(changed)).toBe('SUMMARY_INVALID')
          const swapped = eventOf([
            { ...(list[0] as DocumentSummary), address: `30001:${OWNER}:${'y'.repeat(30)}` },
          ])
          expect(codeOf({ ...eventOf([list[0] as DocumentSummary]), tags: swapped.tags })).toBe(
            'SUMMARY_INVALID',
          )
        },
      ),
    )
  })

  it('[SUM1] are bounded, and of their own kind only', () => {
    const list = ['one', 'two', 'six'].map((id) => ({
      ...{ address: `30001:${OWNER}:${id}`, title: '', createdAt: 0, lastActivity: 0, messages: 0, bytes: 0 },
      ...{ archived: false, deleted: false },
    }))
    expect(codeOf(eventOf(list), { ...DEFAULT_LIMITS, maxSummaryDocuments: 2 })).toBe('TOO_LARGE')
    expect(codeOf({ ...eventOf(list), kind: 20002 })).toBe('KIND_NOT_ACCEPTED')
    expect(codeOf({ ...eventOf(list), tags: [] })).toBe('EVENT_TAGS_INVALID')
    expect(() => createSummaryTemplate({ documents: [...list, ...list], createdAt: 0 })).toThrow(SyncError)
    expect(() => createSummaryTemplate({ documents: [], createdAt: 0 })).toThrow(SyncError)
  })
})
