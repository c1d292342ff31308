import { createUpgradingVerifier } from '@onyx-sync/client'
import { createSchnorrVerifier, type EventVerifier, pureVerifier } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import { createPureSchnorr } from '../../shared/src/node/pure-schnorr.js'
import { sign, testKey } from '../support/events.js'

const event = sign(testKey(1), { kind: 1, created_at: 1_764_000_000, tags: [], content: 'hello' })
const forged = { ...event, content: 'hullo' }

const { verify: verifySchnorr } = createPureSchnorr()

describe('a verifier that is loaded', () => {
  it('[SIG7] checks with JavaScript until it is there, and is asked for with the first check', async () => {
    let give: (verifier: EventVerifier) => void = () => {}
    let asked = 0
    const verifier = createUpgradingVerifier({
      load() {
        asked++
        return new Promise((resolve) => {
          give = resolve
        })
      },
    })
    expect(asked).toBe(0)
    verifier.verify(event)
    expect(() => verifier.verify(forged)).toThrow('SHA-256')
    expect([asked, verifier.name]).toEqual([1, pureVerifier.name])
    const checked: string[] = []
    const faster = createSchnorrVerifier('faster', verifySchnorr)
    give({
      name: faster.name,
      verify(given) {
        checked.push(given.id)
        faster.verify(given)
      },
    })
    await Promise.resolve()
    verifier.verify(event)
    expect(() =>
      verifier.verify({ ...event, sig: event.sig.replace(/^./, (c) => (c === '0' ? '1' : '0')) }),
    ).toThrow('sig is not')
    expect([asked, verifier.name, checked]).toEqual([1, 'faster', [event.id, event.id]])
  })

  it('[SIG7] stays with JavaScript where it cannot be loaded, and says why', async () => {
    const reasons: string[] = []
    const verifier = createUpgradingVerifier({
      load: () => Promise.reject(new Error('no network')),
      onFailed: (reason) => reasons.push(reason),
    })
    verifier.verify(event)
    await Promise.resolve()
    await Promise.resolve()
    verifier.verify(event)
    expect(() => verifier.verify(forged)).toThrow('SHA-256')
    expect([verifier.name, reasons]).toEqual([pureVerifier.name, ['Error: no network']])
  })

  it.each([
    ['finds everything right', () => true],
    ['finds nothing right', () => false],
    [
      'throws',
      () => {
        throw new Error('out of memory')
      },
    ],
  ])('[SIG7][SIG4] is none where it %s', (_, verify) => {
    expect(() => createSchnorrVerifier('broken', verify)).toThrow('broken fails its self-test')
  })
})
