import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { sign, type TestKey, testKey } from '../support/events.js'
import { startDevice } from './orders.js'
import { BrokenPromise } from './plan.js'
import { freePort, type Scope, sleep, startCrashServer, until } from './processes.js'
import { viewServer } from './server-view.js'
import { openWire } from './wire.js'

const HEARTBEAT = { afterMs: 300, timeoutMs: 700 }
/** Pinging takes a second; the rest is for a machine that is busy with other things. Milliseconds. */
const NOTICE_MS = 15_000

/** What a run came to. */
export interface ZombieReport {
  /** From the stop to the device's noticing. */
  readonly noticedMs: number
  /** From the replaced connection, or the going on, to all being saved. */
  readonly healedMs: number
}

/** A server that is stopped, not killed: its sockets stay open and say nothing. */
export async function runStoppedServer(scope: Scope, deviceFault?: string): Promise<ZombieReport> {
  const key = testKey(120)
  const directory = scope.directory()
  const server = await startCrashServer(scope, join(directory, 'server'), await freePort())
  const device = await startDevice(
    scope,
    { name: 'd', db: join(directory, 'd.db'), key, url: server.url, heartbeat: HEARTBEAT },
    { fault: deviceFault },
  )
  const before = await device.edit()
  if (!(await device.synced(NOTICE_MS))) throw new Error('the device does not sync')
  const from = device.place
  server.child.signal('SIGSTOP')
  const stoppedAt = Date.now()
  const during = await device.edit()
  const afterEdit = device.place
  await noticed('C9', 'that its server is stopped', () =>
    device.linesOf('status', from).some((line) => line[1] === 'waiting'),
  )
  const noticedMs = Date.now() - stoppedAt
  if (device.linesOf('saved', afterEdit).length > 0) {
    throw new BrokenPromise('C8', 'an edit was reported as saved by a server that was stopped')
  }
  server.child.signal('SIGCONT')
  const healingAt = Date.now()
  if (!(await device.synced(60_000))) throw new BrokenPromise('C9', 'the device does not come back')
  await expectOnServer(server.url, key, [before, during])
  return { noticedMs, healedMs: Date.now() - healingAt }
}

/** A connection that is dead while the way is free for another: as after a phone's sleep. */
export async function runDeadConnection(scope: Scope): Promise<ZombieReport> {
  const key = testKey(121)
  const directory = scope.directory()
  const [port, frontPort] = [await freePort(), await freePort()]
  const url = `ws://127.0.0.1:${frontPort}/sync`
  const server = await startCrashServer(scope, join(directory, 'server'), port, {}, ['--url', url])
  const front = await startFront(scope, frontPort, port)
  const device = await startDevice(scope, {
    name: 'd',
    db: join(directory, 'd.db'),
    key,
    url,
    heartbeat: HEARTBEAT,
  })
  const before = await device.edit()
  if (!(await device.synced(NOTICE_MS))) throw new Error('the device does not sync')
  const from = device.place
  front.freeze()
  const frozenAt = Date.now()
  const during = await device.edit()
  await noticed('C9', 'that its connection is dead', () =>
    device.linesOf('status', from).some((line) => line[1] === 'waiting'),
  )
  const noticedMs = Date.now() - frozenAt
  const healingAt = Date.now()
  if (!(await device.synced(60_000)))
    throw new BrokenPromise('C9', 'the device does not replace the connection')
  await expectOnServer(url, key, [before, during])
  await server.child.kill()
  return { noticedMs, healedMs: Date.now() - healingAt }
}

async function noticed(id: string, what: string, isNoticed: () => boolean): Promise<void> {
  await until(`the device notices ${what}`, isNoticed, NOTICE_MS).catch((error: unknown) => {
    throw new BrokenPromise(id, String(error))
  })
}

async function expectOnServer(
  url: string,
  key: TestKey,
  edits: readonly { readonly cell: string; readonly text: string; readonly error?: string }[],
): Promise<void> {
  const view = await viewServer(url, [key])
  for (const { cell, text, error } of edits) {
    if (error !== undefined) throw new BrokenPromise('C9', `an edit failed: ${error}`)
    if (view.look(cell) !== text) throw new BrokenPromise('C8', `${cell} was reported as saved and is not`)
  }
}

/** A way to the server on which connections can be frozen: open for both ends, and carrying nothing. */
async function startFront(scope: Scope, port: number, target: number): Promise<{ freeze(): void }> {
  const pairs = new Set<readonly [Socket, Socket]>()
  const server = createServer((inbound) => {
    const outbound = connect(target, '127.0.0.1')
    const pair = [inbound, outbound] as const
    pairs.add(pair)
    inbound.pipe(outbound)
    outbound.pipe(inbound)
    for (const socket of pair) {
      socket.on('error', () => {})
      socket.on('close', () => {
        if (!pairs.delete(pair)) return
        for (const other of pair) other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  scope.defer(() => {
    server.close()
    for (const pair of [...pairs, ...frozen]) for (const socket of pair) socket.destroy()
  })
  const frozen: (readonly [Socket, Socket])[] = []
  return {
    freeze() {
      for (const pair of pairs) {
        const [inbound, outbound] = pair
        inbound.unpipe(outbound)
        outbound.unpipe(inbound)
        for (const socket of pair) socket.pause()
        frozen.push(pair)
      }
      // Closing one end no longer closes the other.
      pairs.clear()
    },
  }
}

/** What a run came to. */
export interface StoppedDeviceReport {
  readonly sentMegabytes: number
  /** The most memory it took while the first half came, and while the second did. */
  readonly highestMegabytes: readonly number[]
  /** The slowest answer that another account got meanwhile. */
  readonly slowestOkMs: number
  /** From the stop to the end of the device's connection. */
  readonly droppedMs: number
}

const FLOOD_EVENTS = 220
const FLOOD_CHARACTERS = 950_000
/**
 * By how much the server may grow while the second half comes: reading and storing such events takes some
 * memory for a while, so the first half shows how much. A server that keeps all would grow by the half and
 * more; one that doesn't may still fill the stopped device's queue (32 MB) and put off collecting garbage.
 */
const MAX_GROWTH = 0.85
/** Two intervals of the server's pings, and some more. Milliseconds. */
const DROP_MS = 90_000

/** A device that is stopped while a lot comes for it: the server must neither keep it all nor wait for it. */
export async function runStoppedDevice(scope: Scope, fault?: string): Promise<StoppedDeviceReport> {
  const [key, otherKey] = [testKey(122), testKey(123)]
  const directory = scope.directory()
  const server = await startCrashServer(scope, join(directory, 'server'), await freePort(), { fault })
  const device = await startDevice(scope, { name: 'd', db: join(directory, 'd.db'), key, url: server.url })
  await device.edit()
  if (!(await device.synced(30_000))) throw new Error('the device does not sync')
  const [own, other] = [await openWire(server.url, key), await openWire(server.url, otherKey)]
  const connections = await metric(server.url, 'connections')
  device.child.signal('SIGSTOP')
  const stoppedAt = Date.now()
  let slowestOkMs = 0
  const highestMegabytes = [0, 0]
  for (let index = 0; index < FLOOD_EVENTS; index++) {
    const content = `${index} ${'x'.repeat(FLOOD_CHARACTERS)}`
    const big = own.publish(sign(key, { kind: 1, created_at: 1_764_000_000 + index, tags: [['-']], content }))
    const small = sign(otherKey, { kind: 1, created_at: 1_764_000_000 + index, tags: [['-']], content: 'hi' })
    const sentAt = Date.now()
    const [bigAnswer, answer] = await Promise.all([big, other.publish(small)])
    slowestOkMs = Math.max(slowestOkMs, Date.now() - sentAt)
    if (!answer.accepted || !bigAnswer.accepted) throw new BrokenPromise('S7', 'an event was refused')
    if (index % 5 > 0) continue
    const half = index < FLOOD_EVENTS / 2 ? 0 : 1
    const megabytes = Math.round((await metric(server.url, 'resident_memory_bytes')) / 2 ** 20)
    highestMegabytes[half] = Math.max(highestMegabytes[half] as number, megabytes)
  }
  const sentMegabytes = Math.round((FLOOD_EVENTS * FLOOD_CHARACTERS) / 2 ** 20)
  const [first, second] = highestMegabytes as [number, number]
  if (second - first > (sentMegabytes / 2) * MAX_GROWTH) {
    throw new BrokenPromise(
      'S7',
      `the server grows from ${first} to ${second} MB for a device that reads nothing`,
    )
  }
  await until(
    '[S7] the server gives up a device that answers no ping',
    async () => (await metric(server.url, 'connections')) < connections,
    DROP_MS,
  )
  const droppedMs = Date.now() - stoppedAt
  device.child.signal('SIGCONT')
  await sleep(200)
  const edit = await device.edit()
  if (!(await device.synced(90_000)))
    throw new BrokenPromise('S7', 'a device that went on does not come back')
  await expectOnServer(server.url, key, [edit])
  return { sentMegabytes, highestMegabytes, slowestOkMs, droppedMs }
}

async function metric(url: string, name: string): Promise<number> {
  const response = await fetch(url.replace(/^ws/, 'http').replace('/sync', '/metrics'))
  const match = new RegExp(`^onyx_sync_${name} (\\d+)$`, 'm').exec(await response.text())
  return Number(match?.[1])
}
