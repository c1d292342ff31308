import { bytesToHex } from '@onyx-sync/shared'
import { seckeySigner, verifier } from '@rx-nostr/crypto'
import {
  createRxBackwardReq,
  createRxForwardReq,
  createRxNostr,
  type LazyFilter,
  Nip11Registry,
} from 'rx-nostr'
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs'
import { describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { afterThisTest } from '../../support/after-test.js'
import { expectDeletion } from '../../support/deletion-by-client.js'
import type { TestKey } from '../../support/events.js'
import { freshKey, sharedServer } from '../../support/shared-server.js'

const server = sharedServer()

function rxNostrOf(key: TestKey) {
  const rxNostr = createRxNostr({
    signer: seckeySigner(bytesToHex(key.secretKey)),
    verifier,
    authenticator: 'auto',
    websocketCtor: WebSocket,
  })
  afterThisTest(() => rxNostr.dispose())
  rxNostr.setDefaultRelays([server.url])
  const messages: (readonly unknown[])[] = []
  rxNostr
    .createOutgoingMessageObservable()
    .subscribe(({ message }) => messages.push(['>', ...(message as unknown[])]))
  rxNostr
    .createAllMessageObservable()
    .subscribe(({ message }) => messages.push(['<', ...(message as unknown[])]))
  const readEvents = async (filter: LazyFilter) => {
    const request = createRxBackwardReq()
    const packets = lastValueFrom(rxNostr.use(request).pipe(toArray()))
    request.emit(filter)
    request.over()
    return (await packets).map(({ event }) => event)
  }
  const read = async (filter: LazyFilter) => (await readEvents(filter)).map(({ content }) => content)
  const publish = (content: string, createdAt: number) =>
    lastValueFrom(rxNostr.send({ kind: 1, content, tags: [['-']], created_at: createdAt }))
  return { rxNostr, messages, read, readEvents, publish }
}

describe('rx-nostr', () => {
  it('[WIR7] reads the information document, logs in, publishes, subscribes, reads by pages and deletes', async () => {
    const { rxNostr, messages, read, readEvents, publish } = rxNostrOf(freshKey())
    expect((await publish('1', 1001)).ok).toBe(true)
    const request = createRxForwardReq()
    const live: string[] = []
    rxNostr.use(request).subscribe(({ event }) => live.push(event.content))
    request.emit({ kinds: [1], since: 1000 })
    await vi.waitFor(() => expect(live).toEqual(['1']))
    for (let index = 2; index <= 5; index++)
      expect((await publish(String(index), 1000 + index)).ok).toBe(true)
    await vi.waitFor(() => expect(live).toEqual(['1', '2', '3', '4', '5']))
    expect(await read({ kinds: [1], limit: 2 })).toEqual(['5', '4'])
    expect(await read({ kinds: [1], until: 1003, limit: 2 })).toEqual(['3', '2'])
    expect(await read({ kinds: [1], until: 1001, limit: 2 })).toEqual(['1'])
    const ids = (await readEvents({ kinds: [1], limit: 1 })).map(({ id }) => id)
    await expectDeletion(
      async () =>
        (
          await lastValueFrom(
            rxNostr.send({
              kind: 5,
              content: '',
              tags: [
                ['e', ids[0] as string],
                ['k', '1'],
              ],
            }),
          )
        ).ok,
      async () => (await read({ ids })).length > 0,
    )
    // It goes by what the document says of limits, and names the relay without a slash behind it.
    expect(Nip11Registry.get(server.url)?.limitation?.max_subscriptions).toBe(64)
    const login = messages.find(([way, type]) => way === '>' && type === 'AUTH')?.[2] as { tags: string[][] }
    expect(login.tags).toContainEqual(['relay', server.url])
  })

  it('[WIR7][AUTH2] asks again by itself for what was CLOSED before it had logged in', async () => {
    const alice = freshKey()
    const writer = rxNostrOf(alice)
    expect((await writer.publish('here', 1001)).ok).toBe(true)
    const reader = rxNostrOf(alice)
    const request = createRxForwardReq()
    const found = firstValueFrom(reader.rxNostr.use(request))
    request.emit({ kinds: [1] })
    expect((await found).event.content).toBe('here')
    const order = reader.messages.map(([way, type]) => `${way} ${type}`)
    expect(order.indexOf('< CLOSED')).toBeGreaterThanOrEqual(0)
    expect(order.indexOf('> AUTH')).toBeGreaterThanOrEqual(0)
    expect(order.lastIndexOf('> REQ')).toBeGreaterThan(order.indexOf('< CLOSED'))
  })
})
