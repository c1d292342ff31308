import { describe, expect, it } from 'vitest'
import { authEvent, chatEvent, sign, testKey } from '../support/events.js'
import { connect, runServer } from '../support/servers.js'

const alice = testKey(1)
const bob = testKey(2)

describe('authentication (NIP-42)', () => {
  it('[AUTH1] a challenge is the first message, another one for every connection', async () => {
    const server = await runServer()
    const first = await connect(server)
    const second = await connect(server)
    expect(first.messages[0]).toEqual(['AUTH', first.challenge])
    expect(first.challenge).toMatch(/^[0-9a-f]{32}$/)
    expect(second.challenge).not.toBe(first.challenge)
  })

  it('[AUTH2][ATK31] nothing is served before an AUTH is accepted', async () => {
    const server = await runServer()
    const client = await connect(server)
    const event = chatEvent(alice)
    expect(await client.publish(event)).toEqual({
      accepted: false,
      reason: expect.stringMatching(/^auth-required: /),
    })
    expect((await client.request('s', { kinds: [30001] })).closedReason).toMatch(/^auth-required: /)
    expect((await client.request('s', { after: '' })).closedReason).toMatch(/^auth-required: /)
    client.send('COUNT', 'c', {})
    const count = await client.waitFor((message) => message[1] === 'c')
    expect(count).toEqual(['CLOSED', 'c', expect.stringMatching(/^auth-required: /)])
    client.send('NEG-OPEN', 'n', {}, '')
    const negentropy = await client.waitFor((message) => message[1] === 'n')
    expect(negentropy).toEqual(['NEG-ERR', 'n', expect.stringMatching(/^auth-required: /)])
    await client.auth(alice)
    expect(await client.publish(event)).toEqual({ accepted: true, reason: '' })
    client.send('NEG-OPEN', 'm', {}, '61')
    expect((await client.waitFor((message) => message[1] === 'm'))[0]).toBe('NEG-MSG')
  })

  it('[AUTH3] an AUTH event must be kind 22242, signed, for this challenge and this server', async () => {
    const server = await runServer()
    const client = await connect(server)
    const other = await connect(server)
    const good = authEvent(alice, server.url, client.challenge)
    const { id: _, sig: __, pubkey: ___, ...template } = good
    const bad = [
      authEvent(alice, server.url, other.challenge),
      authEvent(alice, 'wss://elsewhere.example/sync', client.challenge),
      authEvent(alice, server.url.replace('/sync', '/other'), client.challenge),
      sign(alice, { ...template, kind: 22243 }),
      { ...good, sig: good.sig.replace(/^../, good.sig.startsWith('00') ? '11' : '00') },
      { ...good, pubkey: bob.publicKey },
      { ...good, created_at: good.created_at + 1 },
    ]
    for (const event of bad) {
      const from = client.messages.length
      client.send('AUTH', event)
      const answer = await client.waitFor((message) => message[0] === 'OK', from)
      expect(answer).toEqual(['OK', event.id, false, expect.stringMatching(/^invalid: /)])
    }
    client.send('AUTH', 'nonsense')
    expect(await client.waitFor((message) => message[0] === 'OK' && message[1] === '')).toEqual([
      'OK',
      '',
      false,
      expect.stringMatching(/^invalid: /),
    ])
    expect((await client.request('s', {})).closedReason).toMatch(/^auth-required: /)
    client.send('AUTH', good)
    expect(await client.waitFor((message) => message[1] === good.id && message[2] === true)).toBeDefined()
  })

  it('[AUTH3] the relay tag is compared by scheme, host, port and path; any configured URL counts', async () => {
    const server = await runServer({ url: ['wss://sync.example.com/sync', 'ws://inside:7447/sync'] })
    expect(server.url).toBe('wss://sync.example.com/sync')
    const address = server.address as { port: number }
    const reachable = { ...server, url: `ws://127.0.0.1:${address.port}/sync` }
    for (const url of ['wss://SYNC.example.com:443/sync/', 'ws://inside:7447/sync']) {
      const client = await connect(reachable)
      const event = authEvent(alice, url, client.challenge)
      client.send('AUTH', event)
      expect((await client.waitFor((message) => message[1] === event.id))[2]).toBe(true)
    }
  })

  it('[AUTH4] a clock more than ten minutes off is refused with the server’s time', async () => {
    const server = await runServer()
    const client = await connect(server)
    for (const skewMs of [-11 * 60_000, 11 * 60_000]) {
      const event = authEvent(alice, server.url, client.challenge, Date.now() + skewMs)
      client.send('AUTH', event)
      const answer = await client.waitFor((message) => message[1] === event.id)
      expect(answer[2]).toBe(false)
      expect(answer[3]).toMatch(/^invalid: .*server's clock \(\d+, 20\d\d-.*set the device's clock/)
    }
    const event = authEvent(alice, server.url, client.challenge, Date.now() - 9 * 60_000)
    client.send('AUTH', event)
    expect((await client.waitFor((message) => message[1] === event.id))[2]).toBe(true)
  })

  it('[AUTH5] several keys may authenticate on one connection; each then writes and reads', async () => {
    const server = await runServer({ limits: { maxKeysPerConnection: 2 } })
    const client = await connect(server, alice, bob)
    const events = [chatEvent(alice), chatEvent(bob)]
    for (const event of events) expect((await client.publish(event)).accepted).toBe(true)
    const { events: found } = await client.request('s', { kinds: [30001] })
    expect(found.map(({ id }) => id).sort()).toEqual(events.map(({ id }) => id).sort())
    expect((await client.auth(testKey(3)))[2]).toBe(false)
    expect((await client.auth(alice))[2]).toBe(true)
  })

  it('[AUTH6][ATK30] a connection that never authenticates is closed, and may come back', async () => {
    const server = await runServer({ limits: { maxUnauthenticatedSeconds: 0.05 } })
    const client = await connect(server)
    const { code } = await client.closed
    expect(code).toBe(1008)
  })

  it('[AUTH7] events of kind 22242 are neither stored nor forwarded', async () => {
    const server = await runServer()
    const client = await connect(server, alice)
    const event = authEvent(alice, server.url, client.challenge)
    expect(await client.publish(event)).toEqual({
      accepted: false,
      reason: 'blocked: kind 22242 is not accepted here',
    })
    expect((await client.request('s', { kinds: [22242] })).events).toEqual([])
  })
})
