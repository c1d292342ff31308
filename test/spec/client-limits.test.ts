import { createMemoryStore, createSyncClient } from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import type { NostrEvent } from '@onyx-sync/shared'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import { runCommand } from '../../client/src/cli/commands.js'
import { testKey } from '../support/events.js'
import { openScripted, type ScriptedLink } from '../support/scripted-server.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const alice = testKey(1)
const TEN_MINUTES_MS = 600_000
const LIMITED = 'rate-limited: at most 3 events of this key a minute; wait 20 s and go on'

describe('a server without TLS', () => {
  const open = (url: string, allowInsecure?: boolean) =>
    createSyncClient({
      url,
      store: createMemoryStore(),
      signer: new PlainKeySigner(alice.secretKey),
      transport: createNodeTransport(),
      ...(allowInsecure === undefined ? {} : { allowInsecure }),
    })

  it('[SES15] is refused unless it is on this machine, or allowed', async () => {
    for (const url of [
      'ws://example.com/sync',
      'ws://192.168.1.5:7447/sync',
      'ws://10.0.0.1/sync',
      'ws://127.0.0.1.example.com/sync',
      'ws://[fe80::1]/sync',
      'ws://localhost.example.com/sync',
      'ws://0.0.0.0/sync',
    ]) {
      for (const allowed of [undefined, false]) {
        await expect(open(url, allowed), url).rejects.toMatchObject({ code: 'CONNECTION_INSECURE' })
      }
      await (await open(url, true)).close()
    }
    for (const url of [
      'ws://localhost:7447/sync',
      'ws://127.0.0.1/sync',
      'ws://127.8.9.10/sync',
      'ws://[::1]:7447/sync',
      'ws://LOCALHOST/sync',
      'wss://example.com/sync',
    ]) {
      await (await open(url)).close()
    }
  })

  it('[SES15] is refused by the terminal device without --insecure', async () => {
    const db = `${temporaryDirectory()}/phone.db`
    const run = (command: string, options: Record<string, string | boolean>) =>
      runCommand({ command, args: [], options: { db, ...options } }, () => {})
    await run('init', {})
    // An address that is kept for documents: nobody answers there.
    const url = 'ws://192.0.2.1:7447/sync'
    await expect(run('sync', { url, timeout: '0.2' })).rejects.toMatchObject({ code: 'CONNECTION_INSECURE' })
    expect(await run('sync', { url, timeout: '0.2', insecure: true })).toMatchObject({ exitCode: 2 })
  })
})

describe('a server that has had enough', () => {
  it('[SES16] of events: they wait, go on by themselves unchanged, and none is lost', async () => {
    const { clock, client, server } = await openScripted(alice)
    let isLimited = true
    const accepted: NostrEvent[] = []
    server.script.onEvent = (link, event) => {
      if (isLimited) return link.send('OK', event.id, false, LIMITED)
      accepted.push(event)
      link.send('OK', event.id, true, '')
    }
    client.connect()
    await clock.advance(500)
    for (let index = 0; index < 20; index++) {
      await client.chats.create({ id: `chat${index}` })
    }
    await clock.advance(TEN_MINUTES_MS)
    const attempts = server.events().length
    expect(attempts).toBeGreaterThan(20)
    // Twice a minute for each chat, when the pauses have grown.
    expect(attempts).toBeLessThan(20 * 40)
    expect(client.status).toMatchObject({ unsent: 20, refused: 0, connection: 'live' })
    expect(new Set(server.events().map(({ id }) => id)).size).toBe(20)
    isLimited = false
    await clock.advance(120_000)
    expect(client.status.unsent).toBe(0)
    expect(new Set(accepted.map(({ id }) => id))).toEqual(new Set(server.events().map(({ id }) => id)))
  })

  it('[SES16] of logins, or of questions: it comes back with growing pauses', async () => {
    const refusals: Record<string, (link: ScriptedLink, id: string) => void> = {
      AUTH: (link, id) => link.send('OK', id, false, LIMITED),
      REQ: (link, id) => link.send('CLOSED', id, LIMITED),
    }
    for (const [type, refuse] of Object.entries(refusals)) {
      const { clock, client, server } = await openScripted(alice)
      const { onAuth, onReq } = server.script
      if (type === 'AUTH') server.script.onAuth = (link, { id }) => refuse(link, id)
      else server.script.onReq = refuse
      client.connect()
      await clock.advance(TEN_MINUTES_MS)
      expect(server.dialledAt.length).toBeGreaterThan(10)
      expect(server.dialledAt.length).toBeLessThan(120)
      expect(client.status.connection).not.toBe('stopped')
      Object.assign(server.script, { onAuth, onReq })
      await client.chats.create({ id: 'oslo' })
      await clock.advance(120_000)
      expect([type, client.status]).toMatchObject([type, { connection: 'live', unsent: 0 }])
    }
  })

  it('[SES16] of what is stored: the edit is listed as refused with the reason, and goes when there is room', async () => {
    const { clock, client, server } = await openScripted(alice)
    const reason =
      'blocked: quota: 30000 bytes are kept for you, and with this 31000, at most 30000 may be; delete something'
    server.script.onEvent = (link, event) => link.send('OK', event.id, false, reason)
    client.connect()
    await clock.advance(500)
    await client.chats.create({ id: 'oslo' })
    await clock.advance(TEN_MINUTES_MS)
    expect(server.events()).toHaveLength(1)
    expect(client.status).toMatchObject({ refused: 1, connection: 'live' })
    expect((await client.refused()).map((refused) => refused.reason)).toEqual([reason])
    server.script.onEvent = (link, event) => link.send('OK', event.id, true, '')
    client.retryRefused()
    await clock.advance(10_000)
    expect(client.status).toMatchObject({ refused: 0, unsent: 0 })
  })
})
