import { DEFAULT_LIMITS, type Part, pureVerifier, silentLogger, splitUpdate } from '@onyx-sync/shared'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { createMemoryLog } from '../../server/src/adapters/memory-log.js'
import { checkEvent } from '../../server/src/core/check-event.js'
import { createLocalMerger } from '../../server/src/core/local-merger.js'
import { createMergedStates, type MergedDocument } from '../../server/src/core/merged-state.js'
import { chatAddressText, chatEvent, testKey } from '../support/events.js'
import { deflatedChat, hostileUpdate, value } from '../support/hostile-updates.js'
import { ingestOf } from '../support/ingest.js'
import { connect, runServer } from '../support/servers.js'

const mallory = testKey(3)

describe('what takes more memory than it was sent in', () => {
  it('[ATK15] an edit in parts unfolds to no more than its parts may take', async () => {
    const server = await runServer({ limits: { maxHeldBytes: 300_000 } })
    const client = await connect(server, mallory)
    const doc = new Y.Doc()
    doc.getArray('messages').push([new Y.Text('a'.repeat(600_000))])
    const pieces = splitUpdate(Y.encodeStateAsUpdate(doc), 60_000)
    const parts = pieces.map((update, index) => {
      const part: Part = { group: 'aabbccdd00112233', index, count: pieces.length }
      return chatEvent(mallory, { update, part })
    })
    const sentBytes = parts.reduce((sum, part) => sum + JSON.stringify(part).length, 0)
    expect(sentBytes).toBeLessThan(30_000)
    const answers: string[] = []
    for (const part of parts) answers.push((await client.publish(part)).reason)
    expect(answers.slice(0, -1).every((reason) => reason === '')).toBe(true)
    expect(answers.at(-1)).toMatch(/^invalid: .*unfold/)
    expect((await client.request('all', { kinds: [30001] })).events).toEqual([])
  })

  it('[ATK16] a loaded document counts as what it was unfolded to, struct by struct', async () => {
    const log = createMemoryLog()
    const ingest = ingestOf(log)
    const structs = Array.from({ length: 20_000 }, (_, index) => value('messages', index % 2))
    const event = deflatedChat(mallory, hostileUpdate([[1, 0, structs]]))
    expect(JSON.stringify(event).length).toBeLessThan(4_000)
    const checks = { keys: new Set([mallory.publicKey]), verifier: pureVerifier, limits: DEFAULT_LIMITS }
    const outcome = await new Promise((resolve) => ingest.submit(checkEvent(event, checks), resolve))
    expect(outcome).toBe('stored')
    const address = chatAddressText(mallory)
    const merger = createLocalMerger()
    const messages = async (doc: MergedDocument) => {
      const loaded = new Y.Doc()
      for (const update of (await doc.state()) ?? []) Y.applyUpdate(loaded, update)
      return loaded.getArray('messages').length
    }
    const roomy = createMergedStates({ log, logger: silentLogger, merger })
    expect(await roomy.read(address, messages)).toBe(20_000)
    expect(roomy.hotBytes).toBeGreaterThan(20_000 * 200)
    const other = createLocalMerger()
    const tight = createMergedStates({ log, logger: silentLogger, merger: other, maxHotBytes: 1 << 20 })
    expect(await tight.read(address, messages)).toBe(20_000)
    expect(tight.hotBytes).toBe(0)
  })
})
