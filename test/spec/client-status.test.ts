import { join } from 'node:path'
import { createMemoryStore, createSyncClient, type EditRef } from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import { createWorld } from '@onyx-sync/testing'
import { generateSecretKey } from 'nostr-tools/pure'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import { startServer, temporaryDirectory } from '../support/processes.js'

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
    expect(problems.length).toBeGreaterThan(0)
    expect(new Set(problems)).toEqual(new Set(['AUTH_CLOCK_SKEW']))
    expect(phone.client?.status.problem?.message).toContain('2026-01-01')
    phone.skewMs = 0
    await world.advance(120_000)
    expect(phone.client?.status).toMatchObject({ connection: 'live', problem: undefined })
  })
})
