import { createMemoryStore, createSyncClient } from '@onyx-sync/client'
import { type Random, systemRandom } from '@onyx-sync/shared'
import { createSeededRandom } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { testKey } from '../support/events.js'

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a random source that is too weak', () => {
  const open = (random: Random, store = createMemoryStore()) =>
    createSyncClient({ store, random, signer: new PlainKeySigner(testKey(1).secretKey) })
  const fromWords = (word: (n: number) => number): Random => {
    let n = 0
    return {
      next: () => 0.5,
      bytes(length) {
        const bytes = new Uint8Array(Math.ceil(length / 4) * 4)
        const view = new DataView(bytes.buffer)
        for (let at = 0; at < bytes.length; at += 4) view.setUint32(at, word(n++))
        return bytes.subarray(0, length)
      },
    }
  }

  it('[YJS1][Y15] refuses one that yields bytes where words are wanted, and leaves the database alone', async () => {
    const store = createMemoryStore()
    await expect(
      open(
        fromWords((n) => (n * 37) % 256),
        store,
      ),
    ).rejects.toMatchObject({ code: 'RANDOM_WEAK' })
    expect(await store.loadMeta()).toEqual({})
  })

  it('[YJS1][Y15] refuses one that always yields the same', async () => {
    await expect(open(fromWords(() => 0xdeadbeef))).rejects.toMatchObject({ code: 'RANDOM_WEAK' })
  })

  it('[YJS1][Y15] accepts a good one', async () => {
    for (let seed = 0; seed < 20; seed++) await open(createSeededRandom(`random ${seed}`))
    await open(systemRandom)
  })

  it('[YJS1][Y15] repairs a stand-in for getRandomValues that puts a byte into each element', () => {
    const real = crypto.getRandomValues.bind(crypto)
    vi.spyOn(crypto, 'getRandomValues').mockImplementation((array) => {
      const elements = array as unknown as Uint8Array
      const bytes = real(new Uint8Array(elements.length))
      for (const [index, byte] of bytes.entries()) elements[index] = byte
      return array
    })
    const draws = Array.from({ length: 64 }, () => systemRandom.next())
    expect(Math.max(...draws)).toBeGreaterThan(0.5)
    expect(Math.max(...draws)).toBeLessThan(1)
  })
})
