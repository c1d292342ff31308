import { openLevelLog } from '@onyx-sync/server'
import { noise, type TestKey, trainingEvent } from './events.js'

/** Characters of each event: near the limit, so that few make a database that takes a while to go through. */
const CONTENT_LENGTH = 900_000

/** A database with some really signed events, 0.9 MB each. */
export async function fillLarge(data: string, author: TestKey, total: number): Promise<void> {
  const log = await openLevelLog(data)
  const owner = author.publicKey
  const content = noise(CONTENT_LENGTH)
  for (let seq = 1; seq <= total; seq++) {
    const event = trainingEvent(author, `${seq} ${content}`)
    const { id, pubkey, kind, created_at: createdAt } = event
    const { tags, content: text, sig } = event
    const json = JSON.stringify({ id, pubkey, created_at: createdAt, kind, tags, content: text, sig })
    const logged = { seq, id, pubkey, kind, createdAt, json, address: undefined, owner, readers: [owner] }
    const epoch = seq === 1 ? { epoch: { id: '0123456789abcdef', fromSeq: 1 } } : {}
    await log.commit({ events: [logged], documents: [], grants: [], revocations: [], ...epoch })
  }
  await log.close()
}
