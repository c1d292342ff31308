import { DEFAULT_LIMITS, type Limits, SyncError } from '@onyx-sync/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import type { Merger } from '../../server/src/ports/merger.js'
import { chatAddressText, chatEvent, testKey } from '../support/events.js'

/** What every merger must do, whether in this thread or in another. */
export function describeMerger(name: string, create: () => Merger): void {
  describe(`merger: ${name}`, () => {
    const alice = testKey(1)
    const address = chatAddressText(alice)
    let merger: Merger
    beforeEach(() => {
      merger = create()
    })
    afterEach(() => merger.close())

    const updateOf = (edit: (doc: Y.Doc) => void): Uint8Array => {
      const doc = new Y.Doc()
      edit(doc)
      return Y.encodeStateAsUpdate(doc)
    }
    const say = (text: string) => updateOf((doc) => doc.getArray('messages').push([text]))
    const stored = (update: Uint8Array) => JSON.stringify(chatEvent(alice, { update }))
    const textsOf = (...updates: readonly Uint8Array[]) => {
      const doc = new Y.Doc()
      for (const update of updates) Y.applyUpdate(doc, update)
      return doc.getArray('messages').toJSON()
    }

    it('holds documents apart, merges stored events, and tells which it can not read', async () => {
      expect(await merger.run('load', 1, undefined)).toEqual({ structs: 0, isPending: false })
      expect(await merger.run('load', 2, [say('two')])).toEqual({ structs: 1, isPending: false })
      const applied = await merger.run('apply', 1, [stored(say('one')), '{', stored(say('more'))])
      expect(applied).toMatchObject({ structs: 2, isPending: false, failed: [{ index: 1 }] })
      expect(textsOf(...((await merger.run('state', 1, {})) ?? [])).sort()).toEqual(['more', 'one'])
      expect(textsOf(...((await merger.run('state', 2, {})) ?? []))).toEqual(['two'])
      await merger.run('drop', 2)
      await expect(merger.run('state', 2, {})).rejects.toThrow()
    })

    it('gives no state where something is pending or it costs too much', async () => {
      const doc = new Y.Doc()
      doc.getArray('messages').push(['first'])
      const vector = Y.encodeStateVector(doc)
      doc.getArray('messages').push(['second'])
      expect((await merger.run('load', 1, [Y.encodeStateAsUpdate(doc, vector)])).isPending).toBe(true)
      expect(await merger.run('state', 1, {})).toBeUndefined()
      await merger.run('load', 2, [say('x'.repeat(100))])
      expect(await merger.run('state', 2, { maxWireBytes: 50 })).toBeUndefined()
      expect(await merger.run('state', 2, { maxWireBytes: 500 })).toHaveLength(1)
    })

    it('compares, and throws what refuses an update with its code', async () => {
      const update = say('one')
      await merger.run('load', 1, [update])
      expect(await merger.run('compare', 1, address, update, [])).toEqual({
        bringsNews: false,
        newWriters: [],
      })
      const other = say('other')
      const { bringsNews, newWriters } = await merger.run('compare', 1, address, other, [])
      expect([bringsNews, newWriters.length]).toEqual([true, 1])
      expect(await merger.run('compare', 1, address, other, [other])).toEqual({
        bringsNews: false,
        newWriters: [],
      })
      const forged = (text: string) =>
        updateOf((doc) => {
          doc.clientID = 7
          doc.getArray('messages').push([text])
        })
      await merger.run('load', 2, [forged('a')])
      await expect(merger.run('compare', 2, address, forged('b'), [])).rejects.toMatchObject({
        name: 'SyncError',
        code: 'UPDATE_INVALID',
      })
    })

    it('decodes an event, or says by its code what is wrong with it', async () => {
      const event = chatEvent(alice, { update: say('one') })
      const { content, owner } = await merger.run('decode', event, DEFAULT_LIMITS)
      expect([content.address, owner, textsOf(content.framed.update)]).toEqual([
        address,
        alice.publicKey,
        ['one'],
      ])
      const tight: Limits = { ...DEFAULT_LIMITS, maxUpdateBytes: 4 }
      await expect(merger.run('decode', event, tight)).rejects.toSatisfy(
        (error) => error instanceof SyncError && error.code === 'TOO_LARGE',
      )
    })

    it('tells what events bring without their document, where it is not too much', async () => {
      const doc = new Y.Doc()
      doc.getArray('messages').push(['before'])
      const before = Y.encodeStateAsUpdate(doc)
      const edits: string[] = []
      doc.on('update', (update: Uint8Array) => edits.push(stored(update)))
      for (const text of ['one', 'two', 'x'.repeat(2_000)]) doc.getArray('messages').push([text])
      const union = (await merger.run('union', edits, 100_000)) as Uint8Array
      const reader = new Y.Doc()
      Y.applyUpdate(reader, before)
      Y.applyUpdate(reader, union)
      expect(reader.getArray('messages').toJSON()).toEqual(doc.getArray('messages').toJSON())
      expect(await merger.run('union', [...edits, '{'], 100_000)).toBeUndefined()
      expect(await merger.run('union', edits, 20)).toBeUndefined()
      expect(await merger.run('fits', [union], 100_000)).toBe(true)
      expect(await merger.run('fits', [union], 20)).toBe(false)
    })

    it('puts parts together, and forgets them where they are too many', async () => {
      const parts = ['one', 'two', 'three'].map((text) => chatEvent(alice, { update: say(text) }))
      for (const part of parts) await merger.run('gather', 1, part, 10_000)
      expect(textsOf((await merger.run('join', 1)).framed.update).sort()).toEqual(['one', 'three', 'two'])
      await expect(merger.run('join', 1)).rejects.toThrow()
      await merger.run('gather', 2, parts[0] as (typeof parts)[number], 10_000)
      await merger.run('scatter', 2)
      await expect(merger.run('join', 2)).rejects.toThrow()
    })

    it('does one thing after another, in the order in which they were asked', async () => {
      await merger.run('load', 1, undefined)
      const order: number[] = []
      const asked = Array.from({ length: 20 }, async (_, index) => {
        const { structs } = await merger.run('apply', 1, [stored(say(`${index}`))])
        order.push(index)
        return structs
      })
      expect(await Promise.all(asked)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
      expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index))
    })

    it('finishes what was asked before it closes, and takes nothing then', async () => {
      const asked = merger.run('load', 1, [say('one')])
      await merger.close()
      expect(await asked).toMatchObject({ structs: 1 })
      await expect(merger.run('load', 2, undefined)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    })
  })
}
