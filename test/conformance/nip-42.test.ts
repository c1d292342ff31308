import { describe, expect, it } from 'vitest'
import { authEvent, chatEvent, sign, type TestKey, trainingEvent } from '../support/events.js'
import type { RelayClient } from '../support/relay-client.js'
import { freshKey, sharedServer } from '../support/shared-server.js'

const server = sharedServer()

/** The answer to an `AUTH` message. */
async function answerTo(client: RelayClient, event: { id: string }): Promise<[boolean, string]> {
  const from = client.messages.length
  client.send('AUTH', event)
  const answer = await client.waitFor(([type, id]) => type === 'OK' && id === event.id, from)
  return [answer[2] as boolean, answer[3] as string]
}

describe('authentication of clients (NIP-42)', () => {
  it('[AUTH3] wrong relay: another scheme, host, port or path; what a client may write differently counts', async () => {
    const alice = freshKey()
    const client = await server.connect()
    const url = new URL(server.url)
    const wrong = [
      `wss://127.0.0.1:${url.port}/sync`,
      `ws://127.0.0.1:${Number(url.port) - 1}/sync`,
      `ws://127.0.0.1:${url.port}`,
      `ws://127.0.0.1:${url.port}/sync/more`,
      `ws://127.0.0.1:${url.port}/SYNC`,
      `ws://127.0.0.2:${url.port}/sync`,
      `ws://127.0.0.1.evil.example:${url.port}/sync`,
      `ws://evil.example/?${server.url}`,
      `ws://127.0.0.1:${url.port}@evil.example/sync`,
      'not a url',
      '',
    ]
    for (const relay of wrong) {
      const answer = await answerTo(client, authEvent(alice, relay, client.challenge))
      expect([relay, ...answer]).toEqual([relay, false, expect.stringMatching(/^invalid: .*relay tag/)])
    }
    const right = [
      server.url,
      `${server.url}/`,
      server.url.replace('ws://', 'WS://'),
      `ws://localhost:${url.port}/sync`,
    ]
    for (const relay of right) {
      const other = await server.connect()
      expect([relay, ...(await answerTo(other, authEvent(alice, relay, other.challenge)))]).toEqual([
        relay,
        true,
        '',
      ])
    }
  })

  it('[AUTH3] wrong challenge: another connection’s, a part of it, none, an empty one', async () => {
    const alice = freshKey()
    const [client, other] = [await server.connect(), await server.connect()]
    const { challenge } = client
    for (const wrong of [other.challenge, challenge.slice(1), challenge.toUpperCase(), `${challenge} `, '']) {
      if (wrong === challenge) continue
      const [accepted, reason] = await answerTo(client, authEvent(alice, server.url, wrong))
      expect([accepted, reason]).toEqual([false, expect.stringMatching(/^invalid: .*challenge/)])
    }
    const now = Math.floor(Date.now() / 1000)
    for (const tags of [
      [['relay', server.url]],
      [['challenge', challenge]],
      [['relay', server.url], ['challenge']],
      [],
    ]) {
      const event = sign(alice, { kind: 22242, created_at: now, tags, content: '' })
      expect((await answerTo(client, event))[0]).toBe(false)
    }
    expect((await client.request('s', {})).closedReason).toMatch(/^auth-required: /)
    // Further tags and content are no fault.
    const tags = [
      ['client', 'x'],
      ['relay', server.url],
      ['challenge', challenge],
    ]
    expect(
      await answerTo(client, sign(alice, { kind: 22242, created_at: now, tags, content: 'hi' })),
    ).toEqual([true, ''])
  })

  it('[AUTH3] replay: an event that was accepted on one connection is worth nothing on another', async () => {
    const alice = freshKey()
    const [client, thief] = [await server.connect(), await server.connect()]
    const event = authEvent(alice, server.url, client.challenge)
    expect(await answerTo(client, event)).toEqual([true, ''])
    expect(await answerTo(client, event)).toEqual([true, ''])
    expect((await answerTo(thief, event))[0]).toBe(false)
    await client.publish(trainingEvent(alice))
    expect((await thief.request('s', {})).closedReason).toMatch(/^auth-required: /)
    expect((await thief.publish(trainingEvent(alice))).reason).toMatch(/^auth-required: /)
    // Nor with another key's signature, nor with the thief's own key for the victim's events.
    const { id: _, sig: __, pubkey: ___, ...template } = authEvent(freshKey(), server.url, thief.challenge)
    expect(
      (
        await answerTo(thief, { ...sign(freshKey(), template), pubkey: alice.publicKey } as { id: string })
      )[0],
    ).toBe(false)
    await thief.auth(freshKey())
    expect((await thief.request('s', {})).events).toEqual([])
    expect((await thief.publish(trainingEvent(alice))).reason).toMatch(/^restricted: /)
  })

  it('[AUTH4] skew: ten minutes either way, and the reason names the server’s time', async () => {
    const alice = freshKey()
    for (const seconds of [-3600 * 24 * 365, -640, 640, 3600 * 24 * 365]) {
      const client = await server.connect()
      const event = authEvent(alice, server.url, client.challenge, Date.now() + seconds * 1000)
      const [accepted, reason] = await answerTo(client, event)
      expect([seconds, accepted, reason]).toEqual([
        seconds,
        false,
        expect.stringMatching(
          seconds < 0 ? /behind the server's clock \(\d{10}, / : /ahead of the server's clock \(\d{10}, /,
        ),
      ])
      expect((await client.request('s', {})).closedReason).toMatch(/^auth-required: /)
    }
    for (const seconds of [-560, 560]) {
      const client = await server.connect()
      expect(
        await answerTo(client, authEvent(alice, server.url, client.challenge, Date.now() + seconds * 1000)),
      ).toEqual([true, ''])
    }
  })

  it('[AUTH5] several keys on one connection: each writes, all are read, and one more changes no subscription', async () => {
    const keys: TestKey[] = [freshKey(), freshKey(), freshKey()]
    const [alice, bob, carol] = keys as [TestKey, TestKey, TestKey]
    const client = await server.connect(alice, bob)
    await client.request('two', { kinds: [1, 30001] })
    expect((await client.publish(trainingEvent(carol))).reason).toMatch(/^restricted: /)
    await client.auth(carol)
    const events = [trainingEvent(alice), trainingEvent(bob), chatEvent(carol)]
    for (const event of events) expect((await client.publish(event)).accepted).toBe(true)
    await client.settle()
    expect(client.eventsOf('two').map(({ event }) => event.pubkey)).toEqual([alice.publicKey, bob.publicKey])
    expect((await client.request('three', {})).events).toHaveLength(3)
    client.send('COUNT', 'n', {})
    expect((await client.waitFor(([type]) => type === 'COUNT'))[2]).toEqual({ count: 3 })
    // Keys are of the connection, not of the address or the account.
    const other = await server.connect(alice)
    expect((await other.request('s', {})).events).toHaveLength(1)
    expect((await other.publish(trainingEvent(bob))).reason).toMatch(/^restricted: /)
  })

  it('[AUTH2] the prefix is exactly "auth-required: ", by which clients know that they may log in', async () => {
    const client = await server.connect()
    const messages: [unknown[], number][] = [
      [['EVENT', trainingEvent(freshKey())], 3],
      [['REQ', 's', {}], 2],
      [['COUNT', 's', {}], 2],
      [['NEG-OPEN', 's', {}, '61'], 2],
      [['NEG-MSG', 's', '61'], 2],
    ]
    for (const [message, reasonAt] of messages) {
      const from = client.messages.length
      client.send(...message)
      const answer = await client.waitFor(() => true, from)
      expect(String(answer[reasonAt]).startsWith('auth-required: ')).toBe(true)
    }
  })
})
