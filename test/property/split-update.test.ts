import {
  applyUpdate,
  createSliceStream,
  encodeState,
  hasPending,
  joinUpdates,
  mergeUpdates,
  readSliceable,
  splitUpdate,
  vectorOf,
} from '@onyx-sync/shared'
import fc from 'fast-check'
import * as encoding from 'lib0/encoding'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { noise } from '../support/events.js'
import { shuffled } from '../support/shuffled.js'

/** One edit of one of three devices, at a place that is drawn. */
const edit = fc.record({
  device: fc.nat(2),
  kind: fc.constantFrom(
    'push',
    'insert',
    'delete',
    'text',
    'cut',
    'map',
    'unset',
    'binary',
    'format',
    'sync',
  ),
  at: fc.nat(1_000),
  text: fc.array(fc.constantFrom('a', ' ', 'é', '漢', '🙂', '👩‍👩‍👧', 'word '), {
    maxLength: 40,
    size: 'max',
  }),
})
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never

interface History {
  readonly docs: readonly Y.Doc[]
  readonly updates: readonly Uint8Array[]
}

function play(edits: readonly Edit[], gc: boolean, formats: boolean): History {
  const updates: Uint8Array[] = []
  // Ids of one, two and five bytes.
  const docs = [11, 2_222, 3_333_333_333].map((clientId) => {
    const doc = new Y.Doc({ gc })
    doc.clientID = clientId
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'remote') updates.push(update)
    })
    return doc
  })
  for (const edit of edits) perform(docs, edit, formats)
  return { docs, updates }
}

function perform(docs: readonly Y.Doc[], { device, kind, at, text }: Edit, formats: boolean): void {
  const doc = docs[device] as Y.Doc
  const list = doc.getArray<unknown>('messages')
  const meta = doc.getMap('metadata')
  const words = text.join('')
  // A value that can't be cut must fit into the smallest piece.
  const few = text.slice(0, 3).join('')
  if (kind === 'sync') {
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(docs[(device + 1) % 3] as Y.Doc), 'remote')
    return
  }
  doc.transact(() => {
    if (kind === 'push') list.push([new Y.Map(Object.entries({ content: new Y.Text(words), at }))])
    if (kind === 'insert') list.insert(at % (list.length + 1), [at, ...text, { deep: [few] }, null])
    if (kind === 'delete' && list.length > 0)
      list.delete(at % list.length, 1 + ((at % 2) & (list.length - 1 - (at % list.length))))
    if (kind === 'map') meta.set(`k${at % 3}`, at % 2 === 0 ? few : new Y.Map([['inner', few]]))
    if (kind === 'unset') meta.delete(`k${at % 3}`)
    if (kind === 'binary') list.push([new Uint8Array(at % 60)])
    const ytext = [...list].find((item) => item instanceof Y.Map && item.get('content') instanceof Y.Text)
    const content = ytext instanceof Y.Map ? (ytext.get('content') as Y.Text) : undefined
    if (content === undefined) return
    if (kind === 'text') content.insert(boundary(content, at), words)
    if (kind === 'cut') cut(content, at)
    if (kind === 'format' && formats)
      content.format(0, content.length, at % 2 === 0 ? { bold: true } : { bold: null })
  })
}

/** A place in a text that is not within a surrogate pair: Yjs would put other characters there. */
function boundary(text: Y.Text, at: number): number {
  const place = at % (text.length + 1)
  return /[\ud800-\udbff]/.test(text.toString().charAt(place - 1)) && place > 0 ? place - 1 : place
}

function cut(text: Y.Text, at: number): void {
  const [a, b] = [boundary(text, at), boundary(text, at * 7)]
  text.delete(Math.min(a, b), Math.abs(a - b))
}

const edits = fc.array(edit, { minLength: 1, maxLength: 30, size: 'max' })
const sizes = fc.integer({ min: 120, max: 400 })

/** Applied one by one, or in one transaction, so that Yjs tidies formatting once. */
function applyAll(updates: readonly Uint8Array[], { gc = true, atOnce = false } = {}): Y.Doc {
  const doc = new Y.Doc({ gc })
  doc.getArray('messages')
  doc.getMap('metadata')
  const apply = () => {
    for (const update of updates) applyUpdate(doc, update, 'remote')
  }
  if (atOnce) Y.transact(doc, apply, 'remote', false)
  else apply()
  return doc
}

/** An update taken apart to single clocks: equal for updates that say the same, however they are cut. */
function atoms(update: Uint8Array): unknown {
  const { structs, ds } = Y.decodeUpdate(update)
  const found = new Map<string, unknown[]>()
  for (const struct of structs) {
    if (struct instanceof Y.Skip) continue
    const { client, clock } = struct.id
    for (let at = 0; at < struct.length; at++) {
      found.set(`${client} ${clock + at}`, struct instanceof Y.Item ? atom(struct, at) : [])
    }
  }
  const deleted = new Set<string>()
  for (const [client, ranges] of ds.clients) {
    for (const { clock, len } of ranges)
      for (let at = 0; at < len; at++) deleted.add(`${client} ${clock + at}`)
  }
  return { structs: [...found].sort(([a], [b]) => (a < b ? -1 : 1)), deleted: [...deleted].sort() }
}

function atom({ id, content, origin, rightOrigin, parent, parentSub }: Y.Item, at: number): unknown[] {
  const left = at === 0 ? origin : Y.createID(id.client, id.clock + at - 1)
  const where = left === null && rightOrigin === null ? [parent, parentSub] : []
  if (content instanceof Y.ContentType) return [left, rightOrigin, where, content.type.constructor.name]
  const units = content.getContent()
  const unit = units.length > at ? units[at] : content instanceof Y.ContentDeleted ? [] : { ...content }
  return [left, rightOrigin, where, content.constructor.name, unit]
}

/** The state as text: vector, deletions, content, what waits, and all of it as bytes. */
function fingerprint(doc: Y.Doc) {
  const { sv, ds } = Y.snapshot(doc)
  const byClient = <T>(entries: Iterable<[number, T]>) => [...entries].sort(([a], [b]) => a - b)
  return {
    vector: byClient(sv),
    deleted: byClient(
      [...ds.clients].map(([id, ranges]) => [id, ranges.map(({ clock, len }) => [clock, len])]),
    ),
    messages: JSON.stringify(doc.getArray('messages').toJSON()),
    metadata: Object.entries(doc.getMap('metadata').toJSON()).sort(([a], [b]) => (a < b ? -1 : 1)),
    // What waits may be cut differently: Yjs joins structs when it integrates them.
    state: hasPending(doc)
      ? atoms(Y.encodeStateAsUpdate(doc))
      : Buffer.from(Y.encodeStateAsUpdate(doc)).toString('base64'),
  }
}

/**
 * What the state looks like, formatting included. Marks that change nothing are left out: Yjs removes them from a text that
 * was there before a transaction, and leaves them in one that came with it.
 */
function appearance(doc: Y.Doc): unknown {
  const { vector, messages, metadata } = fingerprint(doc)
  const formatted = doc.getArray('messages').map((value) => {
    const content = value instanceof Y.Map ? value.get('content') : undefined
    return content instanceof Y.Text ? content.toDelta() : undefined
  })
  return { vector, messages, metadata, formatted, isPending: hasPending(doc) }
}

/** The whole state, an increment, or one with gaps: what is drawn by a number. */
function choose({ docs, updates }: History, draw: number): Uint8Array {
  if (updates.length < 3 || draw % 3 === 0) {
    return Y.mergeUpdates(docs.map((doc) => Y.encodeStateAsUpdate(doc)))
  }
  if (draw % 3 === 1) return Y.mergeUpdates(updates.slice(draw % updates.length))
  return Y.mergeUpdates(updates.filter((_, index) => index === 0 || (index * draw) % 5 > 1))
}

/** Pieces, none of them too large. */
function split(update: Uint8Array, maxBytes: number): Uint8Array[] {
  const pieces = splitUpdate(update, maxBytes)
  for (const piece of pieces) expect(piece.byteLength).toBeLessThanOrEqual(maxBytes)
  return pieces
}

describe('an update that is split', () => {
  it.each([true, false])('[EVT6] gives the same state in order, shuffled and merged; GC %s', (gc) => {
    fc.assert(
      fc.property(edits, sizes, fc.nat(), (history, maxBytes, draw) => {
        const update = choose(play(history, gc, false), draw)
        const pieces = split(update, maxBytes)
        const expected = fingerprint(applyAll([update], { gc }))
        expect(fingerprint(applyAll(pieces, { gc }))).toEqual(expected)
        expect(fingerprint(applyAll(shuffled(pieces, draw), { gc }))).toEqual(expected)
        expect(fingerprint(applyAll([Y.mergeUpdates(shuffled(pieces, draw))], { gc }))).toEqual(expected)
      }),
      { numRuns: 120 },
    )
  })

  it('[EVT6] gives the same formatted text merged or in one transaction', () => {
    fc.assert(
      fc.property(edits, sizes, fc.nat(), fc.boolean(), (history, maxBytes, draw, gc) => {
        const update = choose(play(history, gc, true), draw)
        const pieces = split(update, maxBytes)
        const expected = fingerprint(applyAll([update], { gc }))
        expect(fingerprint(applyAll(pieces, { gc, atOnce: true }))).toEqual(expected)
        expect(fingerprint(applyAll(shuffled(pieces, draw), { gc, atOnce: true }))).toEqual(expected)
        expect(fingerprint(applyAll([Y.mergeUpdates(shuffled(pieces, draw))], { gc }))).toEqual(expected)
      }),
      { numRuns: 120 },
    )
  })

  /** The update of one transaction. */
  function updateOf(write: (doc: Y.Doc) => void): Uint8Array {
    const doc = new Y.Doc()
    doc.clientID = 7
    doc.transact(() => write(doc))
    return Y.encodeStateAsUpdate(doc)
  }

  it('[EVT6] that fits is left as it is, to the byte', () => {
    const update = updateOf((doc) => doc.getMap('metadata').set('title', 'Trip'))
    expect(splitUpdate(update, update.byteLength)).toEqual([update])
    expect(splitUpdate(update, update.byteLength)[0]).toBe(update)
  })

  it('[EVT6] fills its pieces, and cuts a long text between characters only', () => {
    for (const [repeats, maxBytes] of [
      [200, 64],
      [200, 65],
      [200, 66],
      [200, 67],
      [26_000, 3_000],
      [26_000, 100_000],
    ] as const) {
      const text = 'a🙂é漢'.repeat(repeats)
      const update = updateOf((doc) => doc.getText('messages').insert(0, text))
      const pieces = split(update, maxBytes)
      // Each piece begins anew with some 20 bytes, and may leave 3 that no character fits into.
      expect(pieces.length).toBeLessThanOrEqual(Math.ceil(update.byteLength / (maxBytes - 24)))
      const doc = new Y.Doc()
      for (const piece of pieces) Y.applyUpdate(doc, piece)
      expect(doc.getText('messages').toString()).toBe(text)
      expect(Y.encodeStateAsUpdate(doc)).toEqual(update)
    }
  })

  it('[EVT6] is cut between the values of a list, of the older kind too', () => {
    const values = Array.from({ length: 500 }, (_, n) =>
      n % 3 === 0 ? null : { n, words: 'word '.repeat(n % 9) },
    )
    const update = updateOf((doc) => doc.getArray('messages').push(values))
    const pieces = split(update, 300)
    expect(pieces.length).toBeGreaterThan(20)
    expect(applyAll(pieces).getArray('messages').toJSON()).toEqual(values)
    expect(Y.encodeStateAsUpdate(applyAll(pieces))).toEqual(update)

    const encoder = new Y.UpdateEncoderV1()
    for (const value of [1, 1, 7, 0]) encoding.writeVarUint(encoder.restEncoder, value)
    // The name of a top-level type stands for it in an update, which the types don't say.
    const root = 'messages' as unknown as Y.AbstractType<unknown>
    const json = new Y.ContentJSON([...values, undefined])
    new Y.Item(Y.createID(7, 0), null, null, null, null, root, null, json).write(encoder, 0)
    encoding.writeVarUint(encoder.restEncoder, 0)
    const older = encoder.toUint8Array()
    expect(atoms(Y.mergeUpdates(split(older, 300)))).toEqual(atoms(older))
    expect(Y.encodeStateAsUpdate(applyAll(split(older, 300)))).toEqual(older)
  })

  it('[EVT6] has its deletions at the end, cut where there are many', () => {
    const doc = new Y.Doc()
    const list = doc.getArray('messages')
    doc.transact(() => list.push(Array.from({ length: 2_000 }, (_, n) => n)))
    const before = Y.encodeStateAsUpdate(doc)
    const vector = Y.encodeStateVector(doc)
    doc.transact(() => {
      for (let at = 999; at >= 0; at--) list.delete(at * 2)
    })
    const deletions = Y.encodeStateAsUpdate(doc, vector)
    const pieces = split(deletions, 200)
    expect(pieces.length).toBeGreaterThan(10)
    for (const piece of pieces) expect(Y.decodeUpdate(piece).structs).toEqual([])
    expect(fingerprint(applyAll([before, ...shuffled(pieces, 1)]))).toEqual(fingerprint(doc))
    const whole = split(Y.mergeUpdates([before, deletions]), 200).map((piece) => Y.decodeUpdate(piece))
    const firstDeletion = whole.findIndex(({ ds }) => ds.clients.size > 0)
    expect(whole.slice(firstDeletion + 1).flatMap(({ structs }) => structs)).toEqual([])
  })

  it('[EVT6] is refused when one value alone is too large, with its size and the most it may have', () => {
    const values: ((doc: Y.Doc) => void)[] = [
      (doc) => doc.getMap('metadata').set('title', 'x'.repeat(5_000)),
      (doc) => doc.getArray('messages').push([1, new Uint8Array(5_000), 2]),
      (doc) => doc.getArray('messages').push([1, 'x'.repeat(5_000), 2]),
      (doc) => doc.getText('messages').insertEmbed(0, { image: 'x'.repeat(5_000) }),
      (doc) => doc.getText('messages').insert(0, 'word', { link: 'x'.repeat(5_000) }),
    ]
    for (const write of values) {
      const update = updateOf(write)
      expect(() => splitUpdate(update, 5_000)).toThrowError(
        expect.objectContaining({
          code: 'TOO_LARGE',
          message: expect.stringMatching(/ 50\d\d bytes.* 5000 bytes/),
        }),
      )
      expect(fingerprint(applyAll(split(update, 5_040)))).toEqual(fingerprint(applyAll([update])))
    }
    for (const maxBytes of [0, 1, 2, 5]) {
      const update = updateOf((doc) => doc.getText('messages').insert(0, 'word'))
      expect(() => splitUpdate(update, maxBytes)).toThrowError(expect.objectContaining({ code: 'TOO_LARGE' }))
    }
  })

  it('[EVT6] is refused when it is no update', () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(100).fill(255), noise(100)]) {
      expect(() => splitUpdate(Uint8Array.from(Buffer.from(bytes)), -1)).toThrowError(
        expect.objectContaining({ code: 'UPDATE_INVALID' }),
      )
    }
  })

  it('[EVT6] that holds nothing but a gap becomes one that holds nothing', () => {
    // One client, one struct, client 300, clock 0: a gap of 16,000 clocks; no deletions.
    const gap = Uint8Array.from([1, 1, 172, 2, 0, 10, 128, 125, 0])
    expect(splitUpdate(gap, 8)).toEqual([Uint8Array.from([0, 0])])
  })
})

describe('an update that is sliced', () => {
  function slice(
    updates: readonly Uint8Array[],
    maxBytes: number,
    knownTo: (client: number) => number = () => 0,
  ): (readonly Uint8Array[])[] {
    const reading = readSliceable(updates, 200)
    for (let step = reading.next(); ; step = reading.next())
      if (step.done === true) return [...step.value.slices(maxBytes, knownTo)]
  }

  it.each([true, false])('[LOD1] gives the same state, and waits for nothing on the way; GC %s', (gc) => {
    let several = 0
    fc.assert(
      fc.property(edits, fc.integer({ min: 1, max: 400 }), fc.nat(), (history, maxBytes, draw) => {
        const update = choose(play(history, gc, false), draw)
        const whole = applyAll([update], { gc })
        for (const given of [[update], splitUpdate(update, 400)]) {
          const slices = slice(given, maxBytes)
          if (slices.length > 1) several++
          expect(fingerprint(applyAll(slices.flat(), { gc }))).toEqual(fingerprint(whole))
          if (hasPending(whole)) continue
          const doc = new Y.Doc({ gc })
          for (const each of slices) {
            for (const one of each) Y.applyUpdate(doc, one, 'remote')
            expect(hasPending(doc)).toBe(false)
          }
        }
      }),
      { numRuns: 150 },
    )
    expect(several).toBeGreaterThan(50)
  })

  /** Slices as they come with each part, applied at once. */
  function applyAsTheyCome(parts: readonly Uint8Array[], maxBytes: number, gc: boolean) {
    const doc = new Y.Doc({ gc })
    const stream = createSliceStream(maxBytes, 200, (client) => Y.getState(doc.store, client))
    const perPart: number[] = []
    let isPendingOnTheWay = false
    const take = (slice: readonly Uint8Array[] | undefined): void => {
      if (slice === undefined) return
      perPart[perPart.length - 1] = (perPart[perPart.length - 1] as number) + 1
      doc.transact(() => {
        for (const update of slice) Y.applyUpdate(doc, update, 'remote')
      }, 'remote')
      isPendingOnTheWay ||= hasPending(doc)
    }
    for (const part of parts) {
      perPart.push(0)
      for (const slice of stream.add(part)) take(slice)
    }
    perPart.push(0)
    for (const slice of stream.end()) take(slice)
    return { doc, perPart, isPendingOnTheWay }
  }

  it.each([true, false])(
    '[LOD2] of parts that come one by one give the same state, and wait for nothing on the way; GC %s',
    (gc) => {
      fc.assert(
        fc.property(edits, fc.integer({ min: 1, max: 400 }), fc.nat(), (history, maxBytes, draw) => {
          const update = choose(play(history, gc, false), draw)
          const whole = applyAll([update], { gc })
          const { doc, isPendingOnTheWay } = applyAsTheyCome(splitUpdate(update, 400), maxBytes, gc)
          expect(fingerprint(doc)).toEqual(fingerprint(whole))
          if (!hasPending(whole)) expect(isPendingOnTheWay).toBe(false)
        }),
        { numRuns: 150 },
      )
    },
  )

  it('[LOD2] of parts that come one by one are there with each part, but for what waits for another one', () => {
    const [first, second] = [new Y.Doc(), new Y.Doc()]
    for (const [index, doc] of [first, second].entries()) doc.clientID = index + 1
    for (let index = 0; index < 40; index++) {
      const [doc, other] = index < 20 ? [first, second] : [second, first]
      doc.getArray('messages').push([new Y.Map([['text', `${index}`.repeat(20)]])])
      Y.applyUpdate(other, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(other)))
    }
    const parts = splitUpdate(Y.encodeStateAsUpdate(first), 400)
    const half = parts.length / 2
    const { doc, perPart } = applyAsTheyCome(parts, 100, true)
    expect(fingerprint(doc)).toEqual(fingerprint(first))
    // The one with the higher client id comes first, and hangs on the other one.
    expect(perPart.slice(0, half - 1).every((count) => count === 0)).toBe(true)
    expect(perPart.slice(half + 1, -1).every((count) => count > 0)).toBe(true)
  })

  it('[LOD2] of parts that come one by one are whole where there is formatting, or something is missing', () => {
    fc.assert(
      fc.property(edits, fc.nat(), (history, draw) => {
        const played = play(history, true, true)
        const update = choose(played, draw)
        const { doc } = applyAsTheyCome(splitUpdate(update, 400), 100, true)
        expect(appearance(doc)).toEqual(appearance(applyAll([update])))
        const everything = played.docs.map((each) => Y.encodeStateAsUpdate(each))
        for (const state of everything) applyUpdate(doc, state, 'remote')
        // What formatting Yjs tidies away depends on what it got first: the same order, so that this isn't what differs.
        expect(appearance(doc)).toEqual(appearance(applyAll([update, ...everything])))
      }),
      { numRuns: 100 },
    )
    const junk = [Uint8Array.of(1, 200), Uint8Array.of(0, 0)]
    const stream = createSliceStream(100, 100, () => 0)
    for (const part of junk) expect([...stream.add(part)].filter((slice) => slice !== undefined)).toEqual([])
    // For Yjs to say what is wrong with it.
    expect([...stream.end()]).toEqual([junk])
  })

  it('[LOD1] stays whole where it has formatting, or waits for something', () => {
    fc.assert(
      fc.property(edits, fc.nat(), (history, draw) => {
        const update = choose(play(history, true, true), draw)
        const slices = slice([update], 100)
        const atOnce = slices.length === 1
        expect(fingerprint(applyAll(slices.flat(), { atOnce }))).toEqual(fingerprint(applyAll([update])))
      }),
      { numRuns: 100 },
    )
    const doc = new Y.Doc()
    for (const text of ['a', 'b'.repeat(100), 'c'.repeat(100)])
      doc.getArray('messages').push([new Y.Map([['text', text]])])
    const vector = Y.encodeStateVector(new Map([[doc.clientID, 1]]))
    const late = Y.encodeStateAsUpdate(doc, vector)
    expect(slice([late], 50)).toHaveLength(1)
    expect(slice([late], 50, () => 1).length).toBeGreaterThan(1)
    // For Yjs to say what is wrong with it.
    const garbage = new Uint8Array(100).fill(3)
    expect(slice([garbage], 50)).toEqual([[garbage]])
  })
})

describe('updates that are joined', () => {
  it.each([
    [true, false],
    [false, false],
    [true, true],
  ])(
    '[RPL8] say what they said one by one, also to who had what was before; GC %s, formats %s',
    (gc, formats) => {
      let joined = 0
      fc.assert(
        fc.property(edits, fc.nat(), (history, draw) => {
          const { updates } = play(history, gc, formats)
          if (updates.length === 0) return
          const from = draw % updates.length
          const [before, news] = [updates.slice(0, from), updates.slice(from)]
          // Some of them twice, as when they come again.
          const given = draw % 3 === 0 ? [...news, ...news.slice(1)] : news
          const one = joinUpdates(given)
          if (given.length > 1 && Buffer.compare(one, mergeUpdates(given)) !== 0) joined++
          const expected = fingerprint(applyAll([...before, mergeUpdates(news)], { gc }))
          expect(fingerprint(applyAll([...before, one], { gc }))).toEqual(expected)
        }),
        { numRuns: 120 },
      )
      expect(joined).toBeGreaterThan(0)
    },
  )

  it('[RPL8] lose no deletion, however many there are', () => {
    const doc = new Y.Doc()
    const updates: Uint8Array[] = []
    const list = doc.getArray<number>('messages')
    list.push(Array.from({ length: 5_000 }, (_, index) => index))
    const before = Y.encodeStateAsUpdate(doc)
    doc.on('update', (update: Uint8Array) => updates.push(update))
    for (let index = 0; index < 2_000; index++) list.delete(index, 1)
    const copy = applyAll([before, joinUpdates(updates)], { gc: true })
    expect(copy.getArray('messages').toJSON()).toEqual(list.toJSON())
  })
})

describe('a state that is encoded in pieces', () => {
  it.each([true, false])('[CKP9] says what the state says, to the byte where it is one; GC %s', (gc) => {
    let several = 0
    fc.assert(
      fc.property(edits, fc.integer({ min: 1, max: 400 }), fc.boolean(), (history, maxBytes, formats) => {
        const { docs } = play(history, gc, formats)
        for (const doc of docs) {
          const pieces = [...encodeState(doc, maxBytes, vectorOf(doc))]
          if (pieces.length > 1) several++
          const state = Y.encodeStateAsUpdate(doc)
          expect([...encodeState(doc, 1_000_000, vectorOf(doc))]).toEqual([state])
          const merged = mergeUpdates(pieces)
          expect(atoms(merged)).toEqual(atoms(state))
          expect(fingerprint(applyAll([merged], { gc }))).toEqual(fingerprint(applyAll([state], { gc })))
        }
      }),
      { numRuns: 100 },
    )
    expect(several).toBeGreaterThan(50)
  })

  const between = fc.array(fc.array(edit, { maxLength: 4 }), { minLength: 1, maxLength: 12, size: 'max' })

  it.each([
    [true, false],
    [true, true],
    [false, false],
  ])(
    '[CKP9] is what the document held at one moment, whatever is edited between them; GC %s, formats %s',
    (gc, formats) => {
      let changed = 0
      let shortened = 0
      fc.assert(
        fc.property(edits, between, fc.integer({ min: 1, max: 200 }), (history, later, maxBytes) => {
          const { docs, updates } = play(history, gc, formats)
          const doc = docs[0] as Y.Doc
          const vector = vectorOf(doc)
          const earlier = Y.encodeStateAsUpdate(doc)
          const known = [...updates]
          const pieces: Uint8Array[] = []
          for (const piece of encodeState(doc, maxBytes, vector)) {
            pieces.push(piece)
            for (const edit of later[pieces.length % later.length] as Edit[]) perform(docs, edit, formats)
          }
          const now = Y.encodeStateAsUpdate(doc)
          const state = mergeUpdates(pieces)

          // It hangs on nothing else, goes exactly as far as was said, and names nothing deleted that is beyond.
          const alone = applyAll([state], { gc, atOnce: true })
          expect(hasPending(alone)).toBe(false)
          expect([...vectorOf(alone)].sort()).toEqual([...vector].sort())
          // Deletions only become more.
          const were = new Set(deletedIn(earlier))
          const are = new Set(deletedIn(now))
          const named = deletedIn(state)
          expect([...were].filter((id) => !named.includes(id))).toEqual([])
          expect(named.filter((id) => !are.has(id))).toEqual([])
          if (pieces.length > 1 && Buffer.compare(now, earlier) !== 0) changed++
          if (named.length > were.size) shortened++

          // Whoever gets it comes to the same document, whatever of the document or of its log came before it or after.
          const since = updates.slice(known.length)
          for (const orders of [
            [[now], [state, now], [now, state], [earlier, state, now], [state, earlier, now]],
            [
              [earlier, state],
              [state, earlier],
            ],
            [updates, [state, ...updates], [...updates, state], [...known, state, ...since]],
          ]) {
            const [expected, ...found] = orders.map((order) =>
              fingerprint(applyAll(order, { gc, atOnce: true })),
            )
            for (const one of found) expect(one).toEqual(expected)
          }
        }),
        { numRuns: 150 },
      )
      expect(changed).toBeGreaterThan(20)
      expect(shortened).toBeGreaterThan(5)
    },
  )
})

/** Client and clock of all that an update names as deleted. */
function deletedIn(update: Uint8Array): string[] {
  return [...Y.decodeUpdate(update).ds.clients].flatMap(([client, ranges]) =>
    ranges.flatMap(({ clock, len }) => Array.from({ length: len }, (_, at) => `${client} ${clock + at}`)),
  )
}
