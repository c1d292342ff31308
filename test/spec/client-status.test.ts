import { join } from 'node:path'
import { createMemoryStore, createSyncClient, type EditRef, type SyncClient } from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import { createWorld } from '@onyx-sync/testing'
import { generateSecretKey } from 'nostr-tools/pure'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import { openOffline } from '../support/offline.js'
import { startServer } from '../support/processes.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

describe('what an app can tell its user', () => {
  it('[STA1] follows an edit from local over sent to saved, also across a restart', async () => {
    const world = createWorld({ seed: 'status' })
    const phone = world.addDevice('phone', 'ada')
    phone.start()
    await world.advance(1_000)
    const created = phone.client?.chats.create({ id: 'oslo' })
    await world.advance(100)
    await created
    const address = `30001:${phone.pubkey}:oslo`
    const edit = phone.client?.lastEdit(address) as EditRef
    expect(phone.client?.stateOf(edit)).toBe('local')
    expect(phone.client?.unsaved()).toMatchObject({
      edits: 1,
      documents: [address],
      message: '1 edit not saved yet',
    })

    phone.crash()
    phone.start()
    await world.advance(1_000)
    expect(phone.client?.stateOf(edit)).toBe('local')

    world.startServer()
    const seen = new Set<string | undefined>()
    for (let step = 0; step < 6_000 && phone.client?.stateOf(edit) !== 'saved'; step++) {
      await world.advance(5)
      seen.add(phone.client?.stateOf(edit))
    }
    expect([...seen]).toEqual(['local', 'sent', 'saved'])
    expect(phone.client?.stateOf(address)).toBe('saved')
    expect(phone.client?.unsaved()).toBeUndefined()
  })

  it('[STA2][C8] says saved when everything is on the disk of a real server, and not before', async () => {
    const server = await startServer(join(temporaryDirectory(), 'data'))
    const client = await createSyncClient({
      store: createMemoryStore(),
      signer: new PlainKeySigner(generateSecretKey()),
      url: server.url,
      transport: createNodeTransport(),
    })
    await client.chats.create({ id: 'oslo' })
    expect(await client.saved({ timeoutMs: 50 })).toBe(false)
    client.connect()
    expect(await client.saved({ timeoutMs: 20_000 })).toBe(true)
    expect(client.status.unsent).toBe(0)
    await client.close()
  })

  it('[STA3] names a clock or a signer that is in the way, once', async () => {
    const world = createWorld({ seed: 'problems' })
    const phone = world.addDevice('phone', 'ada')
    world.startServer()
    phone.skewMs = -365 * 24 * 3_600_000
    phone.start()
    await world.advance(50)
    const problems: string[] = []
    phone.client?.onProblem(({ code }) => problems.push(code))
    await world.advance(3_000)
    await world.advance(60_000)
    expect(problems).toEqual(['AUTH_CLOCK_SKEW'])
    expect(phone.client?.status.problem?.message).toContain('2026-01-01')
    phone.skewMs = 0
    await world.advance(120_000)
    expect(phone.client?.status).toMatchObject({ connection: 'live', problem: undefined })
  })
})

describe('edits that were only begun', () => {
  /** A phone that is live, and whose disk from now on is slow to read. */
  async function livePhone(seed: string) {
    const world = createWorld({ seed })
    const phone = world.addDevice('phone', 'ada')
    world.startServer()
    phone.start()
    await world.advance(3_000)
    const client = phone.client as SyncClient
    await Promise.all([client.chats.create({ id: 'oslo' }), world.advance(3_000)])
    return { world, phone, client, address: `30001:${phone.pubkey}:oslo` }
  }

  it('[STA13][STA2] are waited for by synced() and saved(), asked in the same tick', async () => {
    const { world, client } = await livePhone('begun')
    const sent = client.chats.send('oslo', 'hello')
    let isSent = false
    void sent.then(() => {
      isSent = true
    })
    const answers = Promise.all([client.synced(), client.saved()].map((answer) => answer.then(() => isSent)))
    await world.advance(5_000)
    expect(await answers).toEqual([true, true])
    expect(client.status.unsent).toBe(0)
  })

  it('[STA1][STA12] are local, not saved, while the disk refuses them', async () => {
    const { world, phone, client, address } = await livePhone('refused')
    phone.disk.faults.refuse = 1
    const sent = client.chats.send('oslo', 'hello').catch((error: unknown) => error)
    await world.advance(1_000)
    expect(await sent).toMatchObject({ code: 'STORE_FAILED' })
    expect(client.stateOf(address)).toBe('local')
    expect(client.unsaved()).toMatchObject({ edits: 1, documents: [address] })
    const answer = client.saved({ timeoutMs: 1_000 })
    await world.advance(2_000)
    expect(await answer).toBe(false)
    phone.disk.faults.refuse = 0
    const retried = client.saved()
    await world.advance(5_000)
    expect(await retried).toBe(true)
    expect(client.stateOf(address)).toBe('saved')
  })

  it('[STA12] the disk is named before the network, until it has taken what was edited', async () => {
    const { world, phone, client } = await livePhone('refused and offline')
    phone.disk.faults.refuse = 1
    const sent = client.chats.send('oslo', 'hello').catch(() => {})
    await world.advance(1_000)
    await sent
    world.network.setOnline('phone', false)
    await world.advance(60_000)
    expect(client.status).toMatchObject({ connection: 'waiting', problem: { code: 'STORE_FAILED' } })
    world.network.setOnline('phone', true)
    await world.advance(60_000)
    expect(client.status).toMatchObject({ unsent: 1, problem: { code: 'STORE_FAILED' } })
    phone.disk.faults.refuse = 0
    const flushed = client.flush()
    await world.advance(60_000)
    await flushed
    expect(client.status).toMatchObject({ connection: 'live', unsent: 0, problem: undefined })
  })
})

it('[STA4] the status is the same object until something in it differs', async () => {
  const { client } = await openOffline()
  const before = client.status
  expect(client.status).toBe(before)
  await client.chats.create({ id: 'chat' })
  const after = client.status
  expect(after).not.toBe(before)
  expect(after.unsent).toBe(1)
  expect(client.status).toBe(after)
})
