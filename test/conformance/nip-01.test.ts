import { createHash } from 'node:crypto'
import { compareNewestFirst, type NostrEvent } from '@onyx-sync/shared'
import { verifyEvent } from 'nostr-tools/pure'
import { describe, expect, it } from 'vitest'
import { authEvent, chatEvent, sign, trainingEvent } from '../support/events.js'
import { freshKey, sharedServer } from '../support/shared-server.js'

const server = sharedServer()
const ids = (events: readonly { id: string }[]): string[] => events.map(({ id }) => id)

/** NIP-01's serialisation, put together by hand: `text` is how a string looks inside the quotes. */
function handmadeId(event: NostrEvent, content: string): string {
  const tags = JSON.stringify(event.tags)
  const serialised = `[0,"${event.pubkey}",${event.created_at},${event.kind},${tags},"${content}"]`
  return createHash('sha256').update(serialised, 'utf8').digest('hex')
}

describe('events (NIP-01)', () => {
  it('[WIR1] an id is that of the serialised event: every escape, control characters, all of unicode', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const controls = Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join('')
    const contents: [content: string, serialised: string][] = [
      ['a\nb\rc\td\be\ff"g\\h', 'a\\nb\\rc\\td\\be\\ff\\"g\\\\h'],
      // Where NIP-01 is silent or different, the network does as JSON.stringify does.
      ['\u0000\u0001\u001b\u001f\u007f\u0080', '\\u0000\\u0001\\u001b\\u001f\u007f\u0080'],
      ['half \ud800 and \udfff', 'half \\ud800 and \\udfff'],
      ['/ \u2028 \u2029 \ufeff \ufffd \uffff', '/ \u2028 \u2029 \ufeff \ufffd \uffff'],
      ['grüße, 漢字, العربية, 👩‍👩‍👧‍👦 e\u0301', 'grüße, 漢字, العربية, 👩‍👩‍👧‍👦 e\u0301'],
      ['{"a":[1,\'x\',<&>]}', '{\\"a\\":[1,\'x\',<&>]}'],
      [controls, JSON.stringify(controls).slice(1, -1)],
      ['', ''],
    ]
    const events = contents.map(([content]) => trainingEvent(alice, content))
    for (const [index, event] of events.entries()) {
      expect(event.id).toBe(handmadeId(event, contents[index]?.[1] as string))
      expect(await client.publish(event)).toEqual({ accepted: true, reason: '' })
    }
    const found = (await client.request('s', { kinds: [1] })).events
    expect(found).toEqual([...events].sort(compareNewestFirst))
    for (const event of found) expect(verifyEvent({ ...event })).toBe(true)
    // In tags too, and found by them.
    const tag = 'a"b\\c\n\u0001\ud83d 漢'
    const tagged = sign(alice, {
      kind: 1,
      created_at: 5,
      tags: [
        ['t', tag],
        ['x', '', tag],
      ],
      content: '',
    })
    expect((await client.publish(tagged)).accepted).toBe(true)
    expect((await client.request('t', { '#t': [tag] })).events).toEqual([tagged])
  })

  it('[WIR1] however the JSON of a message is written, the same values are the same event', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const event = sign(alice, { kind: 1, created_at: 1000, tags: [['t', 'é']], content: 'A/😀' })
    const { id, pubkey, sig } = event
    client.sendText(
      ` [ "EVENT" ,\n{"sig":"${sig}","kind":1.0,"extra":{"a":[]},"content":"\\u0041\\/\\ud83d\\ude00",` +
        `"created_at":1e3,"tags":[["t","\\u00E9"]],"id":"${id}","pubkey":"${pubkey}"} ] `,
    )
    expect(await client.waitFor(([type, of]) => type === 'OK' && of === id)).toEqual(['OK', id, true, ''])
    expect((await client.request('s', { kinds: [1] })).events).toEqual([event])
    expect((await client.publish(event)).reason).toMatch(/^duplicate: /)
  })

  it('[WIR2] hex in upper case, and numbers out of range, are refused in events', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const good = trainingEvent(alice)
    const bad: object[] = [
      { ...good, id: good.id.toUpperCase() },
      { ...good, pubkey: good.pubkey.toUpperCase() },
      { ...good, sig: good.sig.toUpperCase() },
      { ...good, id: good.id.slice(1) },
      { ...good, sig: `${good.sig}00` },
      sign(alice, { ...good, kind: 65_536 }),
      sign(alice, { ...good, kind: -1 }),
      { ...good, kind: 1.5 },
      { ...good, kind: '1' },
      { ...good, created_at: -1 },
      { ...good, created_at: 1.5 },
      { ...good, created_at: 2 ** 53 },
      { ...good, created_at: null },
    ]
    for (const event of bad) {
      const answer = await client.publish(event)
      expect([event, answer.accepted, answer.reason]).toEqual([
        event,
        false,
        expect.stringMatching(/^invalid: /),
      ])
    }
    expect((await client.publish(good)).accepted).toBe(true)
    expect((await client.request('s', {})).events).toEqual([good])
  })

  it('[WIR3] every malformed event gets its OK, false with a reason; with its id where it has one', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const good = trainingEvent(alice)
    const without = (field: string) =>
      Object.fromEntries(Object.entries(good).filter(([name]) => name !== field))
    const malformed: object[] = [
      ...['pubkey', 'created_at', 'kind', 'tags', 'content', 'sig'].map(without),
      { id: good.id },
      { ...good, content: null },
      { ...good, content: { text: 'x' } },
      { ...good, tags: null },
      { ...good, tags: {} },
      { ...good, tags: ['t'] },
      { ...good, tags: [[]] },
      { ...good, tags: [['t', 1]] },
      { ...good, tags: [['t', null]] },
      { ...good, tags: [['t', ['nested']]] },
      { ...good, content: `${good.content}!` },
      { ...good, sig: '0'.repeat(128) },
      { ...good, pubkey: 'f'.repeat(64) },
    ]
    for (const event of malformed) {
      const from = client.messages.length
      client.send('EVENT', event)
      const answer = await client.waitFor(([type]) => type === 'OK' || type === 'NOTICE', from)
      expect([event, answer]).toEqual([event, ['OK', good.id, false, expect.stringMatching(/^invalid: /)]])
    }
    for (const event of [null, 5, 'text', [], [good], true, { id: 5 }, {}]) {
      expect((await client.publish(event)).reason).toMatch(/^invalid: /)
    }
    expect((await client.publish(good)).accepted).toBe(true)
  })

  it('[WIR3] what is no message is answered with a NOTICE, and the connection goes on', async () => {
    const client = await server.connect(freshKey())
    const texts = [
      '',
      ' ',
      'null',
      '5',
      '"REQ"',
      '{"0":"REQ"}',
      '[]',
      '[null]',
      '["req","s",{}]',
      '["EVENT"',
      '["REQ","s",{}]]',
      "['REQ','s',{}]",
      '["REQ","s",{},]',
      '["REQ"]',
      '["REQ",5,{}]',
      '["REQ",null,{}]',
      '["COUNT",["s"],{}]',
      '["CLOSE"]',
      '["CLOSE",{}]',
      '["NEG-CLOSE"]',
      '\u0000',
      '['.repeat(50_000),
    ]
    for (const text of texts) {
      const from = client.messages.length
      client.sendText(text)
      const [type, reason] = await client.waitFor(() => true, from)
      expect([text.slice(0, 20), type, reason]).toEqual([
        text.slice(0, 20),
        'NOTICE',
        expect.stringMatching(/^invalid: /),
      ])
    }
    // Closing what isn't open is no fault, and more elements than needed are none either.
    client.send('CLOSE', 'never opened')
    client.send('CLOSE', 'never opened', 'more', 'elements')
    const from = client.messages.length
    expect((await client.request('s', {})).hints).toEqual(['finish'])
    expect(client.messages.slice(from).map(([type]) => type)).toEqual(['EOSE'])
  })
})

describe('filters (NIP-01)', () => {
  it('[REQ2][REQ3] newest first, equal times by lowest id, also where a limit cuts within one second', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const events = [9, 5, 5, 5, 5, 5, 1].map((createdAt, index) =>
      trainingEvent(alice, `${index}`, createdAt),
    )
    for (const event of events) await client.publish(event)
    const expected = ids([...events].sort(compareNewestFirst))
    for (const filter of [{}, { kinds: [1] }, { authors: [alice.publicKey] }, { ids: ids(events) }]) {
      for (let limit = 0; limit <= events.length + 1; limit++) {
        const answer = await client.request('s', { ...filter, limit })
        expect(ids(answer.events)).toEqual(expected.slice(0, limit))
        expect(answer.hints).toEqual([limit < events.length ? 'more' : 'finish'])
      }
    }
    // Page by page, as clients do it, with the second of the border asked for again.
    const seen = new Set<string>()
    for (let until = 9; ; ) {
      const { events: page, hints } = await client.request('p', { until, limit: 6 })
      for (const id of ids(page)) seen.add(id)
      if (hints[0] === 'finish') break
      until = page.at(-1)?.created_at as number
    }
    expect([...seen]).toEqual(expected)
  })

  it('[REQ1] since and until are inclusive, for what is stored and for what comes, in COUNT too', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const at = (createdAt: number) => trainingEvent(alice, 'x', createdAt)
    const stored = [99, 100, 200, 201].map(at)
    for (const event of stored) await client.publish(event)
    const within = ids(stored.slice(1, 3)).reverse()
    expect(ids((await client.request('s', { since: 100, until: 200 })).events)).toEqual(within)
    client.send('COUNT', 'c', { since: 100, until: 200 })
    expect((await client.waitFor(([type]) => type === 'COUNT'))[2]).toEqual({ count: 2 })
    expect((await client.request('e', { since: 100, until: 100 })).events).toHaveLength(1)
    expect((await client.request('n', { since: 202 })).events).toEqual([])
    const live = [99, 100, 200, 201].map((createdAt) => trainingEvent(alice, 'live', createdAt))
    for (const event of live) await client.publish(event)
    await client.settle()
    expect(
      client
        .eventsOf('s')
        .slice(2)
        .map(({ event }) => event.id),
    ).toEqual(ids(live.slice(1, 3)))
    expect(client.eventsOf('n')).toEqual([])
  })

  it('[REQ1] an empty list matches nothing, stored or live; unknown fields are ignored; null is wrong', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const event = sign(alice, {
      kind: 1,
      created_at: 7,
      tags: [
        ['t', 'x'],
        ['title', 'y'],
      ],
      content: '',
    })
    await client.publish(event)
    const empty = ['ids', 'authors', 'kinds', '#t', '#e', '#p', '#d', '#a']
    for (const [index, name] of empty.entries()) {
      expect((await client.request(`e${index}`, { [name]: [] })).events).toEqual([])
    }
    const unknown = {
      search: 'nothing',
      '#title': ['other'],
      '#': ['x'],
      '#1': ['x'],
      '&t': ['z'],
      toString: 1,
    }
    expect((await client.request('u', unknown)).events).toEqual([event])
    const live = trainingEvent(alice)
    await client.publish(live)
    await client.waitForEvent('u', live.id)
    for (const index of empty.keys()) expect(client.eventsOf(`e${index}`)).toEqual([])
    for (const name of [...empty, 'since', 'until', 'limit']) {
      expect((await client.request('w', { [name]: null })).closedReason).toMatch(/^invalid: /)
    }
  })

  it('[WIR2] hex in filters is exact: upper case and cut ids are refused, by REQ and by COUNT', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const upper = alice.publicKey.replace(/[a-f]/, (letter) => letter.toUpperCase())
    for (const name of ['ids', 'authors', '#e', '#p']) {
      for (const value of [upper, alice.publicKey.slice(0, 63), `${alice.publicKey}0`, '', 5, null]) {
        expect((await client.request('s', { [name]: [value] })).closedReason).toMatch(/^invalid: /)
        const from = client.messages.length
        client.send('COUNT', 'c', { [name]: [value] })
        expect(await client.waitFor(() => true, from)).toEqual([
          'CLOSED',
          'c',
          expect.stringMatching(/^invalid: /),
        ])
      }
    }
    for (const kinds of [[65_536], [-1], [1.5], ['1'], [null]]) {
      expect((await client.request('s', { kinds })).closedReason).toMatch(/^invalid: /)
    }
    expect((await client.request('s', { '#t': [upper, ''], '#P': ['not hex'] })).events).toEqual([])
  })

  it('[REQ4] several filters are or-ed, each with its own limit; every event comes once', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const events = [1, 2, 3, 4].map((createdAt) => trainingEvent(alice, 'x', createdAt))
    for (const event of events) await client.publish(event)
    const newest = ids([...events].sort(compareNewestFirst))
    const answer = await client.request(
      's',
      { limit: 1 },
      { until: 2, limit: 1 },
      { ids: [newest[0]] },
      { since: 3 },
    )
    expect(ids(answer.events)).toEqual([newest[0], newest[1], newest[2]])
    const live = trainingEvent(alice, 'live', 5)
    await client.publish(live)
    await client.settle()
    expect(client.eventsOf('s').filter(({ event }) => event.id === live.id)).toHaveLength(1)
  })
})

describe('subscriptions (NIP-01)', () => {
  it('[REQ5] live events honour every part of a filter, tags among them; limit doesn’t matter', async () => {
    const alice = freshKey()
    const [writer, reader] = [await server.connect(alice), await server.connect(alice)]
    const tagged = (...tags: string[][]) =>
      sign(alice, { kind: 1, created_at: 50, tags, content: String(tags) })
    const both = tagged(['t', 'a'], ['t', 'b'], ['r', 'x'])
    const other = tagged(['t', 'c'], ['r', 'x'])
    const capital = tagged(['T', 'a'])
    const filters: [object, NostrEvent[]][] = [
      [{ '#t': ['a'] }, [both]],
      [{ '#t': ['b', 'nothing'] }, [both]],
      [{ '#t': ['a', 'c'], '#r': ['x'] }, [both, other]],
      [{ '#t': ['a'], '#r': ['y'] }, []],
      [{ '#T': ['a'] }, [capital]],
      [{ '#t': ['a'], kinds: [30001] }, []],
      [{ ids: [other.id] }, [other]],
      [{ authors: [freshKey().publicKey] }, []],
      [{ limit: 0 }, [both, other, capital]],
      [{ limit: 1, since: 50 }, [both, other, capital]],
      [{ until: 49 }, []],
    ]
    for (const [index, [filter]] of filters.entries()) await reader.request(`f${index}`, filter)
    for (const event of [both, other, capital]) await writer.publish(event)
    await reader.settle()
    for (const [index, [filter, expected]] of filters.entries()) {
      const got = reader.eventsOf(`f${index}`).map(({ event }) => event.id)
      expect([filter, got]).toEqual([filter, ids(expected)])
    }
  })

  it('[REQ5] a REQ with an open id replaces it at once, also one that is still being answered', async () => {
    const alice = freshKey()
    const client = await server.connect(alice)
    const events = Array.from({ length: 20 }, (_, index) => trainingEvent(alice, `${index}`, 1000 + index))
    for (const event of events) client.send('EVENT', event)
    await client.waitFor(([type, id]) => type === 'OK' && id === events.at(-1)?.id)
    const from = client.messages.length
    client.send('REQ', 's', {})
    client.send('REQ', 's', { until: 1000 })
    client.send('REQ', 'gone', {})
    client.send('CLOSE', 'gone')
    await client.waitFor(([type, id]) => type === 'EOSE' && id === 's', from)
    await client.settle()
    const later = trainingEvent(alice, 'later', 2000)
    await client.publish(later)
    await client.settle()
    const messages = client.messages.slice(from)
    // One EOSE, that of the second; what came of the first came before anything of the second.
    expect(messages.filter(([type, id]) => type === 'EOSE' && id === 's')).toHaveLength(1)
    expect(messages.filter(([type, id]) => type === 'EOSE' && id === 'gone')).toEqual([])
    expect(messages.some(([, , event]) => (event as NostrEvent | undefined)?.id === later.id)).toBe(false)
    // A wrong REQ ends the one that it would have replaced.
    await client.request('t', { kinds: [1] })
    expect((await client.request('t', { kinds: 'all' })).closedReason).toMatch(/^invalid: /)
    const last = trainingEvent(alice, 'last', 3000)
    await client.publish(last)
    await client.settle()
    expect(client.eventsOf('t').some(({ event }) => event.id === last.id)).toBe(false)
  })

  it('[WIR4] a subscription id is any text of 1–64 characters, and belongs to its connection', async () => {
    const alice = freshKey()
    const [one, two] = [await server.connect(alice), await server.connect(alice)]
    const names = [
      'a',
      'kinds:1-authors:x#3',
      'x'.repeat(64),
      ' ',
      '"quoted"\\',
      'line\nbreak',
      '漢字 😀',
      '__proto__',
      '\ud800',
      '#',
    ]
    for (const name of names) expect((await one.request(name, { kinds: [1] })).hints).toEqual(['finish'])
    // The same name on another connection is another subscription.
    await two.request('a', { kinds: [7] })
    const event = trainingEvent(alice)
    await one.publish(event)
    await one.settle()
    await two.settle()
    for (const name of names) expect(one.eventsOf(name).map(({ event: { id } }) => id)).toEqual([event.id])
    expect(two.eventsOf('a')).toEqual([])
    two.send('CLOSE', 'a')
    for (const name of names) one.send('CLOSE', name)
    await one.publish(trainingEvent(alice))
    await one.settle()
    for (const name of names) expect(one.eventsOf(name)).toHaveLength(1)
    for (const name of ['', 'x'.repeat(65)]) {
      const from = one.messages.length
      one.send('REQ', name, {})
      expect(await one.waitFor(() => true, from)).toEqual([
        'NOTICE',
        expect.stringMatching(/^invalid: .*1–64/),
      ])
    }
  })

  it('[WIR5] what got its OK is found at once, by every connection and every kind of query', async () => {
    const alice = freshKey()
    const [writer, reader] = [await server.connect(alice), await server.connect(alice)]
    for (let count = 1; count <= 8; count++) {
      const event =
        count % 2 === 0 ? chatEvent(alice, { chatId: `c${count}` }) : trainingEvent(alice, `${count}`)
      expect((await writer.publish(event)).accepted).toBe(true)
      // The same question each time: an answer that was kept would be a wrong one.
      const from = reader.messages.length
      reader.send('COUNT', 'c', { authors: [alice.publicKey] })
      expect((await reader.waitFor(([type]) => type === 'COUNT', from))[2]).toEqual({ count })
      expect(ids((await reader.request('s', { limit: 1 })).events)).toEqual([event.id])
      expect(ids((await reader.request('i', { ids: [event.id] })).events)).toEqual([event.id])
    }
  })

  it('[AUTH7] auth events are never sent to anybody, whatever is subscribed', async () => {
    const alice = freshKey()
    const reader = await server.connect(alice)
    await reader.request('all', {})
    await reader.request('auth', { kinds: [22242] })
    const other = await server.connect(alice)
    const event = authEvent(alice, server.url, other.challenge)
    expect((await other.publish(event)).reason).toMatch(/^blocked: /)
    other.send('AUTH', event)
    await other.waitFor(([type, id, accepted]) => type === 'OK' && id === event.id && accepted === true)
    expect((await other.request('ids', { ids: [event.id] })).events).toEqual([])
    await reader.settle()
    expect(reader.messages.filter(([type]) => type === 'EVENT')).toEqual([])
  })
})
