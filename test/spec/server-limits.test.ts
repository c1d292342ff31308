import { createMemoryLog, type EventLog } from '@onyx-sync/server'
import { type EventVerifier, type NostrEvent, pureVerifier, systemClock } from '@onyx-sync/shared'
import { describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { afterThisTest } from '../support/after-test.js'
import { chatEvent, membersOf, noise, sign, testKey } from '../support/events.js'
import { connectClient } from '../support/relay-client.js'
import { connect, metricsOf, runServer } from '../support/servers.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const [alice, bob] = [testKey(1), testKey(2)]

/** A clock that goes with the platform's, and can be set forward. */
function settableClock() {
  let offsetMs = 0
  return {
    clock: { ...systemClock, now: () => Date.now() + offsetMs },
    forward: (seconds: number) => {
      offsetMs += seconds * 1000
    },
  }
}

/** Counts how often a signature is checked, and by whom. */
function countingVerifier() {
  const authors: string[] = []
  const verifier: EventVerifier = {
    name: 'counting',
    verify(event) {
      authors.push(event.pubkey)
      pureVerifier.verify(event)
    },
  }
  return { verifier, authors }
}

/** Tries to connect as a proxy forwards it: the socket, or the status and `Retry-After` of the refusal. */
async function dial(url: string, from: string) {
  const socket = new WebSocket(url, { headers: { 'X-Forwarded-For': from } })
  afterThisTest(() => socket.terminate())
  return new Promise<{ socket: WebSocket; status: number; retryAfter: string | undefined; text: string }>(
    (resolve) => {
      socket.once('open', () => resolve({ socket, status: 101, retryAfter: undefined, text: '' }))
      socket.on('error', () => {})
      socket.once('unexpected-response', (_, response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () =>
          resolve({
            socket,
            status: response.statusCode ?? 0,
            retryAfter: response.headers['retry-after'],
            text,
          }),
        )
      })
    },
  )
}

describe('rates', () => {
  it('[RATE1][RATE2] events of a key: over all its connections, told in seconds, and given back with time', async () => {
    const { clock, forward } = settableClock()
    const { verifier, authors } = countingVerifier()
    const server = await runServer({ clock, verifier, limits: { maxEventsPerMinute: 3 } })
    const [first, second, other] = [
      await connect(server, alice),
      await connect(server, alice),
      await connect(server, bob),
    ]
    expect((await first.publish(chatEvent(alice))).accepted).toBe(true)
    expect((await second.publish(chatEvent(alice))).accepted).toBe(true)
    expect((await first.publish(chatEvent(alice))).accepted).toBe(true)
    const checks = authors.length
    const late = chatEvent(alice)
    const refused = {
      accepted: false,
      reason: 'rate-limited: at most 3 events of this key a minute; wait 20 s and go on',
    }
    expect(await first.publish({ ...late, sig: '0'.repeat(128) })).toEqual(refused)
    expect(await second.publish(late)).toEqual(refused)
    await second.close()
    const again = await connect(server, alice)
    expect((await again.publish(late)).accepted).toBe(false)
    // The login of the new connection is the one signature that was checked since.
    expect(authors.length).toBe(checks + 1)
    expect((await other.publish(chatEvent(bob))).accepted).toBe(true)
    forward(20.5)
    expect((await first.publish(late)).accepted).toBe(true)
    expect((await first.publish(chatEvent(alice))).accepted).toBe(false)
  })

  it('[RATE2] questions, messages and bytes of a key: refused where the answer is looked for, before parsing', async () => {
    const asking = await connect(await runServer({ limits: { maxRequestsPerMinute: 2 } }), alice)
    await asking.request('a', { kinds: [30001] })
    await asking.request('b', { kinds: [30001] })
    expect((await asking.request('a', { kinds: [30001] })).closedReason).toMatch(
      /^rate-limited: at most 2 REQ/,
    )
    asking.send('COUNT', 'c', {})
    await asking.waitFor(
      ([type, id, reason]) => type === 'CLOSED' && id === 'c' && /^rate-limited:/.test(String(reason)),
    )
    asking.send('NEG-OPEN', 'n', {}, '')
    await asking.waitFor(
      ([type, id, reason]) => type === 'NEG-ERR' && id === 'n' && /^rate-limited:/.test(String(reason)),
    )
    // It took the place of the open subscription, and only the other one is told.
    const event = chatEvent(alice)
    expect((await asking.publish(event)).accepted).toBe(true)
    await asking.waitForEvent('b', event.id)
    expect(asking.eventsOf('a')).toEqual([])

    const talking = await connect(await runServer({ limits: { maxMessagesPerMinute: 2 } }), alice)
    for (const id of ['x', 'y']) talking.send('CLOSE', id)
    talking.sendText('{"no": "message"')
    await talking.waitFor(
      ([type, text]) => type === 'NOTICE' && /^rate-limited: at most 2 messages/.test(String(text)),
    )
    talking.send('CLOSE', 'z')

    const heavy = await connect(await runServer({ limits: { maxBytesPerMinute: 20_000 } }), alice)
    for (let index = 0; index < 2; index++) {
      expect((await heavy.publish(chatEvent(alice, { text: noise(9_000) }))).accepted).toBe(true)
    }
    expect((await heavy.publish(chatEvent(alice, { text: noise(9_000) }))).reason).toMatch(
      /^rate-limited: at most 20000 bytes/,
    )
    expect((await heavy.publish(chatEvent(alice))).accepted).toBe(true)
  })

  it('[RATE2] logins, and messages before one, of an address', async () => {
    const { verifier, authors } = countingVerifier()
    const server = await runServer({ verifier, limits: { maxAuthsPerMinute: 2 } })
    const client = await connectClient(server.url, alice, bob)
    afterThisTest(() => client.socket.terminate())
    expect(authors.length).toBe(2)
    expect(String((await client.auth(testKey(3)))[3])).toMatch(
      /^rate-limited: at most 2 logins from this address/,
    )
    expect(authors.length).toBe(2)

    const strict = await runServer({ limits: { maxUnauthenticatedMessagesPerMinute: 2 } })
    const stranger = await connectClient(strict.url)
    afterThisTest(() => stranger.socket.terminate())
    expect((await stranger.request('a', {})).closedReason).toMatch(/^auth-required:/)
    expect((await stranger.publish(chatEvent(alice))).reason).toMatch(/^auth-required:/)
    expect((await stranger.request('b', {})).closedReason).toMatch(
      /^rate-limited: at most 2 messages before a login/,
    )
    const second = await connectClient(strict.url)
    afterThisTest(() => second.socket.terminate())
    expect((await second.request('b', {})).closedReason).toMatch(/^rate-limited:/)

    const busy = await connect(await runServer({ limits: { maxMessagesPerMinutePerAddress: 2 } }), alice)
    expect((await busy.publish(chatEvent(alice))).accepted).toBe(true)
    expect((await busy.publish(chatEvent(alice))).reason).toMatch(/messages from this address/)
    const large = await connect(await runServer({ limits: { maxBytesPerMinutePerAddress: 5_000 } }), alice)
    expect((await large.publish(chatEvent(alice, { text: noise(9_000) }))).reason).toMatch(
      /bytes from this address/,
    )
  })

  it('[RATE3][PROX2] connections of an address: 429, Retry-After and why; others get in, and so does who has left', async () => {
    const base = { trustedProxies: ['127.0.0.1'] }
    const few = await runServer({ ...base, limits: { maxConnectionsPerAddress: 2 } })
    const first = await dial(few.url, '203.0.113.1')
    await dial(few.url, '203.0.113.1')
    expect(await dial(few.url, '203.0.113.1')).toMatchObject({
      status: 429,
      retryAfter: '10',
      text: 'rate-limited: at most 2 connections from this address; close one',
    })
    expect((await dial(few.url, '203.0.113.1, 203.0.113.2')).status).toBe(101)
    first.socket.terminate()
    await vi.waitFor(async () => expect((await dial(few.url, '203.0.113.1')).status).toBe(101), {
      timeout: 10_000,
    })

    const strangers = await runServer({ limits: { maxUnauthenticatedPerAddress: 1 } })
    const one = await connectClient(strangers.url)
    afterThisTest(() => one.socket.terminate())
    await expect(connectClient(strangers.url)).rejects.toThrow('429')
    await one.auth(alice)
    await connect(strangers, bob)

    const { clock, forward } = settableClock()
    const often = await runServer({ ...base, clock, limits: { maxHandshakesPerMinute: 2 } })
    for (const expected of [101, 101, 429])
      expect((await dial(often.url, '203.0.113.9')).status).toBe(expected)
    forward(31)
    expect((await dial(often.url, '203.0.113.9')).status).toBe(101)
  })

  it('[RATE4] who goes on all the same is not read for a while, and others are', async () => {
    const pauses: (() => void)[] = []
    const clock = {
      ...systemClock,
      setTimeout: (callback: () => void, delayMs: number) =>
        delayMs === 1_000 ? pauses.push(callback) : systemClock.setTimeout(callback, delayMs),
    }
    const server = await runServer({ clock, limits: { maxMessagesPerMinute: 1 } })
    const [flooding, other] = [await connect(server, alice), await connect(server, bob)]
    const from = flooding.messages.length
    const refusals = () => flooding.messages.slice(from).filter(([type]) => type === 'NOTICE').length
    for (let index = 0; index < 400; index++) flooding.sendText('["NONSENSE"]')
    await vi.waitFor(() => expect(pauses.length).toBe(1), { timeout: 10_000 })
    expect((await other.publish(chatEvent(bob))).accepted).toBe(true)
    // The first one was taken: it is no message, which is another matter.
    await vi.waitFor(() => expect(refusals()).toBe(258), { timeout: 10_000 })
    pauses.shift()?.()
    await vi.waitFor(() => expect(refusals()).toBe(259), { timeout: 10_000 })
    expect(pauses.length).toBe(1)
  })
})

describe('quotas', () => {
  it('[QUO1][QUO2] documents of a key: counted for the owner, and after a restart', async () => {
    const data = temporaryDirectory()
    const options = { data, limits: { maxStoredDocuments: 2 } }
    const server = await runServer(options)
    const [owner, member] = [await connect(server, alice), await connect(server, bob)]
    expect((await owner.publish(chatEvent(alice, { chatId: 'a', members: membersOf(bob) }))).accepted).toBe(
      true,
    )
    expect((await owner.publish(chatEvent(alice, { chatId: 'b' }))).accepted).toBe(true)
    const third = chatEvent(alice, { chatId: 'c' })
    const refused = {
      accepted: false,
      reason: `blocked: quota: ${alice.publicKey} has 2 documents, at most 2 are kept; delete some, or ask the operator for more`,
    }
    expect(await owner.publish(third)).toEqual(refused)
    expect((await owner.publish(chatEvent(alice, { chatId: 'a', members: membersOf(bob) }))).accepted).toBe(
      true,
    )
    expect((await member.publish(chatEvent(bob, { owner: alice, chatId: 'a' }))).accepted).toBe(true)
    expect((await member.publish(chatEvent(bob, { chatId: 'mine' }))).accepted).toBe(true)
    await server.close()
    const again = await connect(await runServer(options), alice)
    expect(await again.publish(third)).toEqual(refused)
    expect((await again.publish(chatEvent(alice, { chatId: 'b' }))).accepted).toBe(true)
  })

  it('[QUO1][QUO2] bytes of a key: what members write counts too, a whole state is still taken and makes room', async () => {
    const data = temporaryDirectory()
    const options = { data, limits: { maxStoredBytes: 26_000 } }
    const server = await runServer(options)
    const [owner, member] = [await connect(server, alice), await connect(server, bob)]
    const doc = new Y.Doc()
    const events: NostrEvent[] = []
    doc.on('update', (update: Uint8Array) => {
      events.push(chatEvent(alice, { update, members: membersOf(bob) }))
    })
    const text = doc.getMap('metadata')
    // One value that is written anew: its log grows, and its state doesn't.
    for (let index = 0; index < 5; index++) text.set('title', noise(5_000, String(index)))
    const answers = []
    for (const event of events) answers.push(await owner.publish(event))
    expect(answers.map(({ accepted }) => accepted)).toEqual([true, true, true, true, false])
    expect(answers[4]?.reason).toMatch(
      /^blocked: quota: \d+ bytes are kept for .*, at most 26000 may be; delete something/,
    )
    expect((await owner.publish(events[0])).reason).toMatch(/^duplicate:/)
    const training = sign(alice, { kind: 1, created_at: 1_764_000_000, tags: [], content: noise(9_000) })
    expect((await owner.publish(training)).reason).toMatch(/^blocked: quota:/)
    expect((await member.publish(chatEvent(bob, { owner: alice, text: noise(9_000) }))).reason).toMatch(
      /^blocked: quota:/,
    )
    expect((await member.publish(chatEvent(bob, { chatId: 'mine', text: noise(9_000) }))).accepted).toBe(true)
    await server.close()
    const again = await connect(await runServer(options), alice)
    expect((await again.publish(training)).reason).toMatch(/^blocked: quota:/)
    const whole = chatEvent(alice, {
      update: Y.encodeStateAsUpdate(doc),
      checkpoint: true,
      members: membersOf(bob),
    })
    expect(await again.publish(whole)).toEqual({ accepted: true, reason: '' })
    expect((await again.publish(training)).accepted).toBe(true)
  })
})

describe('fairness', () => {
  /** A verifier that believes everything: these tests need many events, not signatures. */
  const trusting: EventVerifier = { name: 'trusting', verify() {} }
  let made = 0
  function quickEvent(author: { publicKey: string }): NostrEvent {
    const id = (++made).toString(16).padStart(64, '0')
    return {
      id,
      pubkey: author.publicKey,
      kind: 1,
      created_at: 1_764_000_000,
      tags: [],
      content: '',
      sig: '0'.repeat(128),
    }
  }
  const oks = (client: Awaited<ReturnType<typeof connectClient>>) =>
    client.messages.filter(([type, , ok]) => type === 'OK' && ok === true).length

  /** Holds up what is written until `release`. `commits` are the authors of the events of each. */
  function holdCommits(log: EventLog) {
    const commit = log.commit.bind(log)
    const commits: string[][] = []
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    vi.spyOn(log, 'commit').mockImplementation(async (value) => {
      commits.push(value.events.map(({ pubkey }) => pubkey))
      await held
      await commit(value)
    })
    return { commits, release: () => release() }
  }

  it('[FAIR1] beyond what may be under way nothing is read, and all of it is answered in the end', async () => {
    const log = createMemoryLog()
    const server = await runServer({ log, verifier: trusting, limits: { maxUnansweredEvents: 8 } })
    const [eager, other] = [await connect(server, alice), await connect(server, bob)]
    const { commits, release } = holdCommits(log)
    const from = oks(eager)
    const events = Array.from({ length: 40 }, () => quickEvent(alice))
    for (const event of events) eager.send('EVENT', event)
    // Long after the fortieth could have been read, if it were.
    for (let round = 0; round < 20; round++) await other.settle()
    release()
    await vi.waitFor(() => expect(oks(eager) - from).toBe(40), { timeout: 10_000 })
    expect(Math.max(...commits.map(({ length }) => length))).toBeLessThanOrEqual(8)
  })

  it('[FAIR1] nor beyond what an account has waiting for the next batches, over however many connections', async () => {
    const log = createMemoryLog()
    let checked = 0
    const counting: EventVerifier = {
      name: 'counting',
      verify({ kind, pubkey }) {
        if (kind === 1 && pubkey === alice.publicKey) checked++
      },
    }
    const server = await runServer({ log, verifier: counting })
    const eager = [await connect(server, alice), await connect(server, alice), await connect(server, alice)]
    const other = await connect(server, bob)
    const { release } = holdCommits(log)
    const from = eager.map(oks)
    for (const client of eager) for (let sent = 0; sent < 200; sent++) client.send('EVENT', quickEvent(alice))
    // Long after all of them could have been read, if they were.
    for (let round = 0; round < 40; round++) await other.settle()
    // Four batches of 32, the one that is being written, and one more of each connection.
    expect(checked).toBeGreaterThanOrEqual(4 * 32)
    expect(checked).toBeLessThanOrEqual(5 * 32 + eager.length)
    release()
    await vi.waitFor(
      () =>
        expect(eager.map((client, index) => oks(client) - (from[index] as number))).toEqual([200, 200, 200]),
      { timeout: 10_000 },
    )
  })

  it('[FAIR2] accounts take turns in being heard, whoever sent more and over however many connections', async () => {
    const order: string[] = []
    const verifier: EventVerifier = {
      name: 'slow',
      verify(event) {
        if (event.kind !== 1) return
        order.push(event.pubkey)
        const until = performance.now() + 1
        while (performance.now() < until);
      },
    }
    const server = await runServer({ log: createMemoryLog(), verifier })
    const noisy = [await connect(server, alice), await connect(server, alice), await connect(server, alice)]
    const quiet = await connect(server, bob)
    const from = noisy.map(oks)
    for (const client of noisy)
      for (let index = 0; index < 200; index++) client.send('EVENT', quickEvent(alice))
    expect((await quiet.publish(quickEvent(bob))).accepted).toBe(true)
    await vi.waitFor(
      () =>
        expect(noisy.map((client, index) => oks(client) - (from[index] as number))).toEqual([200, 200, 200]),
      { timeout: 20_000 },
    )
    expect(order.indexOf(bob.publicKey)).toBeLessThan(200)
  })

  it('[FAIR3] accounts take turns in being written', async () => {
    const log = createMemoryLog()
    const server = await runServer({ log, verifier: trusting })
    const [noisy, quiet] = [await connect(server, alice), await connect(server, bob)]
    const { commits, release } = holdCommits(log)
    const from = oks(noisy)
    for (let index = 0; index < 900; index++) noisy.send('EVENT', quickEvent(alice))
    for (let round = 0; round < 20; round++) await quiet.settle()
    const published = quiet.publish(quickEvent(bob))
    await quiet.settle()
    release()
    expect((await published).accepted).toBe(true)
    await vi.waitFor(() => expect(oks(noisy) - from).toBe(900), { timeout: 20_000 })
    // It came last, and there was more than one batch before it.
    // With it are few of who publishes much, and without it more.
    expect(commits[1]?.length).toBe(5)
    expect(commits[1]?.slice(0, 2)).toContain(bob.publicKey)
    expect(Math.max(...commits.slice(2).map(({ length }) => length))).toBe(16)
    // Who has been alone for a while may have more.
    const together = commits.length
    for (let sent = 0; sent < 4_000; sent += 500) {
      for (let index = 0; index < 500; index++) noisy.send('EVENT', quickEvent(alice))
      await vi.waitFor(() => expect(oks(noisy) - from).toBe(1_400 + sent), { timeout: 20_000 })
    }
    const largest = commits.slice(together).map(({ length }) => length)
    expect(Math.max(...largest.slice(0, 10))).toBeLessThanOrEqual(16)
    expect(Math.max(...largest)).toBeGreaterThan(16)
  })

  it('[FAIR4] an account has one page under way, however much it asks for, and its questions are answered in order', async () => {
    const log = createMemoryLog()
    const server = await runServer({ log, verifier: trusting })
    const client = await connect(server, alice)
    for (let index = 0; index < 300; index++) client.send('EVENT', quickEvent(alice))
    await client.settle()
    await client.publish(quickEvent(alice))
    let [underWay, most, loads] = [0, 0, 0]
    const load = log.load.bind(log)
    vi.spyOn(log, 'load').mockImplementation(async (seqs) => {
      loads++
      most = Math.max(most, ++underWay)
      await new Promise((resolve) => setImmediate(resolve))
      underWay--
      return load(seqs)
    })
    for (let index = 0; index < 20; index++) client.send('COUNT', `c${index}`, { kinds: [1] })
    for (let index = 0; index < 20; index++) {
      const answer = await client.waitFor(([type, id]) => type === 'COUNT' && id === `c${index}`)
      expect(answer[2]).toEqual({ count: 301 })
    }
    expect([most, loads >= 20]).toEqual([1, true])
    const answered = client.messages.flatMap(([type, id]) => (type === 'COUNT' ? [id] : []))
    expect(answered).toEqual(Array.from({ length: 20 }, (_, index) => `c${index}`))
  })

  it('[FAIR4] what a connection asked for is not read on when it has ended', async () => {
    const log = createMemoryLog()
    const server = await runServer({ log, verifier: trusting })
    const [asking, other] = [await connect(server, alice), await connect(server, bob)]
    for (let index = 0; index < 1_500; index++) asking.send('EVENT', quickEvent(alice))
    await vi.waitFor(() => expect(oks(asking)).toBe(1_501), { timeout: 20_000 })
    const held: (() => void)[] = []
    const load = log.load.bind(log)
    let loads = 0
    vi.spyOn(log, 'load').mockImplementation(async (seqs) => {
      loads++
      await new Promise<void>((resolve) => held.push(resolve))
      return load(seqs)
    })
    for (let index = 0; index < 20; index++) asking.send('COUNT', `c${index}`, { kinds: [1] })
    await vi.waitFor(() => expect(held.length).toBe(1), { timeout: 10_000 })
    asking.socket.terminate()
    await vi.waitFor(
      async () => {
        expect(await metricsOf(server)).toContain('onyx_sync_connections 1\n')
      },
      { timeout: 10_000 },
    )
    // Each question is let go of after the page that it was waiting for.
    while (held.length > 0) {
      held.shift()?.()
      await other.settle()
    }
    expect(loads).toBeLessThanOrEqual(20)
  })
})
