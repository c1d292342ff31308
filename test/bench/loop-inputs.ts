import { randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import {
  chatAddress,
  createUpdateTemplate,
  EMPTY_ROSTER,
  encodeSyncMessage,
  type NostrEvent,
  type Part,
} from '@onyx-sync/shared'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { type BenchKey, signQuickly } from './signed-events.js'

/** What an event of a chat is to carry. */
export interface Carried {
  readonly update: Uint8Array
  readonly checkpoint?: boolean
  readonly part?: Part
  /** Deflates it however small that makes it. @default false */
  readonly isBomb?: boolean
}

/** An event of a chat that the key owns. */
export function chatEvent(key: BenchKey, chatId: string, carried: Carried): NostrEvent {
  const { update, checkpoint = false, part, isBomb = false } = carried
  const template = createUpdateTemplate({
    address: chatAddress(key.publicKey, chatId),
    author: key.publicKey,
    framed: { update, checkpoint },
    roster: EMPTY_ROSTER,
    createdAt: Math.floor(Date.now() / 1000),
    part,
  })
  if (!isBomb) return signQuickly(key, template)
  const tags = template.tags.map((tag) => (tag[0] === 'encoding' ? ['encoding', 'yjs', 'deflate'] : tag))
  const content = deflateRawSync(encodeSyncMessage({ update, checkpoint })).toString('base64')
  return signQuickly(key, { ...template, tags, content })
}

/** What some edits of an empty document come to. */
export function updateOf(edit: (doc: Y.Doc) => void): Uint8Array {
  const doc = new Y.Doc()
  edit(doc)
  return Y.encodeStateAsUpdate(doc)
}

/** Text that DEFLATE can't shrink below three quarters. */
export function denseText(length: number): string {
  return randomBytes(Math.ceil(length * 0.75))
    .toString('base64')
    .slice(0, length)
}

/** An update of one client that gives one key, or one list, many first values that know nothing of each other. */
export function firstValues(client: number, clock: number, count: number, key?: string): Uint8Array {
  const encoder = encoding.createEncoder()
  for (const number of [1, count, client, clock]) encoding.writeVarUint(encoder, number)
  for (let index = 0; index < count; index++) {
    encoding.writeUint8(encoder, 8 | (key === undefined ? 0 : 0x20))
    encoding.writeVarUint(encoder, 1)
    encoding.writeVarString(encoder, key === undefined ? 'messages' : 'metadata')
    if (key !== undefined) encoding.writeVarString(encoder, key)
    encoding.writeVarUint(encoder, 1)
    encoding.writeAny(encoder, index % 2)
  }
  encoding.writeVarUint(encoder, 0)
  return encoding.toUint8Array(encoder)
}
