import { DEFAULT_LIMITS } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { sign, trainingEvent } from '../support/events.js'
import { connect, runServer } from '../support/servers.js'
import { freshKey, sharedServer } from '../support/shared-server.js'

const server = sharedServer()
const httpUrl = (path: string, url = server.url): string => new URL(path, url.replace(/^ws/, 'http')).href

async function documentOf(url = server.url) {
  const response = await fetch(httpUrl('/sync', url), { headers: { Accept: 'application/nostr+json' } })
  return (await response.json()) as { limitation: Record<string, number>; [field: string]: unknown }
}

describe('the information document (NIP-11)', () => {
  it('[INFO1] is served on the URI of the relay, to all who accept it, with the fields of the NIP', async () => {
    const accepts = [
      'application/nostr+json',
      'text/html, application/nostr+json;q=0.9',
      'application/nostr+json, */*',
    ]
    for (const accept of accepts) {
      for (const path of ['/sync', '/sync/', '/sync?x=1']) {
        const response = await fetch(httpUrl(path), { headers: { Accept: accept } })
        expect([response.status, response.headers.get('content-type')]).toEqual([
          200,
          'application/nostr+json',
        ])
        expect(response.headers.get('vary')).toMatch(/accept/i)
      }
    }
    const info = await documentOf()
    expect(info.name).toEqual(expect.any(String))
    expect(String(info.name).length).toBeLessThan(30)
    expect(info.self).toMatch(/^[0-9a-f]{64}$/)
    expect(info.version).toEqual(expect.any(String))
    // It must be a URL where it is there.
    if (info.software !== undefined) expect(new URL(String(info.software)).protocol).toMatch(/^https?:$/)
    const head = await fetch(httpUrl('/sync'), {
      method: 'HEAD',
      headers: { Accept: 'application/nostr+json' },
    })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  it('[INFO1] has CORS headers on every answer, and answers the preflight of a browser', async () => {
    const requests: [path: string, init: RequestInit, status: number][] = [
      ['/sync', { headers: { Accept: 'application/nostr+json' } }, 200],
      ['/sync', {}, 426],
      ['/sync', { method: 'POST' }, 405],
      ['/nothing', {}, 404],
      ['/healthz', {}, 200],
      [
        '/sync',
        {
          method: 'OPTIONS',
          headers: {
            Origin: 'https://app.example',
            'Access-Control-Request-Method': 'GET',
            'Access-Control-Request-Headers': 'accept',
          },
        },
        204,
      ],
    ]
    for (const [path, init, status] of requests) {
      const response = await fetch(httpUrl(path), init)
      expect([path, response.status]).toEqual([path, status])
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(response.headers.get('access-control-allow-headers')).toBeTruthy()
      expect(response.headers.get('access-control-allow-methods')).toMatch(/GET/)
    }
  })

  it('[WIR6] names no limit that isn’t tested here', async () => {
    expect(Object.keys((await documentOf()).limitation).sort()).toEqual([
      'auth_required',
      'max_content_length',
      'max_event_tags',
      'max_message_length',
      'max_subid_length',
      'max_subscriptions',
      'payment_required',
      'restricted_writes',
    ])
  })

  it('[WIR6] max_message_length: one of exactly that many bytes is read, one byte more is not', async () => {
    const { max_message_length: most = 0 } = (await documentOf()).limitation
    expect(most).toBe(DEFAULT_LIMITS.maxMessageBytes)
    const client = await server.connect(freshKey())
    const padded = (bytes: number) => `["REQ","s",{"kinds":[1]}${' '.repeat(bytes - 25)}]`
    expect(Buffer.byteLength(padded(most))).toBe(most)
    client.sendText(padded(most))
    await client.waitFor(([type]) => type === 'EOSE')
    client.sendText(padded(most + 1))
    expect((await client.closed).code).toBe(1009)
  })

  it('[WIR6] max_subscriptions and max_subid_length', async () => {
    const { max_subscriptions: most = 0, max_subid_length: longest = 0 } = (await documentOf()).limitation
    const client = await server.connect(freshKey())
    for (let index = 0; index < most; index++) {
      expect((await client.request(`s${index}`, { kinds: [1] })).closedReason).toBeUndefined()
    }
    expect((await client.request('over', { kinds: [1] })).closedReason).toMatch(/^rate-limited: /)
    client.send('CLOSE', 's0')
    expect((await client.request('x'.repeat(longest), { kinds: [1] })).closedReason).toBeUndefined()
    client.send('REQ', 'x'.repeat(longest + 1), {})
    expect((await client.waitFor(([type]) => type === 'NOTICE'))[1]).toMatch(/^invalid: /)
  })

  it('[WIR6] max_event_tags and max_content_length', async () => {
    const alice = freshKey()
    const { max_event_tags: tags = 0, max_content_length: length = 0 } = (await documentOf()).limitation
    const client = await server.connect(alice)
    const withTags = (count: number) =>
      sign(alice, {
        kind: 1,
        created_at: 1,
        tags: Array.from({ length: count }, () => ['t', 'x']),
        content: '',
      })
    expect((await client.publish(withTags(tags))).accepted).toBe(true)
    expect((await client.publish(withTags(tags + 1))).reason).toMatch(/^invalid: .*tags/)
    // What the other fields of an event take is part of it.
    expect((await client.publish(trainingEvent(alice, 'x'.repeat(length - 500)))).accepted).toBe(true)
    expect((await client.publish(trainingEvent(alice, 'x'.repeat(length + 1)))).reason).toMatch(
      /^invalid: .*bytes/,
    )
  })

  it('[WIR6] auth_required, payment_required, restricted_writes; times have no limit', async () => {
    const alice = freshKey()
    const { limitation } = await documentOf()
    expect(limitation).toMatchObject({
      auth_required: true,
      payment_required: false,
      restricted_writes: true,
    })
    const client = await server.connect()
    expect((await client.publish(trainingEvent(alice))).reason).toMatch(/^auth-required: /)
    await client.auth(alice)
    expect((await client.publish(trainingEvent(alice))).accepted).toBe(true)
    expect((await client.publish(trainingEvent(freshKey()))).reason).toMatch(/^restricted: /)
    for (const createdAt of [0, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
      expect((await client.publish(trainingEvent(alice, 'x', createdAt))).accepted).toBe(true)
    }
  })

  it('[WIR6] other limits are named as they are set', async () => {
    const limits = {
      maxSubscriptions: 3,
      maxTags: 4,
      maxSubscriptionIdLength: 20,
      maxEventBytes: 2_000,
      maxMessageBytes: 5_000,
    }
    const small = await runServer({ limits })
    expect((await documentOf(small.url)).limitation).toMatchObject({
      max_subscriptions: 3,
      max_event_tags: 4,
      max_subid_length: 20,
      max_content_length: 2_000,
      max_message_length: 5_000,
    })
    const alice = freshKey()
    const client = await connect(small, alice)
    const event = sign(alice, { kind: 1, created_at: 1, tags: Array(5).fill(['t']), content: '' })
    expect((await client.publish(event)).reason).toMatch(/^invalid: 5 tags/)
  })
})
