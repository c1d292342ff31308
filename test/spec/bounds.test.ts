import {
  chatAddress,
  DEFAULT_LIMITS,
  PLAIN_STATE_KIND,
  parseEvent,
  parsePlainState,
  SyncError,
  settingsAddress,
} from '@onyx-sync/shared'
import { createVirtualClock } from '@onyx-sync/testing'
import { PlainKeySigner } from 'nostr-tools/signer'
import { describe, expect, it, vi } from 'vitest'
import { signChecked } from '../../client/src/core/checked-signing.js'
import { createOneAnswer } from '../../client/src/core/one-answer.js'
import type { Session } from '../../client/src/core/session-api.js'
import { parseManifest } from '../../server/src/core/backup-manifest.js'
import { createFairQueue } from '../../server/src/core/fair-queue.js'
import { createRateLimits } from '../../server/src/core/rate-limits.js'
import { chatEvent, chatTemplate, sign, testKey } from '../support/events.js'

const alice = testKey(1)
const bob = testKey(2)

/** The code with which a call is refused. */
function codeOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof SyncError) return error.code
    throw error
  }
  return 'accepted'
}

describe('bounds of what is read and named', () => {
  it('[LIM1][WIR3] an event has so many tags, of strings of such a length, and none that is empty', () => {
    const event = chatEvent(alice)
    const withTag = (...tags: unknown[]) => codeOf(() => parseEvent({ ...event, tags }, DEFAULT_LIMITS))
    const { maxTags, maxTagValueLength } = DEFAULT_LIMITS
    const many = (count: number) => Array.from({ length: count }, () => ['x'])
    expect(withTag(...many(maxTags))).toBe('accepted')
    expect(withTag(...many(maxTags + 1))).toBe('TOO_LARGE')
    expect(withTag(['x', 'y'.repeat(maxTagValueLength)])).toBe('accepted')
    expect(withTag(['x', 'y'.repeat(maxTagValueLength + 1)])).toBe('TOO_LARGE')
    for (const wrong of [[], 'x', null, ['x', 1]]) expect(withTag(wrong)).toBe('EVENT_MALFORMED')
  })

  it('[EVT3] a device makes no chat id that the server would refuse', () => {
    const named = (id: string) => codeOf(() => chatAddress(alice.publicKey, id))
    expect(['x', 'y'.repeat(128), '😀'].map(named)).toEqual(['accepted', 'accepted', 'accepted'])
    for (const id of ['', 'y'.repeat(129), 'half \ud83d', '\ude00'])
      expect(named(id), JSON.stringify(id)).toBe('VALUE_INVALID')
  })

  it('[PLN3] a state of settings is its account’s own', () => {
    const { owner } = settingsAddress(alice.publicKey)
    const device = 'ab'.repeat(8)
    const stateBy = (key: typeof alice, identifier: string) =>
      sign(key, {
        kind: PLAIN_STATE_KIND,
        created_at: 1_700_000_000,
        tags: [
          ['d', identifier],
          ['a', `10001:${owner}:`],
          ['t', 'onyx-sync'],
          ['encoding', 'yjs'],
        ],
        content: 'AAECAAA=',
      })
    const read = (event: ReturnType<typeof stateBy>) => codeOf(() => parsePlainState(event, DEFAULT_LIMITS))
    expect(read(stateBy(alice, `settings/${device}`))).not.toBe('EVENT_TAGS_INVALID')
    for (const identifier of [`settings/${device}`, `settings/${device}/${owner}`])
      expect(read(stateBy(bob, identifier))).toBe('EVENT_TAGS_INVALID')
  })

  it('[BAK1] a manifest of a newer version, or that says nothing clear, is refused by name', () => {
    const file = { name: 'log', bytes: 1, sha256: 'ab'.repeat(32) }
    const reading = (value: unknown) => () => parseManifest(value, '/backups/may')
    expect(reading({ format: 1_000 })).toThrow(/newer version .*update onyx-sync/)
    for (const value of [
      null,
      1,
      {},
      { format: 1 },
      { format: 1, events: {}, log: file },
      { events: [file] },
    ])
      expect(reading(value)).toThrow(/the manifest of the backup in \/backups\/may can't be read/)
  })
})

describe('bounds of how much and how long', () => {
  it('[FAIR3] accounts take turns, however long one’s line has grown', () => {
    const queue = createFairQueue<string>()
    for (let index = 0; index < 3_000; index++) queue.push('loud', `loud ${index}`)
    for (let index = 0; index < 3; index++) queue.push('quiet', `quiet ${index}`)
    const taken: (string | undefined)[] = []
    while (!queue.isEmpty) {
      expect(queue.peek()).toBeDefined()
      taken.push(queue.shift())
    }
    expect(taken.slice(0, 7).map((item) => item?.split(' ')[0])).toEqual([
      ...['loud', 'quiet', 'loud', 'quiet', 'loud', 'quiet', 'loud'],
    ])
    const loud = taken.filter((item) => item?.startsWith('loud'))
    expect(loud).toEqual(Array.from({ length: 3_000 }, (_, index) => `loud ${index}`))
    expect([queue.peek(), queue.shift()]).toEqual([undefined, undefined])
  })

  it('[RATE1] who is gone for a minute has a full share again, and no more than that', async () => {
    const clock = createVirtualClock(0)
    const limits = createRateLimits({ limits: { ...DEFAULT_LIMITS, maxHandshakesPerMinute: 1 }, clock })
    const connections = ['a', 'b'].map((address) => {
      expect(limits.admit(address)).toBeUndefined()
      return limits.connect(address)
    })
    connections[0]?.end()
    expect(limits.admit('a')?.code).toBe('RATE_LIMITED')
    await clock.advance(61_000)
    for (const address of ['a', 'b']) {
      expect(limits.admit(address)).toBeUndefined()
      expect(limits.admit(address)?.code).toBe('RATE_LIMITED')
    }
  })

  it('[CKP4] what a signer signed for somebody else, or of something else, is not used', async () => {
    const template = chatTemplate(alice)
    const ask = (key: typeof alice, signed = template) =>
      signChecked(
        { ...new PlainKeySigner(key.secretKey), signEvent: async () => sign(key, signed) } as never,
        alice.publicKey,
        template,
        DEFAULT_LIMITS,
      )
    expect((await ask(alice)).pubkey).toBe(alice.publicKey)
    await expect(ask(bob)).rejects.toMatchObject({
      code: 'SIGNER_FAILED',
      message: expect.stringContaining(bob.publicKey),
    })
    const changed = { ...template, created_at: template.created_at + 1 }
    await expect(ask(alice, changed)).rejects.toMatchObject({ code: 'SIGNER_FAILED' })
  })

  it('[ATT3][HST3] a question to the server ends with a code where nothing can come of it', async () => {
    const clock = createVirtualClock(0)
    const shut = vi.fn()
    type Handlers = Parameters<Session['open']>[2]
    const opened: Handlers[] = []
    const status = { state: 'live', mode: 'sync' as 'sync' | 'plain' }
    const session = {
      status,
      shut,
      open: (_id: string, _filters: unknown, handlers: Handlers) => opened.push(handlers),
    }
    const ask = createOneAnswer({ clock, session: () => session as unknown as Session }, 'the history')
    const silent = ask({})
    const ended = ask({})
    opened[1]?.onClosed?.('error: reading failed')
    await expect(ended).rejects.toMatchObject({
      code: 'CONNECTION_FAILED',
      message: expect.stringContaining('reading failed'),
    })
    silent.catch(() => {})
    await clock.advance(31_000)
    await expect(silent).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
    expect(shut).toHaveBeenCalledTimes(2)
    status.mode = 'plain'
    await expect(ask({})).rejects.toMatchObject({ code: 'RELAY_UNSUITABLE' })
    status.state = 'offline'
    await expect(ask({})).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
  })
})
