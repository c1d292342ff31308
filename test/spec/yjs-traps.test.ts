import { createMemoryStore, createSyncClient } from '@onyx-sync/client'
import {
  applyUpdate,
  checkUpdate,
  containsUpdate,
  DEFAULT_LIMITS,
  decodeContent,
  decodeUpdateEvent,
  encodeBase64,
  encodeContent,
  encodeSyncMessage,
  hasPending,
  hasReceived,
  hasSameState,
  KIND,
  mergeUpdates,
  missingFrom,
  type NostrEvent,
  pureVerifier,
  type Random,
  systemRandom,
} from '@onyx-sync/shared'
import { createSeededRandom } from '@onyx-sync/testing'
import { deflateSync } from 'fflate'
import * as encoding from 'lib0/encoding'
import { PlainKeySigner } from 'nostr-tools/signer'
import { afterEach, describe, expect, it, vi } from 'vitest'
import * as Y from 'yjs'
import { chatEvent, messageUpdate, testKey } from '../support/events.js'

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a random source that is too weak', () => {
  const open = (random: Random, store = createMemoryStore()) =>
    createSyncClient({ store, random, signer: new PlainKeySigner(testKey(1).secretKey) })
  const fromWords = (word: (n: number) => number): Random => {
    let n = 0
    return {
      next: () => 0.5,
      bytes(length) {
        const bytes = new Uint8Array(Math.ceil(length / 4) * 4)
        const view = new DataView(bytes.buffer)
        for (let at = 0; at < bytes.length; at += 4) view.setUint32(at, word(n++))
        return bytes.subarray(0, length)
      },
    }
  }

  it('[YJS1][Y15] refuses one that yields bytes where words are wanted, and leaves the database alone', async () => {
    const store = createMemoryStore()
    await expect(
      open(
        fromWords((n) => (n * 37) % 256),
        store,
      ),
    ).rejects.toMatchObject({ code: 'RANDOM_WEAK' })
    expect(await store.loadMeta()).toEqual({})
  })

  it('[YJS1][Y15] refuses one that always yields the same', async () => {
    await expect(open(fromWords(() => 0xdeadbeef))).rejects.toMatchObject({ code: 'RANDOM_WEAK' })
  })

  it('[YJS1][Y15] accepts a good one', async () => {
    for (let seed = 0; seed < 20; seed++) await open(createSeededRandom(`random ${seed}`))
    await open(systemRandom)
  })

  it('[YJS1][Y15] repairs a stand-in for getRandomValues that puts a byte into each element', () => {
    const real = crypto.getRandomValues.bind(crypto)
    vi.spyOn(crypto, 'getRandomValues').mockImplementation((array) => {
      const elements = array as unknown as Uint8Array
      const bytes = real(new Uint8Array(elements.length))
      for (const [index, byte] of bytes.entries()) elements[index] = byte
      return array
    })
    const draws = Array.from({ length: 64 }, () => systemRandom.next())
    expect(Math.max(...draws)).toBeGreaterThan(0.5)
    expect(Math.max(...draws)).toBeLessThan(1)
  })
})

/** Updates of one device, one per step. */
function updatesOf(clientId: number, ...steps: readonly ((doc: Y.Doc) => void)[]): Uint8Array[] {
  const doc = new Y.Doc()
  doc.clientID = clientId
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  for (const step of steps) doc.transact(() => step(doc))
  return updates
}

const push = (text: string) => (doc: Y.Doc) => doc.getArray('messages').push([text])

describe('being in sync', () => {
  it('[YJS2][Y1] compares deletions too: equal state vectors are not enough', () => {
    const a = new Y.Doc()
    a.getArray('messages').push(['keep', 'drop'])
    const b = new Y.Doc()
    Y.applyUpdate(b, Y.encodeStateAsUpdate(a))
    expect([hasSameState(a, b), missingFrom(a, b)]).toEqual([true, undefined])
    a.getArray('messages').delete(1)
    expect(Y.encodeStateVector(a)).toEqual(Y.encodeStateVector(b))
    expect(hasSameState(a, b)).toBe(false)
    expect(missingFrom(b, a)).toBeUndefined()
    const missing = missingFrom(a, b) as Uint8Array
    expect(containsUpdate(b, missing)).toBe(false)
    Y.applyUpdate(b, missing)
    expect([hasSameState(a, b), missingFrom(a, b)]).toEqual([true, undefined])
    expect(b.getArray('messages').toArray()).toEqual(['keep'])
  })

  it('[YJS2][Y12] has nothing to send when nothing changed, however much was deleted', () => {
    const a = new Y.Doc()
    for (let n = 0; n < 500; n++) a.getArray('messages').insert(0, [n])
    for (let n = 0; n < 250; n++) a.getArray('messages').delete(n)
    const b = new Y.Doc()
    Y.applyUpdate(b, Y.encodeStateAsUpdate(a))
    // What Yjs would send: the whole delete set.
    expect(Y.encodeStateAsUpdate(a, Y.encodeStateVector(b)).byteLength).toBeGreaterThan(500)
    expect(missingFrom(a, b)).toBeUndefined()
  })

  it('[YJS3][Y2][Y3] knows what waits for a missing update, and does not take it for applied', () => {
    const [one, two, three, remove] = updatesOf(7, push('1'), push('2'), push('3'), (doc) =>
      doc.getArray('messages').delete(2),
    ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const doc = new Y.Doc()
    Y.applyUpdate(doc, one)
    const emitted: unknown[] = []
    doc.on('update', (update: unknown) => emitted.push(update))
    Y.applyUpdate(doc, three)
    Y.applyUpdate(doc, remove)
    expect([emitted, hasPending(doc)]).toEqual([[], true])
    expect([one, two, three, remove].map((update) => containsUpdate(doc, update))).toEqual([
      true,
      false,
      false,
      false,
    ])
    expect([one, two, three, remove].map((update) => hasReceived(doc, update))).toEqual([
      true,
      false,
      true,
      true,
    ])
    expect(hasReceived(doc, mergeUpdates([one, three, remove]))).toBe(true)
    expect(hasReceived(doc, mergeUpdates([two, three]))).toBe(false)
    Y.applyUpdate(doc, two)
    expect(hasPending(doc)).toBe(false)
    expect(doc.getArray('messages').toArray()).toEqual(['1', '2'])
    expect([one, two, three, remove].every((update) => containsUpdate(doc, update))).toBe(true)
  })

  it('[YJS12][Y2] shows what hangs on nothing missing, though something else of the same device never comes', () => {
    const list = (doc: Y.Doc) => doc.getArray<string>('messages')
    const ours = updatesOf(1, push('1'), push('2'), push('3'), push('never came'), push('waits'))
    const [one, two, three, , five] = ours as Uint8Array[]
    const theirs = new Y.Doc()
    theirs.clientID = 9
    for (const update of ours.slice(0, 2)) Y.applyUpdate(theirs, update)
    const vector = Y.encodeStateVector(theirs)
    list(theirs).push(['a reply to 2'])
    const reply = Y.encodeStateAsUpdate(theirs, vector)

    const doc = new Y.Doc()
    for (const update of [five, reply, one, two] as Uint8Array[]) applyUpdate(doc, update)
    expect(list(doc).toArray()).toEqual(['1', '2', 'a reply to 2'])
    applyUpdate(doc, three as Uint8Array)
    expect([list(doc).length, hasPending(doc)]).toEqual([4, true])
    applyUpdate(doc, ours[3] as Uint8Array)
    expect([list(doc).length, hasPending(doc)]).toEqual([6, false])
  })
})

describe('an item whose beginning is garbage', () => {
  const messagesIn = (doc: Y.Doc) => doc.getArray<Y.Map<Y.Text>>('messages')

  function applied(updates: readonly Uint8Array[], isTogether: boolean): Y.Doc {
    const doc = new Y.Doc()
    const applyAll = () => {
      for (const update of updates) applyUpdate(doc, update)
    }
    if (isTogether) doc.transact(applyAll)
    else applyAll()
    return doc
  }

  /** One client with one struct from clock 0 on, which is garbage of length 1; no deletions. */
  const garbageOf = (client: number): Uint8Array =>
    encoding.encode((encoder) => {
      for (const n of [1, 1, client, 0]) encoding.writeVarUint(encoder, n)
      encoding.writeUint8(encoder, 0)
      for (const n of [1, 0]) encoding.writeVarUint(encoder, n)
    })

  it('[YJS12][YJS13] holds up nothing behind it, though what it hung on as an item never comes', () => {
    const other = new Y.Doc()
    other.getArray('messages').push(['never comes'])
    const author = applied([Y.encodeStateAsUpdate(other)], false)
    author.getArray('messages').push(['after it'])
    author.getMap('metadata').set('title', 'Oslo')
    const own = Y.diffUpdate(Y.encodeStateAsUpdate(author), Y.encodeStateVector(other))
    const doc = applied([own], false)
    expect([doc.getMap('metadata').get('title'), hasPending(doc)]).toEqual([undefined, true])
    applyUpdate(doc, garbageOf(author.clientID))
    expect([doc.getMap('metadata').get('title'), hasPending(doc)]).toEqual(['Oslo', false])
  })

  it('[YJS13] is completed in the transaction that deletes what it stood in', () => {
    const [author, other] = [new Y.Doc(), new Y.Doc()]
    messagesIn(author).push([new Y.Map([['content', new Y.Text('abc')]])])
    const made = Y.encodeStateAsUpdate(author)
    applyUpdate(other, made)
    const text = messagesIn(author).get(0).get('content') as Y.Text
    const before = Y.encodeStateVector(author)
    text.insert(0, 'd')
    // The other one has the first of two letters by another way, and gives it back as garbage.
    applyUpdate(other, Y.encodeStateAsUpdate(author, before))
    messagesIn(other).delete(0)
    text.insert(1, 'e')
    const updates = [made, Y.encodeStateAsUpdate(other, before), Y.encodeStateAsUpdate(author, before)]
    const [together, apart] = [applied(updates, true), applied(updates, false)]
    expect(messagesIn(together).length).toBe(0)
    expect(hasSameState(together, apart)).toBe(true)
    applyUpdate(author, Y.encodeStateAsUpdate(together))
    expect(hasSameState(author, together)).toBe(true)
  })

  it('[YJS13] is completed as garbage where nothing around it was deleted, as a hostile device may have it', () => {
    const victim = new Y.Doc()
    messagesIn(victim).push([new Y.Map([['content', new Y.Text('abc')]])])
    const text = messagesIn(victim).get(0).get('content') as Y.Text
    const hostile = applied([Y.encodeStateAsUpdate(victim)], false)
    const before = Y.encodeStateVector(hostile)
    messagesIn(hostile).get(0).get('content')?.insert(0, 'xyz')
    const item = Y.encodeStateAsUpdate(hostile, before)
    for (const update of [garbageOf(hostile.clientID), item]) {
      expect(checkUpdate(update, KIND.chat, DEFAULT_LIMITS).clientIds).toEqual([hostile.clientID])
      applyUpdate(victim, update)
    }
    expect(text.toString()).toBe('abc')
    expect(hasPending(victim)).toBe(false)
    text.insert(3, 'd')
    const copy = applied([Y.encodeStateAsUpdate(victim)], false)
    expect(messagesIn(copy).get(0).get('content')?.toString()).toBe('abcd')
  })

  it('[YJS13] doesn’t make anything else applicable', () => {
    const doc = new Y.Doc()
    expect(() => applyUpdate(doc, Uint8Array.of(1, 1, 1))).toThrow()
  })
})

describe('the sync message in an event', () => {
  const { maxUpdateBytes } = DEFAULT_LIMITS
  const message = (type: number, update: Uint8Array, tail: readonly number[] = []): string => {
    const encoder = encoding.createEncoder()
    encoding.writeVarUint(encoder, type)
    encoding.writeVarUint8Array(encoder, update)
    for (const byte of tail) encoding.write(encoder, byte)
    return encodeBase64(encoding.toUint8Array(encoder))
  }

  it('[YJS4] comes back as it went in, plain and deflated, increment and checkpoint', () => {
    for (const checkpoint of [false, true]) {
      const update = messageUpdate('Grüße 🙂')
      const message = encodeSyncMessage({ update, checkpoint })
      const deflated = encodeBase64(deflateSync(message))
      expect(decodeContent(encodeBase64(message), 'yjs', DEFAULT_LIMITS)).toEqual({ update, checkpoint })
      expect(decodeContent(deflated, 'yjs+deflate', DEFAULT_LIMITS)).toEqual({ update, checkpoint })
    }
  })

  it('[YJS4] is exactly one, of the two types, in padded base64', () => {
    const update = messageUpdate('x')
    const good = message(2, update)
    const bad = [
      '',
      '=',
      '!!!!',
      good.replace(/=+$/, ''),
      ` ${good}`,
      `${good}\n`,
      good.replaceAll('+', '-'),
      message(0, update),
      message(3, update),
      message(2, update, [0]),
      encodeBase64(Uint8Array.of(2)),
      encodeBase64(Uint8Array.of(2, 200, 1)),
      encodeBase64(Uint8Array.from([2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255])),
    ].filter((content) => content !== good)
    for (const content of bad) {
      expect(() => decodeContent(content, 'yjs', DEFAULT_LIMITS), content).toThrowError(
        expect.objectContaining({ code: 'UPDATE_INVALID' }),
      )
    }
    expect(() => decodeContent(good, 'yjs+deflate', DEFAULT_LIMITS)).toThrowError(
      expect.objectContaining({ code: 'UPDATE_INVALID' }),
    )
  })

  it('[YJS5][Y14] is bounded: a deflate bomb is refused without being blown up', () => {
    const bomb = encodeBase64(deflateSync(new Uint8Array(64 * 1024 * 1024)))
    expect(() => decodeContent(bomb, 'yjs+deflate', DEFAULT_LIMITS)).toThrowError(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    )
    // Buffers that were let go of count until they are collected, some times the bound: with a small one they are
    // far from what the bomb holds.
    const small = { ...DEFAULT_LIMITS, maxUpdateBytes: 256 * 1024 }
    const before = process.memoryUsage().arrayBuffers
    expect(() => decodeContent(bomb, 'yjs+deflate', small)).toThrowError(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    )
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
    const plain = encodeSyncMessage({ update: new Uint8Array(maxUpdateBytes + 1), checkpoint: false })
    expect(() => decodeContent(encodeBase64(plain), 'yjs', DEFAULT_LIMITS)).toThrowError(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    )
  })
})

describe('an update before it is applied', () => {
  const check = (update: Uint8Array, kind: typeof KIND.chat | typeof KIND.settings = KIND.chat) =>
    checkUpdate(update, kind, DEFAULT_LIMITS)
  const refusal = (update: Uint8Array, kind?: typeof KIND.chat | typeof KIND.settings): string => {
    try {
      check(update, kind)
      return 'accepted'
    } catch (error) {
      return (error as { code: string }).code
    }
  }
  const written = (write: (encoder: encoding.Encoder) => void): Uint8Array => {
    const encoder = encoding.createEncoder()
    write(encoder)
    return encoding.toUint8Array(encoder)
  }
  const varUints = (...values: readonly number[]) =>
    written((encoder) => {
      for (const value of values) encoding.writeVarUint(encoder, value)
    })
  const GC = 0
  const withRoot = (name: string) => {
    const doc = new Y.Doc()
    doc.getMap(name).set('a', 1)
    return Y.encodeStateAsUpdate(doc)
  }

  it('[YJS6][Y14] must decode to its end: what a state vector would still be read from is refused', () => {
    const [first, remove] = updatesOf(7, push('one'), (doc) => doc.getArray('messages').delete(0))
    const update = mergeUpdates([first as Uint8Array, remove as Uint8Array])
    expect(refusal(update)).toBe('accepted')
    let misread = 0
    for (let length = 0; length < update.byteLength; length++) {
      const cut = update.slice(0, length)
      expect(refusal(cut)).toBe('UPDATE_INVALID')
      try {
        Y.encodeStateVectorFromUpdate(cut)
        misread++
      } catch {
        // This one is refused by it too.
      }
    }
    expect(misread).toBeGreaterThan(3)
  })

  it('[YJS6][Y14] is refused with a code, whatever the bytes', () => {
    const random = createSeededRandom('bytes')
    const outcomes = new Set<string>()
    for (let n = 0; n < 2_000; n++) outcomes.add(refusal(random.bytes(random.below(80))))
    expect([...outcomes].filter((code) => code !== 'accepted')).toEqual(['UPDATE_INVALID'])
  })

  it('[YJS6][Y14] may not state huge counts, clocks or lengths', () => {
    // One client with two billion structs, and a billion clients: the bytes end long before.
    expect(refusal(varUints(1, 2 ** 31, 7, 0))).toBe('UPDATE_INVALID')
    expect(refusal(varUints(2 ** 30))).toBe('UPDATE_INVALID')
    const gc = (clock: number, length: number) =>
      written((encoder) => {
        for (const value of [1, 1, 7, clock]) encoding.writeVarUint(encoder, value)
        encoding.writeUint8(encoder, GC)
        encoding.writeVarUint(encoder, length)
        encoding.writeVarUint(encoder, 0)
      })
    expect(refusal(gc(0, 5))).toBe('accepted')
    expect(refusal(gc(2 ** 31, 1))).toBe('UPDATE_INVALID')
    expect(refusal(gc(0, 2 ** 31 + 1))).toBe('UPDATE_INVALID')
    expect(refusal(gc(2 ** 52, 2 ** 52))).toBe('UPDATE_INVALID')
    expect(refusal(gc(0, 0))).toBe('UPDATE_INVALID')
    const deletion = (clock: number, length: number) => varUints(0, 1, 7, 1, clock, length)
    expect(refusal(deletion(0, 5))).toBe('accepted')
    expect(refusal(deletion(2 ** 40, 1))).toBe('UPDATE_INVALID')
    expect(refusal(deletion(0, 2 ** 40))).toBe('UPDATE_INVALID')
    expect(refusal(deletion(0, 0))).toBe('UPDATE_INVALID')
  })

  it('[YJS6][Y14] may not hold more structs and ranges than the limit', () => {
    const doc = new Y.Doc()
    doc.transact(() => {
      for (let n = 0; n < 40; n++) doc.getArray('messages').insert(0, [n])
    })
    const update = Y.encodeStateAsUpdate(doc)
    const limits = { ...DEFAULT_LIMITS, maxUpdateStructs: 40 }
    expect(() => checkUpdate(update, KIND.chat, limits)).not.toThrow()
    expect(() => checkUpdate(update, KIND.chat, { ...limits, maxUpdateStructs: 39 })).toThrowError(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    )
  })

  it('[YJS6][Y14] may not be nested so deeply that decoding it runs out of stack', () => {
    const nested = (depth: number) =>
      written((encoder) => {
        for (const value of [1, 1, 7, 0]) encoding.writeVarUint(encoder, value)
        // One ContentAny in the root `metadata`, under the key `a`.
        encoding.writeUint8(encoder, 8 | 32)
        encoding.writeVarUint(encoder, 1)
        encoding.writeVarString(encoder, 'metadata')
        encoding.writeVarString(encoder, 'a')
        encoding.writeVarUint(encoder, 1)
        for (let level = 0; level < depth; level++) {
          encoding.writeUint8(encoder, 117)
          encoding.writeVarUint(encoder, 1)
        }
        encoding.writeUint8(encoder, 126)
        encoding.writeVarUint(encoder, 0)
      })
    expect(refusal(nested(3))).toBe('accepted')
    expect(refusal(nested(100_000))).toBe('UPDATE_INVALID')
  })

  it('[YJS7][Y7] may create the root types of its kind only', () => {
    expect(refusal(withRoot('metadata'))).toBe('accepted')
    expect(refusal(withRoot('preferences'), KIND.settings)).toBe('accepted')
    for (const name of ['preferences', 'Metadata', '', '__proto__', 'constructor', 'x'.repeat(2_000)]) {
      expect(refusal(withRoot(name)), name.slice(0, 20)).toBe('UPDATE_INVALID')
    }
    expect(refusal(withRoot('messages'), KIND.settings)).toBe('UPDATE_INVALID')
    expect(() => check(withRoot('x'.repeat(2_000)))).toThrow(/^.{0,200}$/)
  })
})

describe('bits that flip', () => {
  it('[YJS8][Y9] are seen in an event by id and signature, though Yjs would apply many of them', () => {
    const event = chatEvent(testKey(1), { text: 'the very words' })
    const { update } = decodeUpdateEvent(event, DEFAULT_LIMITS).framed
    let appliedWrong = 0
    for (let bit = 0; bit < update.byteLength * 8; bit++) {
      const flipped = update.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      try {
        const doc = new Y.Doc()
        Y.applyUpdate(doc, flipped)
        appliedWrong++
      } catch {
        // Yjs has seen that one itself.
      }
      const damaged = { ...event, content: encodeContent({ update: flipped, checkpoint: false }).content }
      expect(() => pureVerifier.verify(damaged)).toThrowError(
        expect.objectContaining({ code: 'EVENT_ID_MISMATCH' }),
      )
    }
    expect(appliedWrong).toBeGreaterThan(50)
  })

  it('[YJS8][Y9] are seen in every field, and in the signature', () => {
    const event = chatEvent(testKey(1))
    const change = (fields: Partial<NostrEvent>) => () => pureVerifier.verify({ ...event, ...fields })
    const flipHex = (hex: string) => hex.slice(0, -1) + (hex.endsWith('0') ? '1' : '0')
    expect(change({})).not.toThrow()
    for (const fields of [
      { created_at: event.created_at + 1 },
      { kind: 1 },
      { tags: [...event.tags, ['p', testKey(2).publicKey]] },
      { pubkey: testKey(2).publicKey },
      { id: flipHex(event.id) },
    ])
      expect(change(fields)).toThrowError(expect.objectContaining({ code: 'EVENT_ID_MISMATCH' }))
    for (const sig of [flipHex(event.sig), '0'.repeat(128), 'f'.repeat(128)]) {
      expect(change({ sig })).toThrowError(expect.objectContaining({ code: 'EVENT_SIGNATURE_INVALID' }))
    }
  })
})

describe('writers', () => {
  it('[YJS9][Y5] get a new client id each time a document is loaded, so a restored backup is no twin', async () => {
    const store = createMemoryStore()
    const signer = new PlainKeySigner(testKey(1).secretKey)
    const ids = new Set<number>()
    for (let start = 0; start < 5; start++) {
      const client = await createSyncClient({ store, signer })
      if (start === 0) await client.chats.create({ id: 'chat' })
      const { doc } = await client.chats.open('chat')
      ids.add(doc.clientID)
      expect(doc.store.clients.has(doc.clientID)).toBe(start === 0)
      if (start > 0) await client.chats.send('chat', `start ${start}`)
    }
    expect(ids.size).toBe(5)
  })

  it('[YJS10][Y8] that import the same twice, also on two devices offline, show it once', async () => {
    const signer = new PlainKeySigner(testKey(1).secretKey)
    const importInto = async () => {
      const store = createMemoryStore()
      const client = await createSyncClient({ store, signer })
      await client.chats.create({ id: 'old' })
      for (const id of ['1', '2', '1', '2']) await client.chats.send('old', `text ${id}`, { id })
      return { client, doc: (await client.chats.open('old')).doc }
    }
    const a = await importInto()
    const b = await importInto()
    Y.applyUpdate(a.doc, Y.encodeStateAsUpdate(b.doc))
    expect((await a.client.chats.read('old')).messages.map(({ id }) => id)).toEqual(['1', '2'])
    await a.client.chats.deleteMessage('old', '1')
    expect((await a.client.chats.read('old')).messages.map(({ id }) => id)).toEqual(['2'])
  })
})
