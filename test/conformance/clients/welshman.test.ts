import {
  defaultSocketPolicies,
  diff,
  makeSocketPolicyAuth,
  Pool,
  PublishStatus,
  publishOne,
  request,
  Socket,
} from '@welshman/net'
import { finalizeEvent } from 'nostr-tools/pure'
import { describe, expect, it, vi } from 'vitest'
import { expectDeletion } from '../../support/deletion-by-client.js'
import { sign, type TestKey, trainingEvent } from '../../support/events.js'
import { afterThisTest } from '../../support/servers.js'
import { freshKey, sharedServer } from '../../support/shared-server.js'

const server = sharedServer()

function contextOf(key: TestKey): { pool: Pool } {
  const sign = async (event: Parameters<typeof finalizeEvent>[0]) =>
    finalizeEvent({ ...event }, key.secretKey)
  const policies = [...defaultSocketPolicies, makeSocketPolicyAuth({ sign })]
  const pool = new Pool({ makeSocket: (url) => new Socket(url, policies) })
  afterThisTest(() => pool.clear())
  return { pool }
}

describe('welshman', () => {
  it('[WIR7][NEG1] logs in, publishes, subscribes, reads by pages, deletes and compares by negentropy', async () => {
    const alice = freshKey()
    const context = contextOf(alice)
    const relay = server.url
    const events = [1, 2, 3, 4, 5].map((index) => trainingEvent(alice, String(index), 1000 + index))
    const publish = async (event: (typeof events)[number]) =>
      (await publishOne({ event, relay, context })).status
    expect(await publish(events[0] as (typeof events)[number])).toBe(PublishStatus.Success)
    const live: string[] = []
    const controller = new AbortController()
    const subscription = request({
      relays: [relay],
      filters: [{ kinds: [1] }],
      context,
      signal: controller.signal,
      onEvent: ({ content }) => live.push(content),
    })
    for (const event of events.slice(1)) expect(await publish(event)).toBe(PublishStatus.Success)
    await vi.waitFor(() => expect(live).toEqual(['1', '2', '3', '4', '5']))
    controller.abort()
    await subscription
    const read = async (filter: Parameters<typeof request>[0]['filters'][number]) => {
      const found = await request({ relays: [relay], filters: [filter], autoClose: true, context })
      return found.map(({ content }) => content)
    }
    expect(await read({ kinds: [1], limit: 2 })).toEqual(['5', '4'])
    expect(await read({ kinds: [1], until: 1003, limit: 2 })).toEqual(['3', '2'])
    const oldest = (events[0] as (typeof events)[number]).id
    const deletion = sign(alice, {
      kind: 5,
      created_at: 1006,
      tags: [
        ['e', oldest],
        ['k', '1'],
      ],
      content: '',
    })
    await expectDeletion(
      relay,
      async () => (await publish(deletion)) === PublishStatus.Success,
      async () => (await read({ ids: [oldest] })).length > 0,
    )
    const own = trainingEvent(alice, 'not sent', 1010)
    const [found] = await diff({
      relays: [relay],
      filters: [{ kinds: [1] }],
      events: [own, ...events.slice(2)],
      context,
    })
    expect(found?.have).toEqual([own.id])
    const missing = await request({
      relays: [relay],
      filters: [{ kinds: [1], until: 1002 }],
      autoClose: true,
      context,
    })
    expect([...(found?.need ?? [])].sort()).toEqual(missing.map(({ id }) => id).sort())
  })
})
