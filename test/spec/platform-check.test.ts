import { checkPlatform, createMemoryStore, createSyncClient, type PlatformGlobals } from '@onyx-sync/client'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it, vi } from 'vitest'
import { testKey } from '../support/events.js'

const whole = globalThis as unknown as PlatformGlobals

/** React Native's own `URL`, whose getters throw. */
class HalfUrl {
  get protocol(): string {
    throw new Error('not implemented')
  }
}

describe('a platform', () => {
  it('[PLT1] that has everything is taken', () => {
    expect(() => checkPlatform()).not.toThrow()
  })

  it.each<[string, PlatformGlobals, RegExp]>([
    [
      'no crypto',
      { ...pick(), crypto: undefined },
      /lacks crypto\.getRandomValues \(import 'react-native-get-random/,
    ],
    ['an empty crypto', { ...pick(), crypto: {} }, /lacks crypto\.getRandomValues/],
    [
      'no TextDecoder',
      { ...pick(), TextDecoder: undefined },
      /lacks TextDecoder \(set it to that of 'text-encoding-polyfill'\)/,
    ],
    ['half a URL', { ...pick(), URL: HalfUrl }, /lacks URL \(import 'react-native-url-polyfill\/auto'\)/],
    ['nothing', {}, /crypto\.getRandomValues .*TextEncoder .*TextDecoder .*URL .*AbortController.*first in/],
  ])(
    '[PLT1] with %s is refused by the name of what it lacks, and how to add it',
    (_name, globals, message) => {
      expect(() => checkPlatform(globals)).toThrowError(
        expect.objectContaining({ code: 'PLATFORM_LACKING', message: expect.stringMatching(message) }),
      )
    },
  )

  it('[PLT1] is looked at before a database is touched', async () => {
    const store = createMemoryStore()
    const loadMeta = vi.spyOn(store, 'loadMeta')
    vi.stubGlobal('TextDecoder', undefined)
    try {
      const opening = createSyncClient({ store, signer: new PlainKeySigner(testKey(1).secretKey) })
      await expect(opening).rejects.toMatchObject({ code: 'PLATFORM_LACKING' })
    } finally {
      vi.unstubAllGlobals()
    }
    expect(loadMeta).not.toHaveBeenCalled()
  })
})

describe('importing the client', () => {
  it('[PLT2] says what is missing, where its dependencies would fail while they are loaded', async () => {
    const load = () => {
      vi.resetModules()
      return import('../../client/src/platform-at-import.js')
    }
    await expect(load()).resolves.toBeDefined()
    class NotFatal {
      constructor() {
        throw new Error("the 'fatal' option is unsupported")
      }
    }
    for (const TextDecoder of [undefined, NotFatal]) {
      vi.stubGlobal('TextDecoder', TextDecoder)
      try {
        await expect(load()).rejects.toThrow(/@onyx-sync\/client: this platform .*text-encoding-polyfill/)
      } finally {
        vi.unstubAllGlobals()
      }
    }
  })
})

function pick(): PlatformGlobals {
  const { crypto, TextEncoder, TextDecoder, URL, AbortController } = whole
  return { crypto, TextEncoder, TextDecoder, URL, AbortController }
}
