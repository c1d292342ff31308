import {
  DEFAULT_LIMITS,
  type NostrEvent,
  parseStateEvent,
  systemClock,
  systemRandom,
} from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { createLocalMerger } from '../../server/src/core/local-merger.js'
import { createStateSigner } from '../../server/src/core/state-signer.js'
import type { Merger } from '../../server/src/ports/merger.js'
import { chatAddressText, noise, sign, testKey } from '../support/events.js'

const server = testKey(9)
const address = chatAddressText(testKey(1))

function longState(): Uint8Array {
  const doc = new Y.Doc()
  for (let index = 0; index < 40; index++)
    doc.getArray('messages').push([new Y.Map([['content', noise(2_000, `${index}`)]])])
  return Y.encodeStateAsUpdate(doc)
}

function signerWith(merger: Merger, maxEventBytes: number) {
  return createStateSigner({
    merger,
    clock: systemClock,
    random: systemRandom,
    limits: { ...DEFAULT_LIMITS, maxEventBytes },
    signEvent: (template) => sign(server, template),
  })
}

describe('events that carry states', () => {
  it('[RPL4] the parts of a large document are made one by one, each while the one before it is on its way', async () => {
    const local = createLocalMerger()
    let made = 0
    const merger: Merger = {
      ...local,
      run: (name, ...args) => {
        if (name === 'stateTemplate') made++
        return local.run(name, ...args)
      },
    }
    const update = longState()
    const whole = new Y.Doc()
    let taken = 0
    for await (const json of signerWith(merger, 10_000).sign({
      documents: [{ address, updates: [update], stoodFor: [] }],
      done: 1,
      total: 1,
    })) {
      taken++
      // The first of them tries whether one event does.
      expect(made).toBeLessThanOrEqual(taken + 2)
      const { part, documents } = parseStateEvent(JSON.parse(json) as NostrEvent, DEFAULT_LIMITS)
      expect(part?.index).toBe(taken - 1)
      Y.applyUpdate(whole, documents[0]?.update as Uint8Array)
    }
    expect(taken).toBeGreaterThan(4)
    expect(Y.encodeStateAsUpdate(whole)).toEqual(update)
  })

  it('[RPL4] a state that is in pieces goes as these, and none of them is looked through', async () => {
    const local = createLocalMerger()
    const done: string[] = []
    const merger: Merger = {
      ...local,
      run: (name, ...args) => {
        done.push(name)
        return local.run(name, ...args)
      },
    }
    const doc = new Y.Doc()
    const updates = ['one', 'two', 'three'].map((text) => {
      const before = Y.encodeStateVector(doc)
      doc.getArray('messages').push([text])
      return Y.encodeStateAsUpdate(doc, before)
    })
    const parts: unknown[] = []
    const whole = new Y.Doc()
    const batch = { documents: [{ address, updates, stoodFor: [] }], done: 1, total: 1 }
    for await (const json of signerWith(merger, 100_000).sign(batch)) {
      const { part, documents } = parseStateEvent(JSON.parse(json) as NostrEvent, DEFAULT_LIMITS)
      parts.push([part?.index, part?.count])
      Y.applyUpdate(whole, documents[0]?.update as Uint8Array)
    }
    expect(parts).toEqual([0, 1, 2].map((index) => [index, 3]))
    expect(whole.getArray('messages').toJSON()).toEqual(['one', 'two', 'three'])
    expect(new Set(done)).toEqual(new Set(['stateTemplate']))
  })

  it('[RPL4][RPL7] what is lost on the way, or can not be cut, is told to whoever asked for it', async () => {
    const local = createLocalMerger()
    let left = 3
    const failing: Merger = {
      ...local,
      run: async (name, ...args) => {
        if (name === 'stateTemplate' && left-- === 0) throw new Error('lost')
        return local.run(name, ...args)
      },
    }
    const batch = { documents: [{ address, updates: [longState()], stoodFor: [] }], done: 1, total: 1 }
    const taken: string[] = []
    const take = async (signer: ReturnType<typeof signerWith>) => {
      for await (const json of signer.sign(batch)) taken.push(json)
    }
    await expect(take(signerWith(failing, 10_000))).rejects.toThrow('lost')
    expect(taken.length).toBeGreaterThan(0)
    await expect(take(signerWith(local, 300))).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })
})
