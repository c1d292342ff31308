import { createMemoryLog } from '@onyx-sync/server'
import { DEFAULT_LIMITS, type NostrEvent, pureVerifier } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { checkEvent } from '../../server/src/core/check-event.js'
import { chatEvent, deletionEvent, sign, testKey, trainingEvent } from '../support/events.js'
import { ingestOf } from '../support/ingest.js'
import { EXTRA_KINDS, giftWrap, plainEvent } from '../support/kinds.js'
import type { RelayClient } from '../support/relay-client.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)
const carol = testKey(3)
const kinds = { extra: EXTRA_KINDS }
const OK = { accepted: true, reason: '' }
const ids = (events: readonly { id: string }[]): string[] => events.map(({ id }) => id)

let requests = 0

/** What a filter brings from the store. Under an id of its own, so that nothing live of another one is among it. */
async function stored(client: RelayClient, filter: object) {
  const id = `stored ${++requests}`
  const answer = await client.request(id, filter)
  client.send('CLOSE', id)
  return answer
}

async function setUp(options: Parameters<typeof runServer>[0] = {}) {
  const server = await runServer({ kinds, ...options })
  const [a, b, c] = [await connect(server, alice), await connect(server, bob), await connect(server, carol)]
  return { server, a, b, c }
}

describe('further kinds', () => {
  it('[KND1] none is taken unless the configuration names it', async () => {
    const client = await connect(await runServer(), alice)
    for (const kind of EXTRA_KINDS) {
      const { accepted, reason } = await client.publish(plainEvent(alice, kind))
      expect([accepted, reason]).toEqual([false, `blocked: kind ${kind} is not accepted here`])
    }
    const other = await connect(await runServer({ kinds: { extra: [7] } }), alice)
    expect(await other.publish(plainEvent(alice, 7))).toEqual(OK)
    expect((await other.publish(plainEvent(alice, 8))).reason).toMatch(/^blocked: kind 8 /)
  })

  it('[KND1] those with a meaning of their own here, and what others must not see, can not be named', async () => {
    for (const kind of [
      1, 5, 62, 10_001, 30_001, 20_001, 20_002, 20_003, 20_009, 22_242, 27_235, 13, 14, 15,
    ]) {
      await expect(runServer({ kinds: { extra: [7, kind] } })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(
          new RegExp(`^kinds\\.extra\\.1 must be a kind .*${kind} .*, not ${kind}$`),
        ),
      })
    }
    for (const extra of [
      [-1],
      [65_536],
      [1.5],
      ['seven'],
      'all',
      Array.from({ length: 101 }, (_, n) => 100 + n),
    ]) {
      await expect(runServer({ kinds: { extra: extra as number[] } })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(/kinds\.extra.* whole numbers from 0 to 65535, at most 100/),
      })
    }
  })

  it('[KND2] every key that is logged in reads them, by any filter, live and counted', async () => {
    const { a, b, server } = await setUp()
    await b.request('live', { kinds: [7] })
    await b.request('else', { kinds: [1] })
    const events = [
      plainEvent(alice, 7, {
        tags: [
          ['e', 'a'.repeat(64)],
          ['t', 'x'],
        ],
      }),
      plainEvent(alice, 7),
      plainEvent(carol, 30_023, { tags: [['d', 'page']] }),
    ]
    expect(await a.publish(events[0])).toEqual(OK)
    expect(await a.publish(events[1])).toEqual(OK)
    expect(await (await connect(server, carol)).publish(events[2])).toEqual(OK)
    const [first, second, page] = ids(events)
    const cases: [object, (string | undefined)[]][] = [
      [{}, [page, second, first]],
      [{ limit: 2 }, [page, second]],
      [{ ids: [first] }, [first]],
      [{ kinds: [7] }, [second, first]],
      [{ kinds: [7], authors: [alice.publicKey, carol.publicKey] }, [second, first]],
      [{ authors: [carol.publicKey] }, [page]],
      [{ '#t': ['x'] }, [first]],
      [{ '#e': ['a'.repeat(64)], kinds: [7] }, [first]],
      [{ '#d': ['page'] }, [page]],
      [{ kinds: [7], until: events[0]?.created_at }, [first]],
      [
        {
          kinds: [7],
          authors: [...Array.from({ length: 20 }, (_, n) => testKey(30 + n).publicKey), alice.publicKey],
        },
        [second, first],
      ],
      [{ kinds: [30_001] }, []],
    ]
    for (const [filter, expected] of cases) {
      expect(ids((await stored(b, filter)).events), JSON.stringify(filter)).toEqual(expected)
      b.send('COUNT', JSON.stringify(filter).slice(0, 60), filter)
      const counted = await b.waitFor(
        ([type, id]) => type === 'COUNT' && id === JSON.stringify(filter).slice(0, 60),
      )
      if (!('limit' in filter)) expect(counted[2]).toEqual({ count: expected.length })
    }
    await b.settle()
    expect(b.eventsOf('live').map(({ event }) => event.id)).toEqual([first, second])
    expect(b.eventsOf('else')).toEqual([])
    // Nobody without a key.
    const nobody = await connect(server)
    expect((await stored(nobody, { kinds: [7] })).closedReason).toMatch(/^auth-required:/)
    // Their author signs, as everywhere: what somebody else sends is refused.
    expect((await b.publish(plainEvent(alice, 7))).reason).toMatch(/^restricted:/)
    expect((await a.publish(events[0])).reason).toMatch(/^duplicate:/)
  })

  it('[KND2] a cursor brings them as well, each once, and what comes live', async () => {
    const { a, b } = await setUp()
    const [old, reaction] = [plainEvent(alice, 0, { content: 'old' }), plainEvent(alice, 7)]
    await a.publish(old)
    await a.publish(reaction)
    const first = await b.request('s', { after: '' })
    expect(ids(first.events)).toEqual(ids([old, reaction]))
    const newer = plainEvent(alice, 0, { content: 'new' })
    await a.publish(newer)
    await b.waitForEvent('s', newer.id)
    const next = await b.request('t', { after: first.cursor })
    expect(ids(next.events)).toEqual([newer.id])
    // Devices ask for documents only, and nothing of this concerns them.
    const device = await b.request('d', { kinds: [30_001, 10_001, 5], after: '' })
    expect(device.events).toEqual([])
  })

  it('[KND2] direct messages are for their author and their receiver', async () => {
    const { a, b, c } = await setUp()
    for (const client of [a, b, c]) await client.request('live', {})
    const message = plainEvent(alice, 4, { tags: [['p', bob.publicKey]], content: 'secret' })
    expect(await a.publish(message)).toEqual(OK)
    for (const filter of [
      {},
      { ids: [message.id] },
      { kinds: [4] },
      { '#p': [bob.publicKey] },
      { authors: [alice.publicKey] },
    ]) {
      expect(ids((await stored(a, filter)).events)).toEqual([message.id])
      expect(ids((await stored(b, filter)).events)).toEqual([message.id])
      expect(ids((await stored(c, filter)).events)).toEqual([])
    }
    await c.settle()
    expect([a, b, c].map((client) => client.eventsOf('live').length)).toEqual([1, 1, 0])
    expect((await a.publish(plainEvent(alice, 4))).reason).toMatch(/^invalid: a direct message names/)
    // Both keys on one connection: once all the same.
    await b.auth(alice)
    expect(ids((await stored(b, { kinds: [4] })).events)).toEqual([message.id])
  })

  it('[KND3] of a replaceable event the newest stays, of one second the lowest id', async () => {
    const { a, b } = await setUp()
    await b.request('live', { kinds: [10_002] })
    const at = (createdAt: number, content: string) => plainEvent(alice, 10_002, { createdAt, content })
    const twins = [at(20, 'x'), at(20, 'y'), at(20, 'z')].sort((one, two) => (one.id < two.id ? -1 : 1))
    const [lowest, middle, highest] = twins as [NostrEvent, NostrEvent, NostrEvent]
    expect(await a.publish(at(10, 'old'))).toEqual(OK)
    expect(await a.publish(middle)).toEqual(OK)
    for (const late of [at(19, 'late'), highest]) {
      expect(await a.publish(late)).toEqual({ accepted: false, reason: expect.stringMatching(/^replaced: /) })
    }
    expect(await a.publish(lowest)).toEqual(OK)
    expect(ids((await stored(b, { kinds: [10_002] })).events)).toEqual([lowest.id])
    expect((await a.publish(middle)).reason).toMatch(/^replaced: /)
    await b.settle()
    expect(b.eventsOf('live')).toHaveLength(3)
    // Those of others, and of other kinds, have names of their own.
    expect(await b.publish(plainEvent(bob, 10_002, { createdAt: 1 }))).toEqual(OK)
    expect(await a.publish(plainEvent(alice, 0, { createdAt: 1 }))).toEqual(OK)
    expect((await stored(b, { kinds: [0, 10_002] })).events).toHaveLength(3)
  })

  it('[KND3] of an addressable event the newest of each d tag stays', async () => {
    const { a } = await setUp()
    const page = (d: string | undefined, createdAt: number) =>
      plainEvent(alice, 30_023, { createdAt, tags: d === undefined ? [] : [['d', d]] })
    const kept = [page('one', 30), page('two', 20), page(undefined, 10)]
    for (const event of [page('one', 5), ...kept, page('', 9), page('two', 19)]) await a.publish(event)
    expect(ids((await stored(a, { kinds: [30_023] })).events)).toEqual(ids(kept))
    const refused = [
      plainEvent(alice, 30_023, {
        tags: [
          ['d', 'a'],
          ['d', 'b'],
        ],
      }),
      plainEvent(alice, 30_023, { tags: [['d', '\ud800']] }),
    ]
    for (const event of refused) expect((await a.publish(event)).reason).toMatch(/^invalid: .*d tag/)
  })

  it('[KND3] many versions at once leave one, whatever their order', async () => {
    const { a } = await setUp()
    const versions = Array.from({ length: 40 }, (_, n) =>
      plainEvent(alice, 0, { createdAt: 1_000 + ((n * 17) % 40), content: `${n}` }),
    )
    for (const event of versions) a.send('EVENT', event)
    for (const { id } of versions) await a.waitFor(([type, of]) => type === 'OK' && of === id)
    const newest = versions.find(({ created_at }) => created_at === 1_039)
    expect(ids((await stored(a, { kinds: [0] })).events)).toEqual([newest?.id])
  })

  it('[FAIR3][KND3] versions of one name, each in a write of its own, don’t keep others waiting', async () => {
    const log = createMemoryLog()
    const writers: string[][] = []
    const ingest = ingestOf(log, ({ events }) => writers.push(events.map(({ event }) => event.pubkey)))
    const all = new Set([alice, bob].map(({ publicKey }) => publicKey))
    const isExtraKind = (kind: number) => kind === 0
    const checks = { keys: all, verifier: pureVerifier, limits: DEFAULT_LIMITS, isExtraKind }
    const outcomes: string[] = []
    const submit = (event: NostrEvent) =>
      ingest.submit(checkEvent(event, checks), (outcome) => outcomes.push(String(outcome)))
    for (let n = 0; n < 20; n++) submit(plainEvent(alice, 0))
    for (let n = 0; n < 15; n++) submit(trainingEvent(bob))
    await ingest.stop()
    expect(outcomes).toEqual(Array(35).fill('stored'))
    expect(writers[0]).toHaveLength(16)
    expect(writers.slice(1)).toEqual(Array(19).fill([alice.publicKey]))
  })

  it('[KND4] an ephemeral event reaches who is subscribed now, and is stored nowhere', async () => {
    const log = createMemoryLog()
    const { a, b, c } = await setUp({ log })
    await b.request('live', { kinds: [20_100], '#t': ['x'] })
    await c.request('sync', { after: '' })
    const said = plainEvent(alice, 20_100, { tags: [['t', 'x']] })
    expect(await a.publish(said)).toEqual(OK)
    await b.waitForEvent('live', said.id)
    await c.waitForEvent('sync', said.id)
    expect(c.eventsOf('sync')[0]?.cursor).toBeUndefined()
    await a.publish(plainEvent(alice, 20_100))
    expect((await stored(b, { kinds: [20_100] })).events).toEqual([])
    expect(b.eventsOf('live')).toHaveLength(1)
    expect(log.head).toBe(0)
    expect((await a.publish({ ...said, sig: 'a'.repeat(128) })).reason).toMatch(/^invalid:/)
    const expired = plainEvent(alice, 20_100, { tags: [['expiration', '1000']] })
    expect((await a.publish(expired)).reason).toMatch(/^invalid: .*expired/)
  })

  it('[KND5] a gift wrap comes from anybody who is logged in, and is for its receiver', async () => {
    const { a, b, server } = await setUp()
    for (const client of [a, b]) await client.request('live', { kinds: [1059, 21_059] })
    const wrap = giftWrap(bob)
    expect((await (await connect(server)).publish(wrap)).reason).toMatch(/^auth-required:/)
    expect(await a.publish(wrap)).toEqual(OK)
    const passing = giftWrap(bob, { kind: 21_059 })
    expect(await a.publish(passing)).toEqual(OK)
    await b.waitForEvent('live', passing.id)
    for (const filter of [
      {},
      { kinds: [1059] },
      { '#p': [bob.publicKey] },
      { ids: [wrap.id] },
      { authors: [wrap.pubkey] },
    ])
      expect(ids((await stored(b, filter)).events)).toEqual([wrap.id])
    expect((await stored(b, { kinds: [1059], after: '' })).events).toEqual([wrap])
    await a.settle()
    expect(a.eventsOf('live')).toEqual([])
    // One that says that it is its author's alone (NIP-70).
    expect((await a.publish(giftWrap(bob, { tags: [['-']] }))).reason).toMatch(/^restricted:/)
    expect((await a.publish({ ...giftWrap(bob), content: 'other' })).reason).toMatch(/^invalid:/)
  })

  it('[KND5] a gift wrap has one receiver', async () => {
    const { a } = await setUp()
    for (const tags of [
      [],
      [['p', 'bob']],
      [['p', bob.publicKey.toUpperCase()]],
      [
        ['p', bob.publicKey],
        ['p', carol.publicKey],
      ],
    ]) {
      const event = plainEvent(alice, 1059, { tags })
      expect((await a.publish(event)).reason).toMatch(/^invalid: a gift wrap names its receiver in one p tag/)
    }
  })

  it('[KND5] its receiver may delete it, and nobody else', async () => {
    const { a, b, c } = await setUp()
    const [kept, gone] = [giftWrap(bob), giftWrap(bob)]
    for (const wrap of [kept, gone]) await a.publish(wrap)
    for (const [client, key] of [
      [a, alice],
      [c, carol],
    ] as const) {
      expect(await client.publish(deletionEvent(key, { ids: [kept.id], kinds: [1059] }))).toEqual(OK)
    }
    expect(await b.publish(deletionEvent(bob, { ids: [gone.id], kinds: [1059] }))).toEqual(OK)
    expect(ids((await stored(b, { kinds: [1059] })).events)).toEqual([kept.id])
    expect((await a.publish(gone)).accepted).toBe(false)
    expect(ids((await stored(b, { kinds: [1059] })).events)).toEqual([kept.id])
  })

  it('[KND6] what others send counts apart from what a key writes itself', async () => {
    const wraps = Array.from({ length: 12 }, () => giftWrap(bob))
    const size = JSON.stringify(wraps[0]).length
    const { a, b } = await setUp({ limits: { maxWrappedBytes: size * 10, maxStoredBytes: 3_000 } })
    const answers = []
    for (const wrap of wraps) answers.push(await a.publish(wrap))
    expect(answers.map(({ accepted }) => accepted)).toEqual(wraps.map((_, index) => index < 10))
    expect(answers[11]?.reason).toBe('restricted: its receiver takes no such gift wrap here')
    expect(await b.publish(trainingEvent(bob))).toEqual(OK)
    // Everything else counts as its author's.
    const reactions = Array.from({ length: 12 }, () => plainEvent(alice, 7, { content: 'x'.repeat(200) }))
    let last = ''
    for (const event of reactions) last = (await a.publish(event)).reason
    expect(last).toMatch(/^blocked: quota:/)
    expect(await b.publish(plainEvent(bob, 7))).toEqual(OK)
  })

  it('[KND6] what was replaced takes no room', async () => {
    const { a } = await setUp({ limits: { maxStoredBytes: 3_000 } })
    for (let n = 0; n < 20; n++) {
      expect(await a.publish(plainEvent(alice, 0, { content: 'x'.repeat(1_000) }))).toEqual(OK)
    }
  })

  it('[KND7][DEL3] a deletion request takes them by id and by name, and they stay away', async () => {
    const { a, b } = await setUp()
    const at = (createdAt: number) => plainEvent(alice, 30_023, { createdAt, tags: [['d', 'page']] })
    const [page, reaction, foreign] = [at(100), plainEvent(alice, 7), plainEvent(bob, 7)]
    for (const event of [page, reaction]) await a.publish(event)
    await b.publish(foreign)
    const name = `30023:${alice.publicKey}:page`
    await a.publish(deletionEvent(alice, { ids: [reaction.id, foreign.id], createdAt: 200 }))
    expect(ids((await stored(b, { kinds: [7, 30_023] })).events)).toEqual([foreign.id, page.id])
    // Older than what is there: what was newer at its time stays.
    await a.publish(deletionEvent(alice, { addresses: [name], createdAt: 99 }))
    expect((await stored(b, { kinds: [30_023] })).events).toHaveLength(1)
    await a.publish(deletionEvent(alice, { addresses: [name], createdAt: 150 }))
    expect((await stored(b, { kinds: [30_023] })).events).toEqual([])
    for (const event of [page, at(150), reaction]) {
      expect((await a.publish(event)).reason).toMatch(/^blocked: .*deleted/)
    }
    const newer = at(151)
    expect(await a.publish(newer)).toEqual(OK)
    expect(ids((await stored(b, { kinds: [30_023] })).events)).toEqual([newer.id])
    expect((await b.publish(deletionEvent(bob, { addresses: [name] }))).reason).toMatch(/^restricted:/)
  })

  it('[KND7] a request that names nothing but what everybody may read is read by everybody', async () => {
    const { a, b } = await setUp()
    await b.request('live', { kinds: [5] })
    await b.request('device', { kinds: [30_001, 10_001, 5], after: '' })
    await b.request('sync', { after: '' })
    const [reaction, secret] = [plainEvent(alice, 7), trainingEvent(alice)]
    for (const event of [reaction, secret]) await a.publish(event)
    const name = `30023:${alice.publicKey}:page`
    const open = [
      deletionEvent(alice, { addresses: [name] }),
      deletionEvent(alice, { ids: [reaction.id], kinds: [7] }),
      deletionEvent(alice, { ids: ['ab'.repeat(32)], kinds: [7], addresses: [name] }),
    ]
    const shut = [
      deletionEvent(alice, { ids: [secret.id] }),
      deletionEvent(alice, { ids: ['cd'.repeat(32)], kinds: [1, 7] }),
      deletionEvent(alice, { ids: ['cd'.repeat(32)], kinds: [1059] }),
      deletionEvent(alice, { ids: ['cd'.repeat(32)], kinds: [4, 7] }),
      deletionEvent(alice, { addresses: [`30001:${alice.publicKey}:chat`, name] }),
      sign(alice, {
        kind: 5,
        created_at: 9,
        tags: [
          ['e', 'cd'.repeat(32)],
          ['a', name],
        ],
        content: '',
      }),
      sign(alice, {
        kind: 5,
        created_at: 9,
        tags: [
          ['e', 'cd'.repeat(32)],
          ['k', 'x'],
        ],
        content: '',
      }),
    ]
    for (const event of [...open, ...shut]) expect(await a.publish(event)).toEqual(OK)
    const known = ids([...open].reverse())
    for (const filter of [
      { kinds: [5] },
      { kinds: [5], authors: [alice.publicKey] },
      { ids: ids([...open, ...shut]) },
    ])
      expect(ids((await stored(b, filter)).events)).toEqual(known)
    expect((await stored(a, { kinds: [5] })).events).toHaveLength(10)
    await b.settle()
    expect(b.eventsOf('live').map(({ event }) => event.id)).toEqual(ids(open))
    expect(b.eventsOf('device')).toEqual([])
    expect(b.eventsOf('sync').map(({ event }) => event.id)).toEqual(ids([reaction, ...open]))
  })

  it('[KND7][VAN2] a request to vanish takes them, and gift wraps to the key', async () => {
    const { a, b, server } = await setUp()
    const own = [0, 7, 10_002, 30_023].map((kind) => plainEvent(bob, kind))
    for (const event of own) expect(await b.publish(event)).toEqual(OK)
    const [wrap, message] = [giftWrap(bob), plainEvent(alice, 4, { tags: [['p', bob.publicKey]] })]
    for (const event of [wrap, message]) await a.publish(event)
    await b.publish(deletionEvent(bob, { addresses: [`30023:${bob.publicKey}:x`], createdAt: 1_764_099_000 }))
    const createdAt = Math.floor(Date.now() / 1000)
    const vanish = { kind: 62, created_at: createdAt, tags: [['relay', server.url]], content: '' }
    expect(await b.publish(sign(bob, vanish))).toEqual(OK)
    // What alice wrote to bob is hers.
    expect(ids((await stored(b, {})).events)).toEqual([message.id])
    expect(ids((await stored(a, {})).events)).toEqual([message.id])
    for (const event of own) expect((await b.publish(event)).reason).toMatch(/^blocked: .*vanish/)
    expect((await a.publish(wrap)).reason).toBe('restricted: its receiver takes no such gift wrap here')
    expect((await b.publish(plainEvent(bob, 20_100))).reason).toMatch(/^blocked: .*vanish/)
    expect(await b.publish(plainEvent(bob, 0, { createdAt: createdAt + 1 }))).toEqual(OK)
  })

  it('[KND7][XPR2] those that expire are not served any more', async () => {
    const { a, b } = await setUp()
    const soon = String(Math.floor(Date.now() / 1000) + 2)
    const events = [
      plainEvent(alice, 7, { tags: [['expiration', soon]] }),
      giftWrap(bob, { tags: [['expiration', soon]] }),
    ]
    for (const event of events) expect(await a.publish(event)).toEqual(OK)
    expect((await stored(b, { kinds: [7, 1059] })).events).toHaveLength(2)
    await expect
      .poll(async () => (await stored(b, { kinds: [7, 1059] })).events.length, { timeout: 8_000 })
      .toBe(0)
  })

  it('[KND8] a repost that holds a protected event is refused', async () => {
    const { a } = await setUp({ kinds: { extra: [6, 16] } })
    const open = JSON.stringify(plainEvent(bob, 1))
    const shut = JSON.stringify(chatEvent(bob))
    expect(shut).toContain('["-"]')
    for (const kind of [6, 16]) {
      expect(await a.publish(plainEvent(alice, kind, { content: open }))).toEqual(OK)
      expect(await a.publish(plainEvent(alice, kind))).toEqual(OK)
      expect(await a.publish(plainEvent(alice, kind, { content: '[["-"]' }))).toEqual(OK)
      const { accepted, reason } = await a.publish(plainEvent(alice, kind, { content: shut }))
      expect([accepted, reason]).toEqual([false, expect.stringMatching(/^restricted: .*protected event/)])
    }
  })

  it('[KND9] a kind that is not named any more is not served, and stays on the disk', async () => {
    const log = createMemoryLog()
    const first = await setUp({ log: Object.create(log, { close: { value: async () => {} } }) })
    const event = plainEvent(alice, 7)
    await first.a.publish(event)
    const wrap = giftWrap(bob)
    await first.a.publish(wrap)
    await first.server.close()
    const { b } = await setUp({
      log: Object.create(log, { close: { value: async () => {} } }),
      kinds: { extra: [30_023] },
    })
    for (const filter of [{}, { ids: ids([event, wrap]) }, { kinds: [7, 1059] }, { after: '' }])
      expect((await stored(b, filter)).events).toEqual([])
    const { b: again } = await setUp({ log })
    expect((await stored(again, {})).events).toHaveLength(2)
  })

  it('[KND9][WIR6] NIP-11 names the kinds that are kept, and 59 where gift wraps are', async () => {
    const info = async (extra: readonly number[]) => {
      const server = await runServer({ kinds: { extra } })
      const headers = { Accept: 'application/nostr+json' }
      return (await fetch(server.url.replace(/^ws/, 'http'), { headers })).json() as Promise<{
        supported_nips: number[]
        retention: { kinds: number[] }[]
      }>
    }
    const plain = await info([7, 20_100, 21_059])
    expect(plain.supported_nips).not.toContain(59)
    expect(plain.retention[0]?.kinds).toEqual([30_001, 10_001, 1, 5, 7])
    expect((await info([1059])).supported_nips).toEqual([1, 9, 11, 40, 42, 45, 59, 62, 67, 70, 77])
  })
})
