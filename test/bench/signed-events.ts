import { createHash, randomBytes } from 'node:crypto'
import {
  chatAddress,
  createUpdateTemplate,
  decideRoster,
  EMPTY_ROSTER,
  type EventTemplate,
  type NostrEvent,
} from '@onyx-sync/shared'
import { getPublicKey } from 'nostr-tools/pure'
import { signSchnorr } from 'tiny-secp256k1'
import * as Y from 'yjs'

/** A key of a bench. */
export interface BenchKey {
  readonly secretKey: Uint8Array
  readonly publicKey: string
}

export function createKey(): BenchKey {
  const secretKey = new Uint8Array(randomBytes(32))
  return { secretKey, publicKey: getPublicKey(secretKey) }
}

/** Signs with WebAssembly, ten times as fast as JavaScript does: benches need many. */
export function signQuickly({ secretKey, publicKey }: BenchKey, template: EventTemplate): NostrEvent {
  const { kind, created_at, tags, content } = template
  const id = createHash('sha256')
    .update(JSON.stringify([0, publicKey, created_at, kind, tags, content]))
    .digest()
  const sig = Buffer.from(signSchnorr(id, secretKey)).toString('hex')
  return { kind, created_at, tags, content, pubkey: publicKey, id: id.toString('hex'), sig }
}

/** A chat that somebody writes in: each call gives the signed event of one more message. */
export interface Writer {
  readonly address: string
  next(): NostrEvent
}

/** A message of a chat: some 200 characters, 750 bytes of JSON as an event. */
const MESSAGE = 'The quick brown fox jumps over the lazy dog and thinks about it for a while. '
  .repeat(3)
  .slice(0, 200)

/** Somebody who writes into a chat of his own that he shares with `readers`. */
export function createWriter(key: BenchKey, chatId: string, readers: readonly string[] = []): Writer {
  const doc = new Y.Doc()
  const messages = doc.getArray<Y.Map<unknown>>('messages')
  const address = chatAddress(key.publicKey, chatId)
  const shared = readers.map((pubkey) => ({ pubkey, role: 'write' as const }))
  const roster = decideRoster(EMPTY_ROSTER, shared, 1_764_000_000)
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => updates.push(update))
  let count = 0
  return {
    address: `${address.kind}:${address.owner}:${address.identifier}`,
    next() {
      const fields = {
        id: `m${count}`,
        role: 'user',
        content: `${count} ${MESSAGE}`,
        createdAt: 1.8e12 + count,
      }
      messages.push([new Y.Map(Object.entries(fields))])
      count++
      const framed = { update: updates.pop() as Uint8Array, checkpoint: false }
      const createdAt = 1_764_000_000 + count
      const template = createUpdateTemplate({ address, author: key.publicKey, framed, roster, createdAt })
      return signQuickly(key, template)
    },
  }
}
