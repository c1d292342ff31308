import { containsUpdate, hasPending, hasSameState, type NostrEvent } from '@onyx-sync/shared'
import { createSeededRandom } from '@onyx-sync/testing'
import { expect, it } from 'vitest'
import * as Y from 'yjs'
import { change, mergedFrom } from '../support/chat-copy.js'
import { chatEvent, noise, testKey } from '../support/events.js'
import { SEED, withScope } from './plan.js'
import { freePort, isReadyLine, launchServer, sleep, waitForLine } from './processes.js'
import { openWire, type Wire } from './wire.js'

const KILLS = 8
const owner = testKey(140)

interface Sent {
  readonly event: NostrEvent
  readonly update: Uint8Array
}

it('[S6][CHK4] a server that is killed while checkpoints replace events loses nothing of a document', {
  timeout: 120_000,
}, async () => {
  await withScope(async (scope) => {
    const random = createSeededRandom(`${SEED}/checkpoints`)
    const data = scope.directory()
    const port = await freePort()
    const doc = new Y.Doc()
    /** What got OK. */
    const confirmed = new Y.Doc()
    /** Sent, and not answered: the same events go again. */
    let open: Sent[] = []

    function edit(): Sent {
      const update = change(doc, (messages) => {
        // Now and then so long that it fills several blocks of LevelDB's journal.
        const text = noise(random.chance(0.1) ? 50_000 : 30, `${random.next()}`)
        if (messages.length > 5 && random.chance(0.4)) messages.delete(random.below(messages.length), 1)
        else messages.push([text])
      })
      return { update, event: chatEvent(owner, { update }) }
    }

    function checkpoint(): Sent {
      const update = Y.encodeStateAsUpdate(doc)
      return { update, event: chatEvent(owner, { update, checkpoint: true }) }
    }

    async function publish(wire: Wire, sent: Sent): Promise<void> {
      const { accepted } = await wire.publish(sent.event)
      expect(accepted).toBe(true)
      Y.applyUpdate(confirmed, sent.update)
      open = open.filter((other) => other !== sent)
    }

    async function readLog(): Promise<NostrEvent[]> {
      const wire = await openWire(`ws://127.0.0.1:${port}/sync`, owner)
      const events = await wire.fetch({ kinds: [30001] })
      wire.cut()
      const merged = mergedFrom(events)
      expect(hasPending(merged)).toBe(false)
      expect(containsUpdate(merged, Y.encodeStateAsUpdate(confirmed))).toBe(true)
      return events
    }

    for (let kill = 0; kill < KILLS; kill++) {
      const child = launchServer(scope, data, port, {})
      await waitForLine(child, isReadyLine)
      await readLog()
      const wire = await openWire(`ws://127.0.0.1:${port}/sync`, owner)
      for (const sent of [...open]) await publish(wire, sent)
      for (let edits = 2 + random.below(8); edits > 0; edits--) {
        open.push(edit())
        await publish(wire, open[0] as Sent)
      }
      // Edits under way, and one checkpoint of all of it, when the server is killed.
      open.push(checkpoint(), edit(), checkpoint())
      const publishing = Promise.allSettled(open.map((sent) => publish(wire, sent)))
      await sleep(random.below(40))
      await child.kill()
      wire.cut()
      await publishing
    }
    const child = launchServer(scope, data, port, {})
    await waitForLine(child, isReadyLine)
    const wire = await openWire(`ws://127.0.0.1:${port}/sync`, owner)
    for (const sent of [...open]) await publish(wire, sent)
    await publish(wire, checkpoint())
    wire.cut()
    const log = await readLog()
    expect(hasSameState(mergedFrom(log), doc)).toBe(true)
    expect(log).toHaveLength(1)
  })
})
