import { encodeBase64, encodeSyncMessage, type NostrEvent } from '@onyx-sync/shared'
import { deflateSync } from 'fflate'
import * as encoding from 'lib0/encoding'
import { chatTemplate, sign, type TestKey } from './events.js'

/** Writes one struct of an update. */
export type Piece = (encoder: encoding.Encoder) => void

/** Structs of one client: its id, their first clock, and what they are. */
export type Block = readonly [client: number, clock: number, structs: readonly Piece[]]

/** Deleted ranges of one client: clock and length of each. */
export type Deleted = readonly [client: number, ranges: readonly (readonly [clock: number, length: number])[]]

/** Bytes in update format V1 that say exactly this, whether or not Yjs would ever write it. */
export function hostileUpdate(blocks: readonly Block[], deleted: readonly Deleted[] = []): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, blocks.length)
  for (const [client, clock, structs] of blocks) {
    for (const number of [structs.length, client, clock]) encoding.writeVarUint(encoder, number)
    for (const write of structs) write(encoder)
  }
  encoding.writeVarUint(encoder, deleted.length)
  for (const [client, ranges] of deleted) {
    for (const number of [client, ranges.length, ...ranges.flat()]) encoding.writeVarUint(encoder, number)
  }
  return encoding.toUint8Array(encoder)
}

/**
 * An item at the beginning of a root. `content` writes its kind first, then what it holds: the kind is moved into
 * the byte that begins the item.
 */
export function writeItem(root: string, content: (encoder: encoding.Encoder) => void, key?: string): Piece {
  return (encoder) => {
    const inner = encoding.createEncoder()
    content(inner)
    const bytes = encoding.toUint8Array(inner)
    const kind = bytes[0] ?? 0
    encoding.writeUint8(encoder, kind | (key === undefined ? 0 : 0x20))
    encoding.writeVarUint(encoder, 1)
    encoding.writeVarString(encoder, root)
    if (key !== undefined) encoding.writeVarString(encoder, key)
    encoding.writeUint8Array(encoder, bytes.subarray(1))
  }
}

/** One value at the beginning of a list, or of a key, that knows of no other. */
export function value(root: string, content: unknown, key?: string): Piece {
  return writeItem(
    root,
    (encoder) => {
      encoding.writeUint8(encoder, 8)
      encoding.writeVarUint(encoder, 1)
      encoding.writeAny(encoder, content as Parameters<typeof encoding.writeAny>[1])
    },
    key,
  )
}

/** A chat event whose content was deflated, however much that shrinks it. */
export function deflatedChat(author: TestKey, update: Uint8Array): NostrEvent {
  const template = chatTemplate(author, { update: new Uint8Array([0, 0]) })
  const tags = template.tags.map((tag) => (tag[0] === 'encoding' ? ['encoding', 'yjs', 'deflate'] : tag))
  const content = encodeBase64(deflateSync(encodeSyncMessage({ update, checkpoint: false })))
  return sign(author, { ...template, tags, content })
}
