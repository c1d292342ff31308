import { createMemoryLog, createSyncServer, type SyncServerOptions } from '@onyx-sync/server'
import { type NostrEvent, silentLogger } from '@onyx-sync/shared'
import {
  chooseVerifier,
  createEventVerifier,
  createNativeSchnorr,
  createPureSchnorr,
  type Schnorr,
} from '@onyx-sync/shared/node'
import { describe, expect, it } from 'vitest'
import { createVerifierPool } from '../../server/src/adapters/verifier-pool.js'
import type { SpreadVerifier } from '../../server/src/ports/spread-verifier.js'
import { afterThisTest } from '../support/after-test.js'
import { chatEvent, testKey, trainingEvent } from '../support/events.js'
import { keepingLogger } from '../support/keeping-logger.js'
import { connect, metricsOf, runServer } from '../support/servers.js'
import { BIP340_VECTORS, nativeMissing, SCHNORRS } from '../support/verifiers.js'

const alice = testKey(1)
const event = trainingEvent(alice)

describe.each(Object.entries(SCHNORRS))('the %s verifier', (choice, schnorr) => {
  const verifier = createEventVerifier(schnorr)

  it('[SIG1] answers the test vectors of BIP-340', () => {
    expect(BIP340_VECTORS).toHaveLength(15)
    for (const { name, signature, message, publicKey, isValid } of BIP340_VECTORS) {
      expect({ name, isValid: schnorr.verify(signature, message, publicKey) }).toEqual({ name, isValid })
    }
  })

  it.each<[string, string, Partial<Record<keyof NostrEvent, unknown>>]>([
    ['an empty id', 'EVENT_ID_MISMATCH', { id: '' }],
    ['a cut id', 'EVENT_ID_MISMATCH', { id: event.id.slice(0, 62) }],
    ['an id in upper case', 'EVENT_ID_MISMATCH', { id: event.id.toUpperCase() }],
    ['a time as text', 'EVENT_ID_MISMATCH', { created_at: String(event.created_at) }],
    ['a kind as text', 'EVENT_ID_MISMATCH', { kind: '1' }],
    ['other content', 'EVENT_ID_MISMATCH', { content: 'other' }],
    ['an empty signature', 'EVENT_SIGNATURE_INVALID', { sig: '' }],
    ['a cut signature', 'EVENT_SIGNATURE_INVALID', { sig: event.sig.slice(0, 126) }],
    ['a signature that is too long', 'EVENT_SIGNATURE_INVALID', { sig: `${event.sig}00` }],
    ['a signature in upper case', 'EVENT_SIGNATURE_INVALID', { sig: event.sig.toUpperCase() }],
    ['the signature of another event', 'EVENT_SIGNATURE_INVALID', { sig: trainingEvent(alice, 'b').sig }],
    ['a signature of ones', 'EVENT_SIGNATURE_INVALID', { sig: 'f'.repeat(128) }],
  ])('[SIG2] refuses %s, also right after the event itself', (_, code, fields) => {
    verifier.verify(event)
    expect(() => verifier.verify({ ...event, ...fields } as NostrEvent)).toThrowError(
      expect.objectContaining({ code }),
    )
    verifier.verify(event)
  })

  it('[SIG2] takes an event of a megabyte', () => {
    verifier.verify(trainingEvent(alice, 'a'.repeat(1_000_000)))
  })

  it('[SIG3] serves a server by itself, which names it in its log and its metrics', async () => {
    const logger = keepingLogger()
    const server = await runServer({ verifier: choice as 'pure', logger })
    const client = await connect(server, alice)
    expect((await client.publish(chatEvent(alice))).accepted).toBe(true)
    const forged = { ...chatEvent(alice), sig: event.sig }
    expect(await client.publish(forged)).toMatchObject({ accepted: false, reason: /^invalid: sig/ })
    expect(logger.lines).toContain(`info signatures are checked by {"verifier":"${schnorr.name}"}`)
    expect(logger.lines.filter((line) => line.startsWith('warn'))).toEqual([])
    expect(await metricsOf(server)).toContain(`\nonyx_sync_verifier_info{name="${schnorr.name}"} 1\n`)
  })

  it('[SIG5] is what the server signs with, too, and all others find that right', async () => {
    const logger = keepingLogger()
    const server = await runServer({ verifier: choice as 'pure', logger })
    const client = await connect(server, alice)
    for (let count = 0; count < 12; count++) await client.publish(chatEvent(alice))
    const { events } = await client.request('new', { kinds: [30001], after: '' })
    const [state] = events.filter(({ kind }) => kind === 20002) as [NostrEvent]
    expect(state.pubkey).not.toBe(alice.publicKey)
    for (const other of Object.values(SCHNORRS)) createEventVerifier(other).verify(state)
    expect(() => verifier.verify({ ...state, content: '' })).toThrow()
    expect(logger.lines).toContain(`info events are signed by {"signer":"${schnorr.name}"}`)
    expect(logger.lines.filter((line) => line.startsWith('warn'))).toEqual([])
  })
})

it.runIf(nativeMissing === undefined)(
  '[SIG3] takes the native one by itself where there is one',
  async () => {
    const verifier = await chooseVerifier('auto', silentLogger)
    expect(verifier.name).toMatch(/^libsecp256k1.* \(native\)$/)
  },
)

describe('a verifier that is missing or broken', () => {
  const pure = createPureSchnorr
  const missing = () => createNativeSchnorr(['libnothing.so.1'])
  const liar = () => ({ kind: 'native' as const, name: 'liar', verify: () => true })
  const thrower = () => ({
    kind: 'native' as const,
    name: 'thrower',
    verify() {
      throw new Error('no')
    },
  })

  it('[SIG4] is passed over for the next, with a warning where it was asked for by name', async () => {
    const quiet = keepingLogger()
    expect((await chooseVerifier('auto', quiet, { native: missing, pure })).name).toBe(pure().name)
    expect(quiet.lines[0]).toMatch(/^info the native verifier is not to be had.*libnothing\.so\.1/)
    const loud = keepingLogger()
    expect((await chooseVerifier('native', loud, { native: missing, pure })).name).toBe(pure().name)
    expect(loud.lines[0]).toMatch(/^warn the native verifier is not to be had/)
  })

  it.each([
    ['says yes to everything', liar, 'it says true'],
    ['throws', thrower, 'it throws Error: no'],
  ])('[SIG4] is passed over with a warning when it %s', async (_, broken, reason) => {
    const logger = keepingLogger()
    const verifier = await chooseVerifier('auto', logger, { native: broken, pure })
    expect(verifier.name).toBe(pure().name)
    expect(logger.lines[0]).toMatch(/^warn the native verifier fails its self-test/)
    expect(logger.lines[0]).toContain(reason)
  })

  it('[SIG4] where none is right, nothing is served', async () => {
    await expect(chooseVerifier('auto', silentLogger, { native: liar })).rejects.toThrow('it says true')
  })

  it('[SIG3] a name that is none is refused when the server is made', () => {
    const options = { log: createMemoryLog(), verifier: 'fast' } as unknown as SyncServerOptions
    expect(() => createSyncServer(options)).toThrowError(/^verifier must be .*auto.*native.*wasm.*pure.*fast/)
  })
})

describe('threads that check along', () => {
  const WORKER = new URL('../../server/dist/verify-worker.js', import.meta.url)
  const { wasm } = SCHNORRS as { readonly wasm: Schnorr }

  function poolOf(script: URL, threads = 2) {
    const pool = createVerifierPool({ schnorr: wasm, script, threads, logger: silentLogger })
    afterThisTest(() => pool.close())
    return pool
  }

  /** Events of which every third is not what its author signed, each in another way. */
  function mixed(count: number): NostrEvent[] {
    return Array.from({ length: count }, (_, index) => {
      const own = trainingEvent(alice, `note ${index}`)
      if (index % 3 !== 1) return own
      const wrong = [
        { sig: event.sig },
        { content: 'other' },
        { sig: 'f'.repeat(128) },
        { id: '' },
        { pubkey: testKey(2).publicKey },
        { sig: own.sig.slice(2) },
      ]
      return { ...own, ...wrong[((index / 3) % wrong.length) | 0] }
    })
  }

  const outcome = (work: () => unknown): unknown => {
    try {
      work()
      return 'ok'
    } catch (error) {
      return (error as { code?: unknown }).code
    }
  }
  const outcomes = async (pool: SpreadVerifier, events: readonly NostrEvent[]) =>
    (await Promise.allSettled(events.map((one) => pool.later(one)))).map((result) =>
      result.status === 'fulfilled' ? 'ok' : (result.reason as { code?: unknown }).code,
    )

  it.each([1, 2, 5, 16, 200])(
    '[SIG6] say of %i events what a check of each by itself says',
    async (count) => {
      const events = mixed(count)
      const expected = events.map((one) => outcome(() => createEventVerifier(wasm).verify(one)))
      const pool = poolOf(WORKER)
      expect(await outcomes(pool, events)).toEqual(expected)
      // Again, with threads that have begun.
      expect(await outcomes(pool, events)).toEqual(expected)
    },
  )

  it.each([
    ['ends when it is asked', 'process.exit(3)'],
    ['fails when it is asked', 'throw new Error("no")'],
  ])('[SIG6] one that %s costs nobody an answer', async (_, does) => {
    const script = `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => { ${does} })`
    const pool = poolOf(new URL(`data:text/javascript,${encodeURIComponent(script)}`))
    const events = mixed(100)
    const expected = events.map((one) => outcome(() => createEventVerifier(wasm).verify(one)))
    for (let again = 0; again < 4; again++) expect(await outcomes(pool, events)).toEqual(expected)
  })

  it('[SIG6][MRG3] events are decided, and questions answered, in the order in which they came', async () => {
    const server = await runServer({ verifier: 'wasm' })
    const client = await connect(server, alice)
    const events = mixed(90)
    const isRight = (_: unknown, index: number) => index % 3 !== 1
    for (const [index, one] of events.entries()) {
      client.send('EVENT', one)
      if (index === 44) client.send('COUNT', 'half', { kinds: [1] })
    }
    await client.waitFor(([type, id]) => type === 'OK' && id === events[89]?.id)
    await client.waitFor(([type, id]) => type === 'COUNT' && id === 'half')
    const answers = client.messages.filter(([type]) => type === 'OK').slice(1)
    const idsOf = (accepted: boolean) =>
      answers.filter(([, , isTaken]) => isTaken === accepted).map(([, id]) => id)
    expect(idsOf(true)).toEqual(events.filter(isRight).map(({ id }) => id))
    expect(idsOf(false)).toEqual(events.filter((_, index) => !isRight(_, index)).map(({ id }) => id))
    client.send('COUNT', 'all', { kinds: [1] })
    const counted = await client.waitFor(([type, id]) => type === 'COUNT' && id === 'all')
    expect(counted[2]).toEqual({ count: 60 })
  })
})
