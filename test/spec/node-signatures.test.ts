import { createNodeSigner, createNodeVerifier, type SchnorrChoice } from '@onyx-sync/client/node'
import { bytesToHex, pureVerifier, silentLogger } from '@onyx-sync/shared'
import {
  createEventSigner,
  createEventVerifier,
  createNativeSigning,
  createPureSigning,
  type SchnorrSigning,
} from '@onyx-sync/shared/node'
import { describe, expect, it } from 'vitest'
import { sign, testKey } from '../support/events.js'
import { keepingLogger } from '../support/keeping-logger.js'
import { BIP340_VECTORS, nativeMissing, SCHNORRS, SIGNINGS } from '../support/verifiers.js'

const alice = testKey(1)
const secretHex = bytesToHex(alice.secretKey)
const template = {
  kind: 30001,
  created_at: 1_764_000_000,
  tags: [['d', 'ä\u2028']],
  content: '"\n\ud83d\ude00',
}
/** The order of the curve: the smallest number that is too large for a key. */
const ORDER = Buffer.from('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141', 'hex')

describe.each(Object.keys(SIGNINGS) as SchnorrChoice[])('a device on Node with the %s choice', (choice) => {
  const signing = SIGNINGS[choice] as SchnorrSigning

  it('[SIG7] checks with that, and says so', async () => {
    const logger = keepingLogger()
    const verifier = await createNodeVerifier({ choice, logger })
    const event = sign(alice, template)
    verifier.verify(event)
    expect(() => verifier.verify({ ...event, content: 'other' })).toThrow('SHA-256')
    expect(() => verifier.verify({ ...event, sig: 'f'.repeat(128) })).toThrow('sig is not')
    expect(verifier.name).toBe(SCHNORRS[choice]?.name)
    expect(logger.lines).toEqual([`info signatures are checked by {"verifier":"${verifier.name}"}`])
  })

  it('[SIG8] signs the test vectors of BIP-340 as they are', () => {
    const known = BIP340_VECTORS.filter(({ signedWith }) => signedWith !== undefined)
    expect(known).toHaveLength(4)
    for (const { name, signedWith, message, signature } of known) {
      const { secretKey, randomness } = signedWith as { secretKey: Buffer; randomness: Buffer }
      const key = signing.keep(secretKey)
      expect([name, bytesToHex(key.sign(message, randomness))]).toEqual([name, signature.toString('hex')])
    }
  })

  it('[SIG8] signs what all implementations find right, with fresh randomness each time', async () => {
    const logger = keepingLogger()
    const secretKey = Uint8Array.from(alice.secretKey)
    const making = createNodeSigner(secretKey, { choice, logger })
    // Whoever gives a key may forget it at once.
    secretKey.fill(0)
    const signer = await making
    expect(await signer.getPublicKey()).toBe(alice.publicKey)
    const signed = [await signer.signEvent(template), await signer.signEvent(template)]
    for (const event of signed) {
      expect(event).toEqual({ ...template, pubkey: alice.publicKey, id: signed[0]?.id, sig: event.sig })
      for (const schnorr of Object.values(SCHNORRS)) createEventVerifier(schnorr).verify(event)
      pureVerifier.verify(event)
    }
    expect(signed[0]?.sig).not.toBe(signed[1]?.sig)
    expect(signer.name).toBe(signing.name)
    expect(logger.lines).toEqual([`info events are signed by {"signer":"${signing.name}"}`])
  })

  it('[SIG8] takes no key that is none, and does not repeat it', async () => {
    for (const wrong of [new Uint8Array(32), ORDER, alice.secretKey.slice(1), new Uint8Array(33).fill(1)]) {
      const failed = await createNodeSigner(wrong, { choice }).catch((error: unknown) => error)
      expect(failed).toMatchObject({ code: 'KEY_INVALID' })
      expect(String(failed)).not.toContain(bytesToHex(wrong))
    }
    for (const wrong of [new Uint8Array(32), ORDER])
      expect(() => signing.keep(wrong)).toThrow('no secret key')
  })

  it('[SIG8] signs nothing with a key that it has forgotten', async () => {
    const signer = await createNodeSigner(alice.secretKey, { choice })
    await signer.signEvent(template)
    signer.forget()
    signer.forget()
    await expect(signer.signEvent(template)).rejects.toMatchObject({ code: 'SIGNER_FAILED' })
    // Nor does the implementation by itself, which is not to end the process either.
    const key = signing.keep(alice.secretKey)
    key.wipe()
    expect(() => key.sign(new Uint8Array(32), new Uint8Array(32))).toThrow()
  })

  it('[SIG8] signs nothing whose numbers NIP-01 can not write', async () => {
    const signer = await createNodeSigner(alice.secretKey, { choice })
    for (const fields of [{ created_at: 1.5 }, { created_at: Number.NaN }, { kind: 2 ** 60 }])
      await expect(signer.signEvent({ ...template, ...fields })).rejects.toThrow(RangeError)
  })
})

it.runIf(nativeMissing === undefined)(
  '[SIG7][SIG8] the native one is taken by itself where there is one',
  async () => {
    expect((await createNodeVerifier()).name).toMatch(/^libsecp256k1.* \(native\)$/)
    expect((await createNodeSigner(alice.secretKey)).name).toMatch(/^libsecp256k1.* \(native\)$/)
  },
)

it('[SIG7][SIG8] a choice that is none is refused', async () => {
  const choice = 'fast' as SchnorrChoice
  await expect(createNodeVerifier({ choice })).rejects.toMatchObject({ code: 'VALUE_INVALID' })
  await expect(createNodeSigner(alice.secretKey, { choice })).rejects.toMatchObject({ code: 'VALUE_INVALID' })
})

describe('an implementation that is missing or broken', () => {
  const pure = createPureSigning
  const { keep, name } = pure()
  const missing = () => createNativeSigning(['libnothing.so.1'])
  const broken = (given: Partial<SchnorrSigning>) => () => ({
    ...{ kind: 'native' as const, name: 'broken', keep },
    ...given,
  })
  const secretOf = (other: number) => testKey(other).secretKey
  const isAlice = (secretKey: Uint8Array) => bytesToHex(secretKey) === secretHex

  it('[SIG8] is passed over for the next, with a warning where it was asked for by name', async () => {
    const quiet = keepingLogger()
    const factories = { native: missing, pure }
    expect((await createEventSigner(alice.secretKey, { logger: quiet, factories })).name).toBe(name)
    expect(quiet.lines[0]).toMatch(/^info the native signer is not to be had.*libnothing\.so\.1/)
    const loud = keepingLogger()
    const signer = await createEventSigner(alice.secretKey, { choice: 'native', logger: loud, factories })
    expect(signer.name).toBe(name)
    expect(loud.lines[0]).toMatch(/^warn the native signer is not to be had/)
  })

  it.each<[string, () => SchnorrSigning, string]>([
    ['signs with another key', broken({ keep: () => keep(secretOf(2)) }), 'BIP-340 vector 1: it signs as'],
    [
      'leaves out the randomness',
      broken({
        keep(secretKey) {
          const key = keep(secretKey)
          return { ...key, sign: (message) => key.sign(message, new Uint8Array(32)) }
        },
      }),
      'BIP-340 vector 1: it signs as',
    ],
    [
      'takes no key',
      broken({
        keep() {
          throw new Error('out of memory')
        },
      }),
      'out of memory',
    ],
    [
      'is wrong with this key only',
      broken({ keep: (secretKey) => keep(isAlice(secretKey) ? secretOf(2) : secretKey) }),
      'its signature is wrong',
    ],
  ])(
    '[SIG8] is passed over with a warning that does not tell the key, when it %s',
    async (_, native, reason) => {
      const logger = keepingLogger()
      const { sign: signEvent, ...signer } = await createEventSigner(alice.secretKey, {
        logger,
        factories: { native, pure },
      })
      expect(signer.name).toBe(name)
      pureVerifier.verify(signEvent(template))
      expect(logger.lines[0]).toMatch(/^warn the native signer fails its self-test.*"signer":"broken"/)
      expect(logger.lines[0]).toContain(reason)
      expect(logger.lines.join()).not.toContain(secretHex)
    },
  )

  it('[SIG8] where none is right, nothing is signed, and no key is left', async () => {
    let isWiped = false
    const native = broken({
      keep(secretKey) {
        const key = keep(isAlice(secretKey) ? secretOf(2) : secretKey)
        return {
          ...key,
          wipe() {
            isWiped ||= isAlice(secretKey)
            key.wipe()
          },
        }
      },
    })
    const making = createEventSigner(alice.secretKey, { logger: silentLogger, factories: { native } })
    await expect(making).rejects.toThrow('its signature is wrong')
    expect(isWiped).toBe(true)
  })
})
