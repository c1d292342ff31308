import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import type { LogPlace, PlaceCodec } from '../ports/place-codec.js'

const BLOCK_BYTES = 16
const TEXT = /^[0-9A-Za-z_-]{22}$/

/**
 * Writes places so that nobody but this server can read them: a position counts what everybody stores. A place is
 * exactly one block of AES, so the same place gives the same text and two different ones tell nothing of each other.
 * That nobody made it up shows by its epoch, which is 64 random bits.
 */
export function createSealedPlaces(serverSecretKey: Uint8Array): PlaceCodec {
  const key = createHmac('sha256', serverSecretKey)
    .update('onyx-sync cursor')
    .digest()
    .subarray(0, BLOCK_BYTES)
  // One for all blocks: in this mode none hangs on the one before, and each comes out whole. Making one takes longer than
  // everything else that is done for a live event.
  const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
  const decipher = createDecipheriv('aes-128-ecb', key, null).setAutoPadding(false)
  /** A commit is told to many subscriptions, and each is told the same place. */
  let last: { readonly place: LogPlace; readonly text: string } | undefined
  return {
    write(place) {
      if (last?.place.seq === place.seq && last.place.epochId === place.epochId) return last.text
      const block = Buffer.alloc(BLOCK_BYTES)
      block.writeBigUInt64BE(BigInt(place.seq))
      block.write(place.epochId, 8, 'hex')
      const text = cipher.update(block).toString('base64url')
      last = { place, text }
      return text
    },
    read(text) {
      if (!TEXT.test(text)) return undefined
      const block = decipher.update(Buffer.from(text, 'base64url'))
      const seq = Number(block.readBigUInt64BE())
      return { seq, epochId: seq === 0 ? '' : block.subarray(8).toString('hex') }
    },
  }
}
