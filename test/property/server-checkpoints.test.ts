import { createMemoryLog, type EventLog } from '@onyx-sync/server'
import { DEFAULT_LIMITS, hasSameBytes, type NostrEvent, pureVerifier } from '@onyx-sync/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { checkEvent } from '../../server/src/core/check-event.js'
import { change, copyOf, mergedFrom, updateOf } from '../support/chat-copy.js'
import { chatAddressText, chatEvent, membersOf, testKey } from '../support/events.js'
import { ingestOf } from '../support/ingest.js'

const owner = testKey(1)
const member = testKey(2)
const checks = {
  keys: new Set([owner.publicKey, member.publicKey]),
  verifier: pureVerifier,
  limits: DEFAULT_LIMITS,
}

/** What one of four devices does: two of the owner, two of a member. */
const step = fc.record({
  device: fc.nat(3),
  act: fc.constantFrom('append', 'delete', 'append', 'set', 'receive', 'checkpoint', 'publish-late'),
  at: fc.nat(1000),
})

async function eventsOf(log: EventLog): Promise<NostrEvent[]> {
  const events: NostrEvent[] = []
  for await (const page of log.documentLog(chatAddressText(owner), 0, log.head)) {
    const texts = await log.load(page.map(({ seq }) => seq))
    events.push(...texts.map((json) => JSON.parse(json as string) as NostrEvent))
  }
  return events
}

describe('checkpoints of several devices', () => {
  it('[CHK4][MRG1] lose nothing, whoever makes them and whenever', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const log = createMemoryLog()
        const ingest = ingestOf(log)
        const everything = new Y.Doc()
        const refused: string[] = []
        const submit = (event: NostrEvent) =>
          new Promise<void>((resolve) => {
            ingest.submit(checkEvent(event, checks), (outcome) => {
              if (outcome instanceof Error) refused.push(outcome.message)
              else Y.applyUpdate(everything, updateOf(event))
              resolve()
            })
          })
        const base = new Y.Doc()
        const first = change(base, (messages) => messages.push(['first']))
        await submit(chatEvent(owner, { members: membersOf(member), update: first }))
        const devices = [owner, owner, member, member].map((key) => ({
          key,
          doc: copyOf(first),
          unsent: [] as Uint8Array[],
        }))
        const publish = async ({ key, unsent }: (typeof devices)[0]) => {
          for (const update of unsent.splice(0)) {
            await submit(chatEvent(key, { owner, members: membersOf(member), update }))
          }
        }
        for (const { device, act, at } of steps) {
          const one = devices[device] as (typeof devices)[0]
          if (act === 'append' || act === 'delete' || act === 'set') {
            const update = change(one.doc, (messages) => {
              const index = at % (messages.length + 1)
              if (act === 'append') messages.insert(index, [`${device}:${at}`])
              else if (act === 'set') one.doc.getMap('metadata').set(`k${at % 3}`, at)
              else if (index < messages.length) messages.delete(index, 1)
            })
            one.unsent.push(update)
            if (at % 2 === 0) await publish(one)
          }
          if (act === 'receive')
            for (const event of await eventsOf(log)) Y.applyUpdate(one.doc, updateOf(event))
          if (act === 'publish-late') await publish(one)
          if (act === 'checkpoint') {
            // Everything of its own is with the server, and the copy may be far behind.
            await publish(one)
            const checkpoint = {
              owner,
              members: membersOf(member),
              update: Y.encodeStateAsUpdate(one.doc),
              checkpoint: true,
            }
            await submit(chatEvent(one.key, checkpoint))
          }
        }
        for (const one of devices) await publish(one)
        await ingest.stop()
        expect(refused).toEqual([])
        const merged = mergedFrom(await eventsOf(log))
        expect(merged.store.pendingStructs).toBeNull()
        expect(hasSameBytes(merged, everything)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})
