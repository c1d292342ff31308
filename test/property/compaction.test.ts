import type { OutboxEntry, StoreBatch, StoredUpdate } from '@onyx-sync/client'
import { hasPending, hasSameBytes, hasSameState, silentLogger } from '@onyx-sync/shared'
import { createSeededRandom, createVirtualClock } from '@onyx-sync/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { turnsOf } from '../../client/src/adapters/platform-turns.js'
import { createDocuments } from '../../client/src/core/documents.js'
import type { Documents } from '../../client/src/core/documents-api.js'
import { createProjection } from '../../client/src/model/projection.js'
import { createDeviceDisk } from '../../testing/src/disks.js'
import { createOwnedClock } from '../../testing/src/virtual-clock.js'
import { copyOf } from '../support/chat-copy.js'
import { remoteUpdate } from '../support/remote-update.js'

const OWNER = 'a'.repeat(64)
const ADDRESSES = ['x', 'y'].map((id) => `30001:${OWNER}:${id}`)

const step = fc.record({
  act: fc.constantFrom('edit', 'edit', 'erase', 'remote', 'remote', 'late', 'sign', 'wait', 'crash', 'full'),
  at: fc.nat(1_000),
})

/** Types into a chat, or takes something out of it: most of what was written is gone in the end. */
function scribble(doc: Y.Doc, at: number, isErasing: boolean): void {
  const list = doc.getArray<unknown>('messages')
  if (isErasing && list.length > 1) list.delete(at % (list.length - 1), 1)
  else list.insert(at % (list.length + 1), [new Y.Map([['content', new Y.Text(`some words ${at}`)]])])
  doc.getMap('metadata').set(`k${at % 3}`, `value ${at}`)
}

/** A device's documents on a disk that forgets nothing: it also keeps every row that was ever written. */
async function startDevice(seed: string) {
  const clock = createVirtualClock(0)
  const random = createSeededRandom(seed)
  const disk = createDeviceDisk(clock, random.fork('disk'))
  const everWritten: StoredUpdate[] = []
  let compactions = 0
  /** While something waited for what is missing. */
  let compactedTooEarly = 0
  const contents = disk.contents as { commit(batch: StoreBatch): Promise<void> }
  const commit = contents.commit.bind(contents)
  contents.commit = async (batch) => {
    await commit(batch)
    everWritten.push(...(batch.updates ?? []))
    for (const { update } of batch.compactions ?? []) {
      compactions++
      if (hasPending(copyOf(update))) compactedTooEarly++
    }
  }
  let starts = 0
  let documents: Documents
  /** As the outbox has them: on the disk, and not signed. */
  let unsigned: OutboxEntry[] = []

  async function start(): Promise<void> {
    const startedAs = ++starts
    unsigned = await disk.contents.loadOutbox()
    const ownClock = createOwnedClock(
      clock,
      () => 0,
      () => startedAs === starts,
    )
    const opening = createDocuments({
      pubkey: OWNER,
      store: disk.open(),
      createProjection,
      logger: silentLogger,
      clock: ownClock,
      turns: turnsOf(ownClock),
      random: random.fork(`start ${startedAs}`),
      maxLoaded: 1,
      compaction: { minBytes: 600, ratio: 0.5 },
      firstUnsigned: (address) => unsigned.find(({ lane }) => lane === address)?.seq,
      onCommitted: (put) => unsigned.push(...put),
      onFailed: () => {},
    })
    await clock.settle()
    documents = await opening
  }
  await start()

  return {
    clock,
    disk,
    everWritten,
    get documents() {
      return documents
    },
    get compactions() {
      return compactions
    },
    /** What an outbox does that has signed its oldest edits. */
    sign(count: number) {
      const signed = unsigned.splice(0, count)
      documents.journal.add({ outboxDelete: signed.map(({ id }) => id) })
      documents.journal.flush().catch(() => {})
    },
    async crash() {
      disk.crash()
      await clock.settle()
      await start()
    },
    /** Every promise about what is on the disk now. */
    async check() {
      expect(compactedTooEarly).toBe(0)
      for (const address of ADDRESSES) {
        const rows = await disk.contents.loadUpdates(address)
        const all = everWritten.filter((row) => row.address === address).map(({ update }) => update)
        const [doc, complete] = [copyOf(...rows.map(({ update }) => update)), copyOf(...all)]
        expect(hasSameState(doc, complete)).toBe(true)
        expect(hasSameBytes(doc, complete)).toBe(true)
        expect(doc.getArray('messages').toJSON()).toEqual(complete.getArray('messages').toJSON())
        expect(hasPending(doc)).toBe(hasPending(complete))
      }
      for (const { lane, seq, state } of await disk.contents.loadOutbox()) {
        if (state !== 'pending') continue
        const written = everWritten.find((row) => row.seq === seq)
        expect(await disk.contents.loadUpdateRange(lane, seq, seq)).toEqual([written])
      }
    },
  }
}

describe('compaction of the device’s log', () => {
  it('[CMP1][CMP2][CMP3][Y10][Y13] keeps text, state vector and deletions, whatever is under way and whenever it is killed', async () => {
    let compactions = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 90 }),
        fc.nat(1_000_000),
        async (steps, seed) => {
          const device = await startDevice(`compaction ${seed}`)
          const { clock, disk } = device
          const others = ADDRESSES.map((address) => ({ address, doc: new Y.Doc(), held: [] as Uint8Array[] }))
          for (const [index, { doc, held }] of others.entries()) {
            doc.clientID = 7 + index
            doc.on('update', (update: Uint8Array) => held.push(update))
          }
          const receive = (address: string, updates: readonly Uint8Array[]) => {
            const remotes = updates.map((update) => remoteUpdate(address, update))
            device.documents.applyRemote(remotes, () => ({})).catch(() => {})
          }
          for (const { act, at } of steps) {
            const other = others[at % 2] as (typeof others)[0]
            if (act === 'edit' || act === 'erase') {
              device.documents
                .edit(other.address, (doc) => scribble(doc, at, act === 'erase'))
                .catch(() => {})
            }
            if (act === 'remote' || act === 'late') {
              scribble(other.doc, at, at % 3 === 0)
              // A late one comes after those that build on it.
              const late = act === 'late' ? other.held.splice(-1, 1) : []
              receive(other.address, other.held.splice(0))
              other.held.push(...late)
            }
            if (act === 'sign') device.sign(1 + (at % 20))
            if (act === 'wait') await clock.advance(at % 400)
            if (act === 'full') disk.faults.refuse = at % 3 === 0 ? 0.6 : 0
            if (act === 'crash' && at % 2 === 0) await device.crash()
            if (at % 4 === 0) await device.check()
          }
          disk.faults.refuse = 0
          device.sign(Number.POSITIVE_INFINITY)
          for (let round = 0; round < 20; round++) await clock.advance(300)
          await device.check()
          compactions += device.compactions
        },
      ),
      { numRuns: 40 },
    )
    // Else it has shown nothing. How many there are, chance decides.
    expect(compactions).toBeGreaterThan(5)
  })
})
