import { createMemoryStore, createSyncClient, type SyncClient } from '@onyx-sync/client'
import { generateSecretKey } from 'nostr-tools/pure'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'

function openClient(store = createMemoryStore(), signer = new PlainKeySigner(generateSecretKey())) {
  return createSyncClient({ store, signer })
}

async function withChat(client: SyncClient) {
  await client.chats.create({ id: 'oslo', title: 'Trip' })
  return client.chats.send('oslo', 'What should I pack?')
}

describe('a device that never saw a server', () => {
  it('[EDT1] keeps chats, messages and settings across a restart', async () => {
    const store = createMemoryStore()
    const signer = new PlainKeySigner(generateSecretKey())
    const first = await openClient(store, signer)
    const message = await withChat(first)
    await first.chats.edit('oslo', message.id, 'What should I pack in May?')
    await first.settings.set('activeModel', 'opus')
    await first.settings.setFeature('web-search', true)

    const second = await openClient(store, signer)
    const chat = await second.chats.read('oslo')
    expect(chat).toMatchObject({ id: 'oslo', title: 'Trip', messageCount: 1 })
    expect(chat.messages).toMatchObject([
      { id: message.id, role: 'user', content: 'What should I pack in May?' },
    ])
    expect(await second.settings.read()).toEqual({
      preferences: { activeModel: 'opus' },
      features: { 'web-search': true },
    })
    expect(second.status.unsent).toBe(5)
    expect(second.deviceId).toBe(first.deviceId)
  })

  it('[EDT2] lists chats by last activity, which a rename does not move', async () => {
    const client = await openClient()
    await client.chats.create({ id: 'a' })
    await client.chats.create({ id: 'b' })
    await new Promise((resolve) => setTimeout(resolve, 2))
    await client.chats.send('a', 'hi')
    await client.chats.rename('b', 'later renamed')
    expect((await client.chats.list()).map((chat) => chat.id)).toEqual(['a', 'b'])
  })

  it('[EDT2] does not move a chat back when an older message is changed after a restart', async () => {
    const store = createMemoryStore()
    const signer = new PlainKeySigner(generateSecretKey())
    const first = await openClient(store, signer)
    const older = await withChat(first)
    await new Promise((resolve) => setTimeout(resolve, 2))
    const newer = await first.chats.send('oslo', 'Is it cold in May?')
    expect(newer.createdAt).toBeGreaterThan(older.createdAt)
    const second = await openClient(store, signer)
    await second.chats.edit('oslo', older.id, 'What should I pack in May?')
    expect(await second.chats.list()).toMatchObject([{ messageCount: 2, lastActivityAt: newer.createdAt }])
  })

  it('[EDT3] says what is wrong with an edit, and changes nothing', async () => {
    const client = await openClient()
    await withChat(client)
    const before = client.status.unsent
    await expect(client.chats.send('nowhere', 'hi')).rejects.toMatchObject({ code: 'DOCUMENT_NOT_FOUND' })
    await expect(client.chats.edit('oslo', 'none', 'hi')).rejects.toMatchObject({ code: 'MESSAGE_NOT_FOUND' })
    await expect(client.chats.create({ id: 'oslo' })).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    await expect(client.chats.send('oslo', 'x', { role: 'robot' as never })).rejects.toMatchObject({
      code: 'VALUE_INVALID',
    })
    expect(client.status.unsent).toBe(before)
  })

  it('[EDT4][Y8] sends a message of one id once', async () => {
    const client = await openClient()
    await withChat(client)
    await client.chats.send('oslo', 'imported', { id: 'm1' })
    await client.chats.send('oslo', 'imported', { id: 'm1' })
    expect((await client.chats.read('oslo')).messages).toHaveLength(2)
  })

  it('[EDT5] deletes messages and chats, and restores chats', async () => {
    const client = await openClient()
    const message = await withChat(client)
    await client.chats.deleteMessage('oslo', message.id)
    expect((await client.chats.read('oslo')).messages).toEqual([])
    await client.chats.delete('oslo')
    expect(await client.chats.list()).toEqual([])
    await client.chats.restore('oslo')
    expect(await client.chats.list()).toHaveLength(1)
  })

  it('[EDT6][C18] refuses settings that look like secrets', async () => {
    const client = await openClient()
    // What Onyx keeps beside its settings, by its name or by how it looks.
    for (const [key, value] of [
      ['mnemonic', 'leader monkey parrot ring guide accident before fence cannon height naive bean'],
      ['nostrPrivateKey', 'ab'.repeat(32)],
      ['privkey', 'ab'.repeat(32)],
      ['githubToken', 'x'],
      ['pushToken', 'x'],
      ['openaiApiKey', 'x'],
      ['note', 'nsec1abcdef'],
      ['repo', 'ghp_abcdef'],
      ['repos', [{ owner: 'ada', name: 'notes', token: 'github_pat_11ABC' }]],
      ['server', { url: 'wss://example.com', accessToken: 'plain words' }],
      ['app', 'ghs_abcdef'],
      ['device', 'ExponentPushToken[abc]'],
      ['device', 'ExpoPushToken[abc]'],
    ] as const) {
      await expect(client.settings.set(key, value)).rejects.toMatchObject({ code: 'VALUE_INVALID' })
    }
    expect((await client.settings.read()).preferences).toEqual({})
    await client.settings.set('repo', 'unsecured/ghost')
  })

  it('[DEV1][C14] refuses the database of another account', async () => {
    const store = createMemoryStore()
    await openClient(store)
    await expect(openClient(store)).rejects.toMatchObject({ code: 'IDENTITY_MISMATCH' })
  })

  it('[EDT7] keeps an edit that the app makes on the Y.Doc itself', async () => {
    const store = createMemoryStore()
    const signer = new PlainKeySigner(generateSecretKey())
    const client = await openClient(store, signer)
    await withChat(client)
    const { doc, release } = await client.chats.open('oslo')
    doc.getMap('metadata').set('custom', 1)
    release()
    await client.chats.rename('oslo', 'Oslo')
    const again = await openClient(store, signer)
    const opened = await again.chats.open('oslo')
    expect(opened.doc.getMap('metadata').get('custom')).toBe(1)
    expect(again.status.unsent).toBe(4)
  })
})
