import {
  applyUpdate,
  checkUpdate,
  containsUpdate,
  countUtf8,
  DEFAULT_LIMITS,
  DEFLATE_MIN_BYTES,
  decodeContent,
  encodeBase64,
  encodeContent,
  encodeSyncMessage,
  encodingTag,
  type Filter,
  hasPending,
  hasReceived,
  hasSameState,
  KIND,
  matchFilter,
  mergeUpdates,
  missingFrom,
  type NostrEvent,
  parseEncodingTag,
  parseFilter,
  utf8Length,
} from '@onyx-sync/shared'
import fc from 'fast-check'
import { deflateSync } from 'fflate'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { replaceText } from '../../client/src/model/message.js'
import { shuffled } from '../support/shuffled.js'

describe('the length of a text in UTF-8', () => {
  it('is what it takes encoded, however it is counted', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
      fc.constant('\ud800x\udc00'),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const { byteLength } = new TextEncoder().encode(text)
        expect([utf8Length(text), countUtf8(text)]).toEqual([byteLength, byteLength])
      }),
      { numRuns: 2_000 },
    )
  })
})

/** One edit of one of three devices, at a place that is drawn. */
const edit = fc.record({
  device: fc.nat(2),
  kind: fc.constantFrom('push', 'insert', 'delete', 'text', 'set', 'unset', 'sync'),
  at: fc.nat(1_000),
})
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never

/** The updates that three devices make, oldest first; now and then one takes in what another has. */
function play(edits: readonly Edit[]): Uint8Array[] {
  const updates: Uint8Array[] = []
  const docs = [11, 22, 33].map((clientId) => {
    const doc = new Y.Doc()
    doc.clientID = clientId
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'remote') updates.push(update)
    })
    return doc
  })
  for (const { device, kind, at } of edits) {
    const doc = docs[device] as Y.Doc
    const list = doc.getArray<unknown>('messages')
    if (kind === 'sync') {
      const other = docs[(device + 1) % 3] as Y.Doc
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(other), 'remote')
      continue
    }
    doc.transact(() => {
      if (kind === 'push') list.push([new Y.Map([['content', new Y.Text(`t${at}`)]])])
      if (kind === 'insert') list.insert(at % (list.length + 1), [at, 'x'])
      if (kind === 'delete' && list.length > 0) list.delete(at % list.length)
      if (kind === 'set') doc.getMap('metadata').set(`k${at % 3}`, at)
      if (kind === 'unset') doc.getMap('metadata').delete(`k${at % 3}`)
      const item = list.length === 0 ? undefined : list.get(at % list.length)
      const text = item instanceof Y.Map ? item.get('content') : undefined
      if (kind === 'text' && text instanceof Y.Text) text.insert(at % (text.length + 1), 'ab')
    })
  }
  return updates
}

const edits = fc.array(edit, { minLength: 1, maxLength: 40 })
const manyEdits = fc.array(edit, { minLength: 20, maxLength: 40, size: 'max' })

function applyAll(updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

/** The state as bytes, in an order that does not depend on how it came about. */
function fingerprint(doc: Y.Doc): string {
  const { sv, ds } = Y.snapshot(doc)
  const byClient = <T>(entries: Iterable<[number, T]>) => [...entries].sort(([a], [b]) => a - b)
  return JSON.stringify([
    byClient(sv),
    byClient(
      [...ds.clients].map(([client, ranges]) => [client, ranges.map(({ clock, len }) => [clock, len])]),
    ),
    doc.getArray('messages').toJSON(),
    Object.entries(doc.getMap('metadata').toJSON()).sort(([a], [b]) => (a < b ? -1 : 1)),
    Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64'),
  ])
}

describe('updates in any order', () => {
  it('[YJS11][Y13] shuffled, doubled, merged and cut by restarts give byte-identical state', () => {
    fc.assert(
      fc.property(edits, fc.array(fc.nat(), { minLength: 60, maxLength: 60 }), (history, draws) => {
        const updates = play(history)
        if (updates.length === 0) return
        const expected = fingerprint(applyAll(updates))
        const order = updates
          .flatMap((update, index) => ((draws[index % 60] as number) % 3 === 0 ? [update, update] : [update]))
          .map((update, index) => ({ update, rank: (draws[(index * 7) % 60] as number) % 97 }))
          .sort((a, b) => a.rank - b.rank)
        let doc = new Y.Doc()
        const kept: Uint8Array[] = []
        for (const [index, { update }] of order.entries()) {
          // As a device does: it keeps what it had not received, as it came, and starts again now and then.
          if (!hasReceived(doc, update)) {
            kept.push(update)
            Y.applyUpdate(doc, update)
          }
          const draw = (draws[(index * 11) % 60] as number) % 9
          if (draw === 0) doc = applyAll(kept)
          if (draw === 1 && kept.length > 0) kept.splice(0, kept.length, mergeUpdates(kept))
        }
        expect(fingerprint(doc)).toBe(expected)
        expect(fingerprint(applyAll(kept))).toBe(expected)
      }),
      { numRuns: 300 },
    )
  })

  it('[YJS11] merged are the same as applied one by one', () => {
    fc.assert(
      fc.property(edits, fc.nat(), (history, draw) => {
        const updates = play(history)
        if (updates.length === 0) return
        const from = draw % updates.length
        const merged = applyAll([...updates.slice(0, from), mergeUpdates(updates.slice(from))])
        expect(fingerprint(merged)).toBe(fingerprint(applyAll(updates)))
        expect(() => checkUpdate(mergeUpdates(updates), KIND.chat, DEFAULT_LIMITS)).not.toThrow()
      }),
      { numRuns: 200 },
    )
  })

  it('[YJS12][Y2] of which one never comes show the same in any order', () => {
    const shown = (doc: Y.Doc) => [
      doc.getArray('messages').toJSON(),
      doc.getMap('metadata').toJSON(),
      new Map([...Y.snapshot(doc).sv].sort(([a], [b]) => a - b)),
    ]
    let waiting = 0
    fc.assert(
      fc.property(manyEdits, fc.nat(), (history, draw) => {
        const all = play(history)
        const updates = all.filter((_, index) => index !== draw % all.length)
        const expected = applyAll(updates.length > 0 ? [mergeUpdates(updates)] : [])
        if (hasPending(expected)) waiting++
        for (let order = 0; order < 20; order++) {
          const doc = new Y.Doc()
          for (const update of shuffled(updates, `${draw} ${order}`)) applyUpdate(doc, update)
          expect(shown(doc)).toEqual(shown(expected))
        }
      }),
      { numRuns: 100 },
    )
    expect(waiting).toBeGreaterThan(30)
  })

  it('[YJS11] merge in a tree whatever their number', () => {
    const many: Uint8Array[] = []
    const doc = new Y.Doc()
    doc.on('update', (update: Uint8Array) => many.push(update))
    for (let n = 0; n < 1_100; n++) doc.getArray('messages').push([n])
    for (const count of [1, 2, 31, 32, 33, 64, 1_024, 1_025, 1_100]) {
      const merged = applyAll([mergeUpdates(many.slice(0, count))])
      expect(merged.getArray('messages').toArray()).toEqual(Array.from({ length: count }, (_, n) => n))
    }
    expect(() => mergeUpdates([])).toThrow(RangeError)
  })
})

describe('what a document holds', () => {
  it('[YJS2][Y1] contains an update exactly when applying it would change nothing', () => {
    fc.assert(
      fc.property(edits, fc.nat(), fc.nat(), (history, take, which) => {
        const updates = play(history)
        if (updates.length === 0) return
        const doc = applyAll(updates.slice(0, take % (updates.length + 1)))
        const update = updates[which % updates.length] as Uint8Array
        // The dumb oracle: apply it to a copy, and compare everything, what waits included.
        const copy = applyAll([Y.encodeStateAsUpdate(doc)])
        const before = Buffer.from(Y.encodeStateAsUpdate(copy)).toString('hex')
        Y.applyUpdate(copy, update)
        const changes = Buffer.from(Y.encodeStateAsUpdate(copy)).toString('hex') !== before
        expect(containsUpdate(doc, update)).toBe(!changes)
      }),
      { numRuns: 500 },
    )
  })

  it('[YJS3][Y2] has received an update exactly when it was given, applied or waiting', () => {
    fc.assert(
      fc.property(edits, fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }), (history, isGiven) => {
        const updates = play(history)
        const given = updates.filter((_, index) => isGiven[index])
        const doc = applyAll(given)
        for (const update of given) expect(hasReceived(doc, update)).toBe(true)
        for (const update of updates) {
          // What nobody gave is not there, unless all of it is in others that were.
          if (given.includes(update)) continue
          const copy = applyAll(given)
          Y.applyUpdate(copy, update)
          const isNews =
            Buffer.compare(Y.encodeStateAsUpdate(copy), Y.encodeStateAsUpdate(applyAll(given))) !== 0
          if (isNews) expect(hasReceived(doc, update)).toBe(false)
        }
      }),
      { numRuns: 150 },
    )
  })

  it('[YJS2][Y1] lacks what missingFrom gives, and nothing after it', () => {
    fc.assert(
      fc.property(edits, fc.nat(), (history, take) => {
        const updates = play(history)
        const whole = applyAll(updates)
        const part = applyAll(updates.slice(0, take % (updates.length + 1)))
        const missing = missingFrom(whole, part)
        const same = hasSameState(whole, part)
        if (missing === undefined) {
          expect(same || part.store.pendingStructs !== null || part.store.pendingDs !== null).toBe(true)
          return
        }
        Y.applyUpdate(part, missing)
        expect(hasSameState(whole, part)).toBe(true)
        expect(missingFrom(whole, part)).toBeUndefined()
      }),
      { numRuns: 200 },
    )
  })
})

describe('content', () => {
  it('[YJS4] comes back as it went in', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (update, checkpoint) => {
        const message = encodeSyncMessage({ update, checkpoint })
        const deflated = encodeBase64(deflateSync(message))
        expect(decodeContent(encodeBase64(message), 'yjs', DEFAULT_LIMITS)).toEqual({ update, checkpoint })
        expect(decodeContent(deflated, 'yjs+deflate', DEFAULT_LIMITS)).toEqual({ update, checkpoint })
      }),
    )
  })

  it('[YJS4] is deflated where that pays, always the same, and says so', () => {
    const words = fc.array(fc.constantFrom('rain', 'over', 'Oslo', ' ', 'é', '🙂'), { maxLength: 400 })
    const bytes = fc.oneof(
      words.map((some) => new TextEncoder().encode(some.join(''))),
      fc.uint8Array({ maxLength: 2_000 }),
    )
    fc.assert(
      fc.property(bytes, fc.boolean(), (update, checkpoint) => {
        const { content, encoding } = encodeContent({ update, checkpoint })
        expect(encodeContent({ update: update.slice(), checkpoint })).toEqual({ content, encoding })
        expect(decodeContent(content, encoding, DEFAULT_LIMITS)).toEqual({ update, checkpoint })
        const message = encodeSyncMessage({ update, checkpoint })
        const pays =
          message.byteLength >= DEFLATE_MIN_BYTES &&
          deflateSync(message).byteLength <= message.byteLength * 0.9
        expect(encoding).toBe(pays ? 'yjs+deflate' : 'yjs')
        expect(parseEncodingTag({ tags: [encodingTag(encoding)] })).toBe(encoding)
      }),
      { numRuns: 300 },
    )
  })

  it('[YJS4][Y14] that is anything else is refused with a code, and never with another error', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.base64String(), fc.uint8Array({ maxLength: 60 }).map(encodeBase64)),
        fc.constantFrom('yjs' as const, 'yjs+deflate' as const),
        (content, encoding) => {
          try {
            const { update } = decodeContent(content, encoding, DEFAULT_LIMITS)
            expect(update).toBeInstanceOf(Uint8Array)
          } catch (error) {
            expect((error as { code?: string }).code).toMatch(/^(UPDATE_INVALID|TOO_LARGE)$/)
          }
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

describe('a filter', () => {
  const hex = (n: number) => n.toString(16).padStart(64, '0')
  const ids = [1, 2, 3].map(hex)
  const event = fc.record({
    id: fc.constantFrom(...ids),
    pubkey: fc.constantFrom(...ids),
    kind: fc.nat(3),
    created_at: fc.nat(5),
    tags: fc.array(
      fc
        .tuple(fc.constantFrom('d', 'p', 'D', 'dd', ''), fc.constantFrom(...ids, 'x', ''))
        .map(([a, b]) => [a, b]),
      { maxLength: 3 },
    ),
    content: fc.constant(''),
    sig: fc.constant('0'.repeat(128)),
  })
  const wire = fc.record(
    {
      ids: fc.subarray(ids),
      authors: fc.subarray(ids),
      kinds: fc.subarray([0, 1, 2, 3]),
      since: fc.nat(5),
      until: fc.nat(5),
      limit: fc.nat(3),
      '#d': fc.subarray([...ids, 'x', '']),
      '#p': fc.subarray(ids),
      '#D': fc.subarray(['x']),
      // Not a single letter: no tag filter, and ignored.
      '#dd': fc.constant(['x']),
      search: fc.constant('anything'),
    },
    { requiredKeys: [] },
  )

  it('[FIL1] lets through what NIP-01 says, and nothing else', () => {
    fc.assert(
      fc.property(wire, event, (fields, given) => {
        const dumb =
          (fields.ids?.includes(given.id) ?? true) &&
          (fields.authors?.includes(given.pubkey) ?? true) &&
          (fields.kinds?.includes(given.kind) ?? true) &&
          given.created_at >= (fields.since ?? 0) &&
          given.created_at <= (fields.until ?? 99) &&
          (['d', 'p', 'D'] as const).every((letter) => {
            const wanted: readonly string[] | undefined = fields[`#${letter}`]
            if (wanted === undefined) return true
            return given.tags.some(([name, value]) => name === letter && wanted.includes(value as string))
          })
        const filter: Filter = parseFilter(JSON.parse(JSON.stringify(fields)), DEFAULT_LIMITS)
        expect(matchFilter(filter, given as NostrEvent)).toBe(dumb)
      }),
      { numRuns: 2_000 },
    )
  })

  it('[FIL2] of any other shape is refused with a code', () => {
    const names = ['ids', 'authors', 'kinds', 'since', 'until', 'limit', 'after', '#d', '#e', '#p', 'x']
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...names), fc.jsonValue())),
        (value) => {
          try {
            const filter = parseFilter(value, DEFAULT_LIMITS)
            for (const list of [filter.ids ?? [], filter.authors ?? [], ...filter.tags.values()])
              for (const item of list) expect(typeof item).toBe('string')
            for (const count of [filter.since, filter.until, filter.limit])
              expect(count === undefined || (Number.isSafeInteger(count) && count >= 0)).toBe(true)
          } catch (error) {
            if ((error as { code?: string }).code !== 'FILTER_INVALID') throw error
          }
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

const LONE_SURROGATE = /[\ud800-\udfff]/u

describe('replacing a text', () => {
  const alphabet = fc.constantFrom('a', 'b', ' ', '🙂', '🙃', '👩‍👩‍👧', 'é', '\n', '\ud83d', '\ude42')
  const text = fc.array(alphabet, { maxLength: 12 }).map((parts) => parts.join(''))
  // The second and third share the first half of their surrogate pairs, the first and fourth the second.
  const wellFormed = fc
    .array(fc.constantFrom('a', 'b', '🙂', '🙃', '\u{1fa42}', '𝕏', '👩‍👩‍👧'), { maxLength: 12 })
    .map((parts) => parts.join(''))

  it('[EDT20] makes it exactly the new one, and tells others the same', () => {
    fc.assert(
      fc.property(wellFormed, wellFormed, (before, next) => {
        const doc = new Y.Doc()
        const ytext = doc.getText('t')
        ytext.insert(0, before)
        replaceText(ytext, next)
        expect(ytext.toString()).toBe(next)
        expect(
          applyAll([Y.encodeStateAsUpdate(doc)])
            .getText('t')
            .toString(),
        ).toBe(next)
      }),
      { numRuns: 2_000 },
    )
  })

  it('[EDT20] never cuts a surrogate pair, and changes no more than it must', () => {
    fc.assert(
      fc.property(wellFormed, wellFormed, (before, next) => {
        const ytext = new Y.Doc().getText('t')
        ytext.insert(0, before)
        const pieces: string[] = []
        let touched = 0
        ytext.observe(({ delta }) => {
          let at = 0
          for (const step of delta) {
            if (step.retain !== undefined) at += step.retain
            if (typeof step.insert === 'string') {
              pieces.push(step.insert)
              touched += step.insert.length
            }
            if (step.delete !== undefined) {
              pieces.push(before.slice(at, at + step.delete))
              at += step.delete
              touched += step.delete
            }
          }
        })
        ytext.doc?.transact(() => replaceText(ytext, next))
        for (const piece of pieces) expect(piece).not.toMatch(LONE_SURROGATE)
        if (before === next) expect(touched).toBe(0)
        expect(touched).toBeLessThanOrEqual(before.length + next.length)
      }),
      { numRuns: 2_000 },
    )
  })

  it('[EDT20] keeps what another device changed elsewhere in it', () => {
    fc.assert(
      fc.property(wellFormed, wellFormed, wellFormed, (head, tail, inserted) => {
        const a = new Y.Doc()
        a.getText('t').insert(0, `${head}|${tail}`)
        const b = applyAll([Y.encodeStateAsUpdate(a)])
        replaceText(a.getText('t'), `${head}${inserted}|${tail}`)
        replaceText(b.getText('t'), `${head}|${tail}!`)
        Y.applyUpdate(a, Y.encodeStateAsUpdate(b))
        expect(a.getText('t').toString()).toBe(`${head}${inserted}|${tail}!`)
      }),
      { numRuns: 500 },
    )
  })

  it('[EDT20] does not throw where a text holds half a character already', () => {
    fc.assert(
      fc.property(text, text, (before, next) => {
        const ytext = new Y.Doc().getText('t')
        ytext.insert(0, before)
        replaceText(ytext, next)
        expect(ytext.toString().length).toBe(next.length)
      }),
    )
  })
})
