import { join } from 'node:path'
import { createSeededRandom, type SeededRandom } from '@onyx-sync/testing'
import { type TestKey, testKey } from '../support/events.js'
import { createDeviceModel, type DeviceModel, type Dump, lookInto } from './device-model.js'
import { BrokenPromise } from './plan.js'
import {
  type Child,
  DEVICE_CHILD,
  freePort,
  type Scope,
  sleep,
  startCrashServer,
  waitForLine,
} from './processes.js'
import { type ServerView, viewServer } from './server-view.js'

export interface DeviceKillsOptions {
  readonly seed: string
  /** Of devices and of the server they sync with, together. */
  readonly kills: number
  readonly deviceFault?: string
  readonly serverFault?: string
}

/** What a run came to. */
export interface DeviceKillsReport {
  readonly kills: number
  readonly deviceKills: number
  readonly serverKills: number
  /** Edits whose call returned. */
  readonly edits: number
  /** Edits that were under way when their process was killed. */
  readonly undecided: number
  /** Edits reported as saved that were looked for on the server in the midst of the kills. */
  readonly savedChecked: number
  readonly events: number
  readonly seconds: number
}

const owner = testKey(110)
const guest = testKey(111)
/** Device runs for which the same chats are written to: bounds how much each has to load. */
const RUNS_PER_GENERATION = 14
/** However long what it waits for takes, a device is killed then. Milliseconds. */
const LONGEST_LIFE_MS = 6_000
const SYNC_TIMEOUT_MS = 60_000

interface ChatOrder {
  readonly owner: string
  readonly id: string
  readonly create?: boolean
  readonly members?: readonly string[]
}

interface Device {
  readonly name: string
  readonly key: TestKey
  readonly db: string
  readonly model: DeviceModel
  readonly random: SeededRandom
  /** The chats it writes to. */
  chats(generation: number): ChatOrder[]
  run: number
}

const addressOf = (chat: ChatOrder) => `30001:${chat.owner}:${chat.id}`

function createDevices(directory: string, random: SeededRandom): Device[] {
  const [a, b] = [owner.publicKey, guest.publicKey]
  const device = (name: string, key: TestKey, chats: Device['chats']): Device => ({
    name,
    key,
    db: join(directory, `${name}.db`),
    model: createDeviceModel(name, key.publicKey),
    random: random.fork(name),
    chats,
    run: 0,
  })
  return [
    device('a1', owner, (n) => [
      { owner: a, id: `own-${n}`, create: true },
      { owner: a, id: `shared-${n}`, create: true, members: [b] },
    ]),
    device('a2', owner, (n) => [{ owner: a, id: `own-${n}`, create: true }]),
    device('b1', guest, (n) => [
      { owner: b, id: `own-${n}`, create: true },
      { owner: a, id: `shared-${n}` },
    ]),
  ]
}

/**
 * Three devices of two accounts that edit and sync live while they and their server are killed again and
 * again. Throws {@link BrokenPromise} when an edit whose call had returned is missing, changed or doubled in
 * the device's database, on the server or on a new device, or was reported as saved and wasn't.
 */
export async function runDeviceKills(scope: Scope, options: DeviceKillsOptions): Promise<DeviceKillsReport> {
  const { seed } = options
  const random = createSeededRandom(`${seed}/devices`)
  const startedAt = Date.now()
  const directory = scope.directory()
  const port = await freePort()
  const url = `ws://127.0.0.1:${port}/sync`
  const devices = createDevices(directory, random)
  let [deviceKills, serverKills, savedChecked] = [0, 0, 0]
  let failure: unknown
  const isOver = () => failure !== undefined || deviceKills + serverKills >= options.kills
  const generation = () => Math.floor(deviceKills / RUNS_PER_GENERATION)
  const generations = () => [generation() - 1, generation()].filter((n) => n >= 0)
  const startServer = () =>
    startCrashServer(scope, join(directory, 'server'), port, { fault: options.serverFault })

  function launchDevice(device: Device, orders: object): Child {
    const { name, run, db, key, model } = device
    const secret = Buffer.from(key.secretKey).toString('hex')
    const text = JSON.stringify({ name, run, db, url, secret, seed, ...orders })
    const child = scope.launch(DEVICE_CHILD, [text], { fault: options.deviceFault })
    model.begin()
    child.onLine((line) => {
      try {
        model.read(JSON.parse(line) as unknown[])
      } catch (error) {
        failure ??= error
      }
    })
    return child
  }

  /** Everything that a device called saved until now must be on the server. */
  async function checkSaved(): Promise<void> {
    const marks = devices.map(({ model }) => model.savedCount)
    const chatIds = new Set<string>()
    for (const [index, { model }] of devices.entries()) {
      for (const address of model.addressesToCheck(marks[index] as number)) {
        chatIds.add(address.slice(address.lastIndexOf(':') + 1))
      }
    }
    const view = await viewServer(url, [owner, guest], [...chatIds, 'none'])
    for (const [index, { model }] of devices.entries()) {
      savedChecked += model.checkSaved(view.look, marks[index] as number)
    }
  }

  async function keepKillingTheServer(): Promise<void> {
    const timing = random.fork('server')
    while (!isOver()) {
      const { child } = await startServer()
      // Right after the start: what is missing now was lost in the crash, or never there.
      await checkSaved()
      const lifeMs = timing.chance(0.2) ? timing.below(300) : 800 + timing.below(3_000)
      await Promise.race([sleep(lifeMs), overSoon()])
      await child.kill()
      if (!isOver()) serverKills++
    }
  }

  async function overSoon(): Promise<void> {
    while (!isOver()) await sleep(50)
  }

  async function keepKilling(device: Device): Promise<void> {
    while (!isOver()) {
      device.run++
      const chats = device.chats(generation())
      const watched = generations().flatMap((n) => device.chats(n).map(addressOf))
      const child = launchDevice(device, { mode: 'edit', chats, watched })
      child.onLine((line) => {
        const [type, dump] = JSON.parse(line) as [string, Dump]
        if (type !== 'open') return
        try {
          device.model.reopened(dump, watched)
        } catch (error) {
          failure ??= error
        }
      })
      await Promise.race([momentFor(device, child), child.ended, overSoon()])
      if (child.hasEnded) throw new Error(`${device.name} ended by itself: ${child.stderr()}`)
      await child.kill()
      deviceKills++
    }
  }

  const loops = [keepKillingTheServer(), ...devices.map(keepKilling)].map((loop) =>
    loop.catch((error: unknown) => {
      failure ??= error
    }),
  )
  await Promise.all(loops)
  if (failure !== undefined) throw failure

  const checkedAmongKills = savedChecked

  // In peace: all that is left is sent, and everybody gets it all.
  const { child: server } = await startServer()
  const inPeace = async (device: Device): Promise<Dump> => {
    device.run++
    const child = launchDevice(device, { mode: 'orders', chats: [] })
    const opened = await waitForLine(child, (line) => line.startsWith('["open"'))
    device.model.reopened((JSON.parse(opened) as [string, Dump])[1])
    child.tell(`synced ${SYNC_TIMEOUT_MS}`)
    const answer = await waitForLine(child, (line) => line.startsWith('["synced"'), SYNC_TIMEOUT_MS + 10_000)
    if (answer !== '["synced",true]') {
      throw new BrokenPromise(
        'C5][C6',
        `${device.name} does not get everything through: ${child.lines.at(-2)}`,
      )
    }
    child.tell('dump')
    const dumped = await waitForLine(child, (line) => line.startsWith('["dump"'))
    child.tell('close')
    await child.ended
    return (JSON.parse(dumped) as [string, Dump])[1]
  }
  await Promise.all(devices.map(inPeace))
  if (failure !== undefined) throw failure
  const view = await viewServer(url, [owner, guest])
  await checkSaved()
  for (const { model } of devices) model.checkAll('the server', view.look, () => true)
  checkNothingElse(view, devices)
  const fresh = createDevices(scope.directory(), random).filter(({ name }) => name !== 'a2')
  for (const device of [...devices, ...fresh]) {
    const who = fresh.includes(device) ? `a new device like ${device.name}` : device.name
    checkDevice(who, device, await inPeace(device), view, devices)
  }
  if (failure !== undefined) throw failure
  await server.kill()
  const sum = (count: (model: DeviceModel) => number) =>
    devices.reduce((total, { model }) => total + count(model), 0)
  return {
    kills: deviceKills + serverKills,
    deviceKills,
    serverKills,
    edits: sum((model) => model.doneCount),
    undecided: sum((model) => model.undecided),
    savedChecked: checkedAmongKills,
    events: view.events,
    seconds: Math.round((Date.now() - startedAt) / 1000),
  }
}

/** Resolves at the moment at which this run of the device is to be killed. */
function momentFor({ random }: Device, child: Child): Promise<unknown> {
  const longest = sleep(LONGEST_LIFE_MS)
  const kind = random.below(100)
  // While it starts, with the database half open.
  if (kind < 15) return sleep(random.below(500))
  const counting = (type: string, count: number) =>
    new Promise<void>((resolve) => {
      let seen = 0
      child.onLine((line) => {
        const isIt = line.startsWith(type === 'live' ? '["status","live"' : `["${type}"`)
        if (isIt && ++seen === count) resolve()
      })
    })
  const after = (type: string, ms: number) => counting(type, 1).then(() => sleep(ms))
  // Between what is tried and what is done, online or not yet.
  if (kind < 35) return Promise.race([longest, counting('try', 1 + random.below(30))])
  if (kind < 50)
    return Promise.race([longest, after(random.chance(0.5) ? 'open' : 'editing', random.below(500))])
  // While it sends and receives.
  const live = counting('live', 1)
  if (kind < 75) return Promise.race([longest, live.then(() => counting('did', 1 + random.below(25)))])
  if (kind < 90) return Promise.race([longest, live.then(() => sleep(random.below(400)))])
  // It has just said that all is saved.
  return Promise.race([longest, counting('saved', 1 + random.below(4))])
}

/** The server has what devices wrote, and nothing besides. */
function checkNothingElse(view: ServerView, devices: readonly Device[]): void {
  for (const address of view.documents.keys()) {
    if (!address.startsWith('30001:')) continue
    const expected = devices.flatMap(({ model }) => model.messagesIn(address)).sort()
    const found = view.messagesOf(address).map(([id]) => id)
    if (JSON.stringify(found.sort()) !== JSON.stringify(expected)) {
      throw new BrokenPromise('CRS3', `${address} has ${found.length} messages instead of ${expected.length}`)
    }
  }
}

function checkDevice(
  who: string,
  device: Device,
  dump: Dump,
  view: ServerView,
  devices: readonly Device[],
): void {
  const mine = device.key.publicKey
  const sees = (address: string) =>
    address.includes(mine) || (mine === guest.publicKey && address.includes(':shared-'))
  for (const { model } of devices) model.checkAll(who, lookInto(dump, mine), sees)
  const expected = [...view.documents.keys()].filter((each) => each.startsWith('30001:') && sees(each))
  if (JSON.stringify(Object.keys(dump.chats).sort()) !== JSON.stringify(expected.sort())) {
    throw new BrokenPromise('CRS3', `${who} has other chats than the server shows it`)
  }
  for (const [address, { messages, rows }] of Object.entries(dump.chats)) {
    const onServer = JSON.stringify(view.messagesOf(address))
    if (JSON.stringify(messages) !== onServer || JSON.stringify(rows) !== onServer) {
      throw new BrokenPromise('CRS3', `${who} shows ${address} otherwise than the server has it`)
    }
  }
  const { unsent, refused, setAside } = dump.status
  if (unsent + refused + setAside > 0) {
    throw new BrokenPromise(
      'C8',
      `${who} still has ${unsent} unsent, ${refused} refused, ${setAside} set aside`,
    )
  }
}
