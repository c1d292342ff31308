import { join } from 'node:path'
import { createSyncClient, watermelonStore } from '@onyx-sync/client'
import { openNodeDatabase } from '@onyx-sync/client/node'
import { generateSecretKey } from 'nostr-tools/pure'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it } from 'vitest'
import { crc32 } from '../../client/src/adapters/crc32.js'
import { openSqlite } from '../../client/src/adapters/node/better-sqlite.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

describe('a damaged database', () => {
  it('[STO39] computes the CRC-32 that everybody computes', () => {
    expect(crc32('123456789')).toBe(0xcbf43926)
    expect(crc32('')).toBe(0)
  })

  it('[STO40][Y9] sets aside each row in which a bit was flipped, and serves the rest', async () => {
    const file = join(temporaryDirectory(), 'phone.db')
    const signer = new PlainKeySigner(generateSecretKey())
    const open = async () => {
      const opened = await openNodeDatabase({ file })
      const store = watermelonStore(opened.database)
      return { store, close: opened.close, client: await createSyncClient({ store, signer }) }
    }
    const first = await open()
    await first.client.chats.create({ id: 'oslo', title: 'Trip' })
    const kept = await first.client.chats.send('oslo', 'first')
    await first.client.chats.send('oslo', 'second')
    const address = `30001:${first.client.pubkey}:oslo`
    await first.client.close()
    await first.close()

    const raw = openSqlite(file)
    const { id, data } = raw.prepare('SELECT id, data FROM sync_updates ORDER BY seq DESC LIMIT 1').get() as {
      id: string
      data: string
    }
    // Another valid base64 text: only the sum tells.
    const flipped = data.replace(/.(?=.{12}$)/, (char) => (char === 'A' ? 'B' : 'A'))
    raw.prepare('UPDATE sync_updates SET data = ? WHERE id = ?').run(flipped, id)
    raw.close()

    const second = await open()
    const updates = await second.store.loadUpdates(address)
    expect(updates.map(({ update }) => update.byteLength > 0)).toEqual([true, true, false])
    const { messages } = await second.client.chats.read('oslo')
    expect(messages).toMatchObject([{ id: kept.id, content: 'first' }])
    await second.client.close()
    await second.close()
  })
})
