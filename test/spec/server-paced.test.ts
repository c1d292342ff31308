import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'
import { DEFAULT_LIMITS, silentLogger, systemClock } from '@onyx-sync/shared'
import { expect, it } from 'vitest'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { createTurns } from '../../server/src/adapters/turns.js'
import { createWorkerMerger } from '../../server/src/adapters/worker-merger.js'
import { createWebSocketListener } from '../../server/src/adapters/ws-listener.js'
import type { Peer } from '../../server/src/ports/peer.js'
import { afterThisTest } from '../support/after-test.js'
import { noise } from '../support/events.js'

/** A connection to a listener of its own, whose reader reads at once. */
async function connectedPeer(): Promise<{ peer: Peer; received: () => number }> {
  let accept: (peer: Peer) => void = () => {}
  const accepted = new Promise<Peer>((resolve) => {
    accept = resolve
  })
  const listener = createWebSocketListener({
    ...{ limits: DEFAULT_LIMITS, clock: systemClock, logger: silentLogger, compression: 'off' },
    admit: () => undefined,
    accept(peer) {
      accept(peer)
      return { account: () => undefined, receive() {}, notice() {}, end() {} }
    },
  })
  const http = createServer()
  http.on('upgrade', (request, socket, head) => listener.handleUpgrade(request, socket, head, '127.0.0.1'))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`)
  let received = 0
  client.on('message', (data: Buffer) => {
    received += data.byteLength
  })
  afterThisTest(async () => {
    client.terminate()
    await listener.close()
    http.close()
  })
  return { peer: await accepted, received: () => received }
}

it('[FAIR5] what a fast network took at once counts as queued until the event loop has gone round', async () => {
  const { peer, received } = await connectedPeer()
  const text = 'x'.repeat(100 * 1024)
  const sent = await new Promise<number>((resolve) => {
    peer.send(text)
    // The socket has written by then, in the same turn of the loop.
    process.nextTick(() => process.nextTick(() => process.nextTick(() => resolve(peer.queuedBytes()))))
  })
  expect(sent).toBeGreaterThanOrEqual(text.length)
  let turns = 0
  setImmediate(() => turns++)
  await peer.drained()
  expect(turns).toBeGreaterThan(0)
  await expect.poll(() => peer.queuedBytes()).toBe(0)
  await expect.poll(received).toBe(text.length)
  await peer.drained()
})

it('[FAIR5] large bytes that merging gives out are not copied, and can be given to it again', async () => {
  const script = new URL('../../server/dist/merge-worker.js', import.meta.url)
  const merger = createWorkerMerger({
    ...{ script: pathToFileURL(script.pathname), logger: silentLogger, maxSeconds: 60 },
  })
  afterThisTest(() => merger.close())
  const doc = new Y.Doc()
  for (let index = 0; index < 8; index++) doc.getMap('metadata').set(`k${index}`, noise(50_000))
  await merger.run('load', 1, [Y.encodeStateAsUpdate(doc)])
  const state = (await merger.run('state', 1, {})) ?? []
  expect(state.length).toBeGreaterThan(1)
  for (const piece of state) expect(piece.buffer).toBeInstanceOf(SharedArrayBuffer)
  const pieces = await merger.run('split', state[0] as Uint8Array, 120_000)
  expect(pieces.length).toBeGreaterThan(1)
  expect(pieces[0]?.buffer).toBeInstanceOf(SharedArrayBuffer)
  await merger.run('load', 2, [...pieces, ...state.slice(1)])
  expect((await merger.run('state', 2, {}))?.map((piece) => piece.byteLength)).toEqual(
    state.map((piece) => piece.byteLength),
  )
  const again = new Y.Doc()
  for (const piece of [...pieces, ...state.slice(1)]) Y.applyUpdate(again, piece)
  expect(again.getMap('metadata').toJSON()).toEqual(doc.getMap('metadata').toJSON())
})

it('[FAIR2] the event loop goes round more often while one says more than it is served and others say something', () => {
  let nowMs = 0
  const rounds: (() => void)[] = []
  const turns = createTurns({ now: () => nowMs, defer: (callback) => rounds.push(callback) })
  let handled: string[] = []
  const laneOf = (account: string) =>
    turns.open({
      account: () => account,
      setReading() {},
      handle() {
        nowMs += 0.5
        handled.push(account)
      },
    })
  const [noisy, quiet] = [laneOf('noisy'), laneOf('quiet')]
  const flood = (count: number) => {
    for (let index = 0; index < count; index++) noisy.push(Buffer.from('x'))
  }
  /** Messages of one round each. */
  const goRound = () => {
    const before = handled.length
    rounds.shift()?.()
    return handled.length - before
  }
  quiet.push(Buffer.from('x'))
  flood(3_000)
  expect([goRound(), goRound()]).toEqual([2, 2])
  quiet.push(Buffer.from('x'))
  handled = []
  expect(goRound()).toBe(2)
  expect(handled).toContain('quiet')
  // Nobody else has said anything for a while.
  for (let round = 0; round < 1_100; round++) goRound()
  flood(100)
  expect([goRound(), goRound()]).toEqual([10, 10])
})
