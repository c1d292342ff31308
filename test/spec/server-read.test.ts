import type { NostrEvent } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import {
  chatAddressText,
  chatEvent,
  membersOf,
  settingsEvent,
  testKey,
  trainingEvent,
} from '../support/events.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const ids = (events: readonly { id: string }[]): string[] => events.map(({ id }) => id)

describe('reading, plainly', () => {
  it('[REQ1] filters by ids, authors, kinds, tags, since and until, over what the keys may see', async () => {
    const server = await runServer()
    const [a, b] = [await connect(server, alice), await connect(server, bob)]
    const first = chatEvent(alice, { chatId: 'one', createdAt: 100, members: membersOf(bob) })
    const second = chatEvent(alice, { chatId: 'two', createdAt: 200 })
    const settings = settingsEvent(alice, 'theme', 'dark', 300)
    const training = trainingEvent(alice, 'data', 400)
    const member = chatEvent(bob, { owner: alice, chatId: 'one', createdAt: 500 })
    for (const event of [first, second, settings, training]) await a.publish(event)
    await b.publish(member)
    const cases: [object, NostrEvent[]][] = [
      [{}, [member, training, settings, second, first]],
      [{ kinds: [30001] }, [member, second, first]],
      [{ kinds: [1, 10001, 7] }, [training, settings]],
      [{ kinds: [] }, []],
      [{ ids: [training.id, first.id, '0'.repeat(64)] }, [training, first]],
      [{ ids: [training.id], kinds: [30001] }, []],
      [{ authors: [bob.publicKey] }, [member]],
      [{ since: 200, until: 400 }, [training, settings, second]],
      [{ until: 99 }, []],
      [{ since: 400, until: 200 }, []],
      [{ '#d': ['one'] }, [member, first]],
      [{ '#d': ['one', 'settings'], kinds: [10001] }, [settings]],
      [{ '#a': [chatAddressText(alice, 'one')] }, [member]],
      [{ '#p': [bob.publicKey] }, [first]],
      [{ '#q': ['nothing'] }, []],
      [{ '#t': [] }, []],
    ]
    for (const [index, [filter, expected]] of cases.entries()) {
      const answer = await a.request(`s${index}`, filter)
      expect([filter, ids(answer.events), answer.hints]).toEqual([filter, ids(expected), ['finish']])
    }
    // What is sent is what was signed, to the letter.
    expect((await a.request('exact', { ids: [first.id] })).events).toEqual([first])
  })

  it('[REQ2] newest first, equal times by lowest id', async () => {
    const client = await connect(await runServer(), alice)
    const events = [5, 7, 5, 7, 5].map((createdAt, index) =>
      chatEvent(alice, { createdAt, chatId: `c${index % 2}` }),
    )
    for (const event of events) await client.publish(event)
    const expected = [...events].sort((x, y) => y.created_at - x.created_at || (x.id < y.id ? -1 : 1))
    for (const filter of [{}, { '#d': ['c0', 'c1'] }, { ids: ids(events) }]) {
      expect(ids((await client.request('s', filter)).events)).toEqual(ids(expected))
      expect(ids((await client.request('t', { ...filter, limit: 3 })).events)).toEqual(
        ids(expected.slice(0, 3)),
      )
    }
  })

  it('[REQ3] limit counts stored events of its own filter, and the EOSE says whether there is more', async () => {
    const client = await connect(await runServer(), alice)
    const events = [1, 2, 3].map((createdAt) => trainingEvent(alice, 'x', createdAt)).reverse()
    for (const event of events) await client.publish(event)
    const cases: [object[], number, string][] = [
      [[{ limit: 0 }], 0, 'more'],
      [[{ limit: 0, kinds: [30001] }], 0, 'finish'],
      [[{ limit: 2 }], 2, 'more'],
      [[{ limit: 3 }], 3, 'finish'],
      [[{ limit: 4 }], 3, 'finish'],
      // What one filter's limit holds back another one brings.
      [[{ limit: 1 }, { until: 2 }], 3, 'finish'],
      [[{ limit: 1 }, { until: 1 }], 2, 'more'],
      [[{ limit: 1 }, { limit: 2 }], 2, 'more'],
    ]
    for (const [index, [filters, count, hint]] of cases.entries()) {
      const answer = await client.request(`s${index}`, ...filters)
      expect([filters, answer.events.length, answer.hints]).toEqual([filters, count, [hint]])
    }
    const later = trainingEvent(alice, 'live', 4)
    await client.publish(later)
    await client.waitForEvent('s0', later.id)
    await client.waitForEvent('s2', later.id)
  })

  it('[REQ4] several filters are or-ed; every event comes once, all in one order', async () => {
    const client = await connect(await runServer(), alice)
    const events = [
      trainingEvent(alice, 'a', 3),
      chatEvent(alice, { createdAt: 2 }),
      trainingEvent(alice, 'b', 1),
    ]
    for (const event of events) await client.publish(event)
    const answer = await client.request('s', { kinds: [1] }, { kinds: [30001] }, { since: 2 }, {})
    expect(ids(answer.events)).toEqual(ids(events))
    const live = trainingEvent(alice, 'c')
    await client.publish(live)
    await client.settle()
    expect(client.eventsOf('s').filter(({ event }) => event.id === live.id)).toHaveLength(1)
  })

  it('[REQ5] live events follow the EOSE, by the same filters; CLOSE ends them, a new REQ replaces', async () => {
    const server = await runServer()
    const [writer, reader] = [await connect(server, alice), await connect(server, alice)]
    await reader.request('chats', { kinds: [30001], '#d': ['one'] })
    await reader.request('future', { since: 1000, until: 2000 })
    const match = chatEvent(alice, { chatId: 'one', createdAt: 1500 })
    const other = chatEvent(alice, { chatId: 'two', createdAt: 2500 })
    await writer.publish(match)
    await writer.publish(other)
    await reader.settle()
    expect(reader.eventsOf('chats')).toEqual([{ event: match, cursor: undefined }])
    expect(reader.eventsOf('future')).toEqual([{ event: match, cursor: undefined }])
    reader.send('CLOSE', 'chats')
    await reader.request('future', { kinds: [1] })
    await writer.publish(chatEvent(alice, { chatId: 'one', createdAt: 1600 }))
    await reader.settle()
    expect(reader.eventsOf('chats')).toHaveLength(1)
    expect(reader.eventsOf('future')).toHaveLength(1)
  })

  it('[REQ6][ATK32] wrong or too many filters and subscriptions are CLOSED with a reason', async () => {
    const server = await runServer({ limits: { maxSubscriptions: 2, maxFilters: 3, maxFilterValues: 4 } })
    const client = await connect(server, alice)
    const bad: unknown[][] = [
      [],
      ['x'],
      [null],
      [{ ids: ['short'] }],
      [{ authors: [alice.publicKey.toUpperCase()] }],
      [{ kinds: [65_536] }],
      [{ kinds: [1, 2, 3, 4, 5] }],
      [{ limit: -1 }],
      [{ since: 1.5 }],
      [{ '#e': ['x'] }],
      [{}, {}, {}, {}],
    ]
    for (const filters of bad) {
      expect((await client.request('s', ...(filters as object[]))).closedReason).toMatch(/^invalid: /)
    }
    await client.request('a', { kinds: [1] })
    await client.request('b', { kinds: [1] })
    expect((await client.request('c', { kinds: [1] })).closedReason).toMatch(/^rate-limited: /)
    client.send('CLOSE', 'a')
    expect((await client.request('c', { kinds: [1] })).closedReason).toBeUndefined()
    expect((await client.request('c', { kinds: [1] })).closedReason).toBeUndefined()
  })

  it('[REQ7] COUNT counts each event once, over the same sets, whatever the limits', async () => {
    const client = await connect(await runServer(), alice)
    for (const createdAt of [1, 2, 3]) await client.publish(trainingEvent(alice, 'x', createdAt))
    await client.publish(chatEvent(alice))
    const cases: [object[], number][] = [
      [[{}], 4],
      [[{ kinds: [1] }], 3],
      [[{ kinds: [1], limit: 1 }], 3],
      [[{ kinds: [1] }, { until: 2 }, { kinds: [30001] }], 4],
      [[{ kinds: [7] }], 0],
    ]
    for (const [index, [filters, count]] of cases.entries()) {
      client.send('COUNT', `c${index}`, ...filters)
      const answer = await client.waitFor((message) => message[1] === `c${index}`)
      expect(answer).toEqual(['COUNT', `c${index}`, { count }])
    }
    client.send('COUNT', 'bad', { after: '' })
    expect((await client.waitFor((message) => message[1] === 'bad'))[0]).toBe('CLOSED')
  })
})
