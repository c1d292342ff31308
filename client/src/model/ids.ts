import type { Random } from '@onyx-sync/shared'

/** A short random id: `length` characters of base 36. 16 of them hold 82 bits, so two devices never meet. */
export function createId(random: Random, length = 16): string {
  let id = ''
  // Bytes from 252 on are left out, or some characters would come up more often.
  while (id.length < length) {
    for (const byte of random.bytes(length))
      if (byte < 252 && id.length < length) id += (byte % 36).toString(36)
  }
  return id
}
