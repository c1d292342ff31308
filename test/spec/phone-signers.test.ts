import { bytesToHex } from '@noble/hashes/utils.js'
import {
  createMemoryStore,
  createNip55Signer,
  createSyncClient,
  openStoredKeySigner,
  type SecretStorage,
  type SignerIntent,
} from '@onyx-sync/client'
import { pureVerifier } from '@onyx-sync/shared'
import { npubEncode } from 'nostr-tools/nip19'
import { finalizeEvent } from 'nostr-tools/pure'
import { describe, expect, it } from 'vitest'
import { testKey } from '../support/events.js'

const alice = testKey(1)
const template = { kind: 30001, created_at: 1_700_000_000, tags: [['d', 'chat']], content: 'x' }

function memoryStorage(): SecretStorage & { readonly items: Map<string, string> } {
  const items = new Map<string, string>()
  return {
    items,
    getItemAsync: async (name) => items.get(name) ?? null,
    setItemAsync: async (name, value) => void items.set(name, value),
    deleteItemAsync: async (name) => void items.delete(name),
  }
}

describe('a key in secret storage', () => {
  it('[SGN1] is made once, is the same after a restart, and signs', async () => {
    const storage = memoryStorage()
    const first = await openStoredKeySigner({ storage })
    expect(first.isNew).toBe(true)
    expect([...storage.items.keys()]).toEqual(['onyx-sync.secret-key'])
    const again = await openStoredKeySigner({ storage })
    expect(again.isNew).toBe(false)
    expect(await again.getPublicKey()).toBe(await first.getPublicKey())
    const event = await again.signEvent(template)
    expect(event).toMatchObject({ ...template, pubkey: await first.getPublicKey() })
    expect(() => pureVerifier.verify(event)).not.toThrow()
  })

  it('[SGN1] that is given is kept, and never takes the place of another', async () => {
    const storage = memoryStorage()
    const signer = await openStoredKeySigner({ storage, secretKey: alice.secretKey })
    expect(await signer.getPublicKey()).toBe(alice.publicKey)
    const other = openStoredKeySigner({ storage, secretKey: testKey(2).secretKey })
    await expect(other).rejects.toMatchObject({ code: 'KEY_INVALID', message: /another key under/ })
    expect([...storage.items.values()]).toEqual([bytesToHex(alice.secretKey)])
  })

  it('[SGN1] that is damaged is not replaced, and not shown', async () => {
    const storage = memoryStorage()
    storage.items.set('onyx-sync.secret-key', 'abc123-secret')
    const opening = openStoredKeySigner({ storage })
    await expect(opening).rejects.toMatchObject({ code: 'KEY_INVALID' })
    await expect(opening).rejects.not.toMatchObject({ message: expect.stringContaining('abc123') })
    expect([...storage.items.values()]).toEqual(['abc123-secret'])
  })

  it('[SGN1] is refused where the storage takes it and does not have it', async () => {
    const storage = { ...memoryStorage(), setItemAsync: async () => {} }
    await expect(openStoredKeySigner({ storage })).rejects.toMatchObject({ code: 'STORE_FAILED' })
  })

  it('[SGN1] that was taken away signs nothing more', async () => {
    const storage = memoryStorage()
    const signer = await openStoredKeySigner({ storage })
    storage.items.clear()
    await expect(signer.signEvent(template)).rejects.toMatchObject({ code: 'SIGNER_FAILED' })
  })
})

/** A signer app as NIP-55 has it. */
function signerApp({ isAsNpub = false } = {}) {
  const asked: SignerIntent[] = []
  let underWay = 0
  return {
    asked,
    answers: true,
    async launch(intent: SignerIntent) {
      asked.push(intent)
      expect(++underWay, 'apps at a time').toBe(1)
      await Promise.resolve()
      underWay--
      if (!this.answers) return { resultCode: 0 }
      if (intent.extra.type === 'get_public_key') {
        const result = isAsNpub ? npubEncode(alice.publicKey) : alice.publicKey
        return { resultCode: -1, extra: { result, package: 'com.example.signer' } }
      }
      const json = decodeURIComponent(intent.data.slice('nostrsigner:'.length))
      const { kind, created_at, tags, content } = JSON.parse(json) as typeof template
      const { sig, id } = finalizeEvent({ kind, created_at, tags, content }, alice.secretKey)
      return { resultCode: -1, extra: { result: sig, id } }
    },
  }
}

describe('another app that signs, by NIP-55', () => {
  it.each([false, true])(
    '[SGN2] tells its key once, and signs one event at a time (npub: %s)',
    async (isAsNpub) => {
      const app = signerApp({ isAsNpub })
      const signer = createNip55Signer({ launch: (intent) => app.launch(intent) })
      const events = await Promise.all([
        signer.signEvent(template),
        signer.signEvent({ ...template, content: 'ü&?' }),
      ])
      for (const event of events) expect(() => pureVerifier.verify(event)).not.toThrow()
      expect(await signer.getPublicKey()).toBe(alice.publicKey)
      expect(app.asked.map(({ extra }) => extra.type)).toEqual(['get_public_key', 'sign_event', 'sign_event'])
      expect(app.asked[1]).toMatchObject({
        packageName: 'com.example.signer',
        extra: { current_user: alice.publicKey },
      })
    },
  )

  it('[SGN2] that is closed has not signed, and is asked again later', async () => {
    const app = signerApp()
    const signer = createNip55Signer({ launch: (intent) => app.launch(intent), publicKey: alice.publicKey })
    app.answers = false
    await expect(signer.signEvent(template)).rejects.toMatchObject({ code: 'SIGNER_FAILED' })
    app.answers = true
    expect((await signer.signEvent(template)).pubkey).toBe(alice.publicKey)
  })

  it('[SGN2] that answers with something else is not believed', async () => {
    const launch = async () => ({ resultCode: -1, extra: { result: 'ok' } })
    await expect(createNip55Signer({ launch }).getPublicKey()).rejects.toMatchObject({
      code: 'SIGNER_FAILED',
    })
    const signer = createNip55Signer({ launch, publicKey: alice.publicKey })
    await expect(signer.signEvent(template)).rejects.toMatchObject({ code: 'SIGNER_FAILED' })
  })

  it('[SGN2] opens a device', async () => {
    const app = signerApp()
    const signer = createNip55Signer({ launch: (intent) => app.launch(intent) })
    const client = await createSyncClient({ store: createMemoryStore(), signer })
    const chat = await client.chats.create({ title: 'hello' })
    expect(chat.address).toContain(alice.publicKey)
    await client.close()
  })
})
