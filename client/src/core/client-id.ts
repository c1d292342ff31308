import type { Random } from '@onyx-sync/shared'

/** 32 random bits: the space in which Yjs tells writers apart. */
export function createClientId(random: Random): number {
  const bytes = random.bytes(4)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
}
