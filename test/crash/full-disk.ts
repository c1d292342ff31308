import { join } from 'node:path'
import type { NostrEvent } from '@onyx-sync/shared'
import { chatEvent, noise, testKey } from '../support/events.js'
import { type ObedientDevice, startDevice } from './orders.js'
import { BrokenPromise } from './plan.js'
import {
  type Child,
  DEVICE_BIN,
  freePort,
  isReadyLine,
  launchServer,
  type Scope,
  sleep,
  startCrashServer,
} from './processes.js'
import { viewServer } from './server-view.js'
import { mountSmallDisk } from './small-disk.js'
import { openWire, type Wire } from './wire.js'

/** What a run came to. */
export interface FullServerReport {
  readonly confirmed: number
  readonly refused: number
  /** How the server ended that was started on the full disk; undefined if it came up. */
  readonly startOnFullDisk: string
}

/** The server's disk is full, again and again, and the server is killed while it is. */
export async function runFullServer(scope: Scope, fault?: string): Promise<FullServerReport> {
  const key = testKey(130)
  const disk = mountSmallDisk(scope, 64)
  const [data, port] = [join(disk.directory, 'data'), await freePort()]
  let server = await startCrashServer(scope, data, port, { fault })
  const confirmed = new Map<string, NostrEvent>()
  const refused = new Map<string, NostrEvent>()
  let refusals = 0
  let count = 0
  const next = (): NostrEvent =>
    chatEvent(key, { chatId: `c${count % 3}`, text: `${++count} ${noise(40_000)}` })

  async function publish(wire: Wire, event: NostrEvent): Promise<boolean> {
    const { accepted, reason } = await wire.publish(event)
    if (accepted) confirmed.set(event.id, event)
    else if (!reason.startsWith('error:')) {
      throw new BrokenPromise('S4', `a full disk is answered with ${JSON.stringify(reason)}`)
    } else {
      refused.set(event.id, event)
      refusals++
    }
    return accepted
  }

  async function expectAll(wire: Wire, when: string): Promise<void> {
    const log = await wire.fetch({ kinds: [30001] })
    const ids = new Set(log.map(({ id }) => id))
    if (ids.size < log.length) throw new BrokenPromise('CRS1', `the log has an event twice ${when}`)
    const missing = [...confirmed.keys()].filter((id) => !ids.has(id))
    if (missing.length === 0) return
    throw new BrokenPromise('S4', `${missing.length} of ${confirmed.size} confirmed events are gone ${when}`)
  }

  async function untilAccepted(wire: Wire, event: NostrEvent): Promise<void> {
    const deadline = Date.now() + 15_000
    while (!(await publish(wire, event))) {
      if (Date.now() > deadline)
        throw new BrokenPromise('S4', 'the server does not recover on a disk with room')
      await sleep(50)
    }
    refused.delete(event.id)
  }

  let wire = await openWire(server.url, key)
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 20; index++) await publish(wire, next())
    // Room for some more, so that it ends in the midst of LevelDB's journal.
    disk.fill(300_000)
    const before = refusals
    for (let index = 0; index < 60 && refusals < before + 8; index++) await publish(wire, next())
    if (refusals < before + 8) throw new BrokenPromise('S4', 'OK true was said on a full disk')
    await expectAll(wire, 'while the disk is full')
    disk.relieve()
    for (const event of [...refused.values()]) await untilAccepted(wire, event)
    await expectAll(wire, 'after there was room again')
  }

  disk.fill()
  for (let index = 0; index < 5; index++) await publish(wire, next())
  await server.child.kill()
  const startOnFullDisk = await endOf(launchServer(scope, data, port, { fault }))
  disk.relieve()
  server = await startCrashServer(scope, data, port, { fault })
  wire = await openWire(server.url, key)
  await expectAll(wire, 'after the kill')
  for (const event of [...refused.values()]) await untilAccepted(wire, event)
  await server.child.kill()
  server = await startCrashServer(scope, data, port, { fault })
  wire = await openWire(server.url, key)
  await expectAll(wire, 'in the end')
  wire.cut()
  return { confirmed: confirmed.size, refused: refusals, startOnFullDisk }
}

/** A server on a full disk either serves what it has, or ends with a sentence that says why. */
async function endOf(child: Child): Promise<string> {
  await Promise.race([
    child.ended,
    new Promise<void>((resolve) => child.onLine((line) => isReadyLine(line) && resolve())),
    sleep(20_000),
  ])
  if (!child.hasEnded) {
    if (!child.lines.some(isReadyLine))
      throw new BrokenPromise('S4', 'on a full disk the server hangs at its start')
    await child.kill()
    return 'came up'
  }
  const { code } = await child.ended
  const words = child.stderr()
  if (code !== 1 || !words.startsWith('onyx-sync-server: ') || words.includes('    at ')) {
    throw new BrokenPromise('S4', `on a full disk the server ended with ${code}: ${words}`)
  }
  return words.trim()
}

/** What a run came to. */
export interface FullDeviceReport {
  readonly kept: number
  readonly failed: number
  readonly words: string
  /** What the terminal device says when it is asked for an edit on a full disk. */
  readonly command: string
}

/** The device's disk is full while it syncs, and the device is killed while it is. */
export async function runFullDevice(scope: Scope, fault?: string): Promise<FullDeviceReport> {
  const key = testKey(131)
  const server = await startCrashServer(scope, join(scope.directory(), 'server'), await freePort())
  const disk = mountSmallDisk(scope, 16)
  const db = join(disk.directory, 'd.db')
  const start = (run: number) => startDevice(scope, { name: 'd', db, key, url: server.url, run }, { fault })
  const kept: { cell: string; text: string }[] = []
  /** Edits whose call failed: they may come through later, but only as they were. */
  const failed: { cell: string; text: string }[] = []
  let words = ''

  async function edit(device: ObedientDevice): Promise<boolean> {
    const { error, ...made } = await device.edit(20_000)
    if (error === undefined) kept.push(made)
    else {
      failed.push(made)
      if (error !== 'STORE_FAILED') throw new BrokenPromise('C15', `a full disk is called ${error}`)
    }
    return error === undefined
  }

  async function expectKept(device: ObedientDevice, when: string): Promise<void> {
    const { chats } = await device.dump()
    const address = `30001:${key.publicKey}:own`
    const messages = chats[address]?.messages ?? []
    const texts = new Map(messages)
    if (texts.size < messages.length) throw new BrokenPromise('CRS3', `an edit is there twice ${when}`)
    const lost = kept.find(({ cell, text }) => texts.get(cell.slice(address.length + 1)) !== text)
    if (lost !== undefined) throw new BrokenPromise('C15', `${lost.cell} is lost ${when}`)
  }

  async function fillUp(device: ObedientDevice): Promise<void> {
    disk.fill(200_000)
    let failures = 0
    for (let index = 0; index < 60 && failures < 3; index++) if (!(await edit(device))) failures++
    if (failures < 3) throw new BrokenPromise('C15', 'edits return on a full disk')
    const from = device.place
    const { status } = await device.dump()
    words = status.problem?.message ?? ''
    if (status.problem?.code !== 'STORE_FAILED')
      throw new BrokenPromise('C15', 'status does not name the full disk')
    if (status.unsent < 3 || device.linesOf('saved', from).length > 0) {
      throw new BrokenPromise('C15', 'edits that could not be written count as saved')
    }
    if (await device.synced(1_000)) throw new BrokenPromise('C15', 'synced() says yes for edits that failed')
  }

  let device = await start(1)
  for (let index = 0; index < 5; index++) await edit(device)
  await fillUp(device)
  await expectKept(device, 'while the disk is full')
  disk.relieve()
  if (!(await edit(device))) throw new BrokenPromise('C15', 'an edit fails on a disk with room')
  // What had failed was kept in memory, and went with it.
  kept.push(...failed.splice(0))
  await expectKept(device, 'after there was room again')
  if (!(await device.synced(30_000)))
    throw new BrokenPromise('C15', 'edits do not get through after a full disk')
  let view = await viewServer(server.url, [key])
  for (const { cell, text } of kept) {
    if (view.look(cell) !== text) throw new BrokenPromise('C15', `${cell} did not get to the server`)
  }

  await fillUp(device)
  await device.child.kill()
  const command = await tryCommand(scope, db)
  disk.relieve()
  device = await start(2)
  await expectKept(device, 'after the kill')
  if (!(await edit(device))) throw new BrokenPromise('C15', 'an edit fails after the kill')
  if (!(await device.synced(30_000)))
    throw new BrokenPromise('C15', 'edits do not get through after the kill')
  view = await viewServer(server.url, [key])
  for (const { cell, text } of kept) {
    if (view.look(cell) !== text) throw new BrokenPromise('C15', `${cell} did not get to the server`)
  }
  for (const { cell, text } of failed) {
    const found = view.look(cell)
    if (found !== null && found !== text) throw new BrokenPromise('C15', `${cell} is there in part`)
  }
  return { kept: kept.length, failed: failed.length, words, command }
}

/** The terminal device on the full disk: one clear sentence and exit code 1. */
async function tryCommand(scope: Scope, db: string): Promise<string> {
  const child = scope.launch(DEVICE_BIN, ['chat', 'send', 'own', noise(20_000), '--db', db])
  const { code } = await child.ended
  const words = child.stderr().trim()
  if (code !== 1 || !words.startsWith('onyx-sync: ') || /^\s+at /m.test(words)) {
    throw new BrokenPromise('C15', `on a full disk the command ended with ${code}: ${words}`)
  }
  return words
}
