import { join } from 'node:path'
import { createSeededRandom } from '@onyx-sync/testing'
import { testKey } from '../support/events.js'
import { addressOfCell, type Dump, type Look } from './device-model.js'
import { BrokenPromise } from './plan.js'
import { DEVICE_CHILD, freePort, type Scope, sleep, startCrashServer, waitForLine } from './processes.js'
import { type ServerView, viewServer } from './server-view.js'
import { type Aim, type Course, createTerminal, type Terminal } from './terminal.js'
import { createDesk, type Desk } from './terminal-desk.js'
import { createTerminalLane, type LaneCounts, type ListedChat, type PrintedStatus } from './terminal-lane.js'

export interface TerminalKillsOptions {
  readonly seed: string
  /** Of commands and of the server they sync with, together. */
  readonly kills: number
  readonly fault?: string
}

/** What a run came to. */
export interface TerminalKillsReport extends LaneCounts {
  readonly kills: number
  readonly serverKills: number
  /** Commands that were to be killed, those that were still there, and those of them that had said their result. */
  readonly aimed: number
  readonly landed: number
  readonly afterResult: number
  /** Edits reported as saved that were looked for on the server in the midst of the kills. */
  readonly savedChecked: number
  readonly events: number
  readonly seconds: number
}

const key = testKey(112)
/** Kills for which the same chats are written to: bounds how much each command has to load. */
const KILLS_PER_GENERATION = 40
/** Messages that wait for each device after a start of the server. */
const NEWS = 24
/** Chats of which each command's own words are compared between devices, in the end. */
const SHOWN_IN_THE_END = 2
/** Kills of a new device's `init`, and of its first `sync`. */
const NEWCOMER_KILLS = 2

/**
 * Two terminal devices of one account, whose commands are killed one after another while their server is, too.
 * Throws {@link BrokenPromise} when an edit that a command had confirmed is missing, changed or doubled, when
 * one that was killed left half of its edit, when `sync` called something saved that wasn't, or when a database
 * doesn't open again.
 */
export async function runTerminalKills(
  scope: Scope,
  options: TerminalKillsOptions,
): Promise<TerminalKillsReport> {
  const random = createSeededRandom(`${options.seed}/terminal`)
  const startedAt = Date.now()
  const directory = scope.directory()
  const keyFile = join(directory, 'key')
  const port = await freePort()
  const url = `ws://127.0.0.1:${port}/sync`
  const courses = new Map<string, Course>()
  const createDevice = (name: string) =>
    createTerminal(scope, { db: join(directory, name, 'd.db'), fault: options.fault, courses })
  const lanes = ['phone', 'laptop'].map((name) =>
    createTerminalLane(name, key.publicKey, createDevice(name), random.fork(name)),
  )
  const newcomer = createDevice('newcomer')
  const terminals = [...lanes.map(({ terminal }) => terminal), newcomer]
  const desks: Desk[] = []
  let [serverKills, savedChecked] = [0, 0]
  let failure: unknown
  const sum = (count: (aim: Aim) => number) => terminals.reduce((total, { aim }) => total + count(aim), 0)
  const landed = () => sum((aim) => aim.landed)
  const aimed = () => sum((aim) => aim.aimed)
  const isOver = () => failure !== undefined || landed() + serverKills >= options.kills
  const generation = () => Math.floor(landed() / KILLS_PER_GENERATION)
  const startServer = () => startCrashServer(scope, join(directory, 'server'), port)

  async function checkSaved(): Promise<void> {
    const marks = lanes.map(({ model }) => model.savedCount)
    const addresses = lanes.flatMap(({ model }, index) => model.addressesToCheck(marks[index] as number))
    const ids = new Set(addresses.map((address) => address.slice(address.lastIndexOf(':') + 1)))
    const look = lookAt(await viewServer(url, [key], [...ids, 'none']))
    for (const [index, { model }] of lanes.entries()) {
      savedChecked += model.checkSaved(look, marks[index] as number)
    }
  }

  async function writeNews(): Promise<void> {
    const id = `desk-${generation()}`
    if (desks.at(-1)?.address.endsWith(`:${id}`) !== true) desks.push(createDesk(key, id))
    await desks.at(-1)?.write(url, NEWS)
  }

  async function keepKillingTheServer(): Promise<void> {
    const timing = random.fork('server')
    while (!isOver()) {
      const { child } = await startServer()
      // Right after the start: what is missing now was lost in the crash, or never there.
      await checkSaved()
      await writeNews()
      // By what the devices have got through: how long that takes depends on the machine.
      const last = landed() + 1 + timing.below(6)
      while (landed() < last && !isOver()) await sleep(20)
      await Promise.race([sleep(timing.below(1_000)), overSoon()])
      await child.kill()
      if (!isOver()) serverKills++
    }
  }

  async function overSoon(): Promise<void> {
    while (!isOver()) await sleep(50)
  }

  async function keepKilling(lane: (typeof lanes)[number]): Promise<void> {
    while (!isOver()) {
      await lane.step(generation())
      if (aimed() > 20 && landed() * 3 < aimed()) {
        throw new Error(
          `only ${landed()} of ${aimed()} commands were still there when they were to be killed`,
        )
      }
    }
  }

  const first = await startServer()
  const nsec = Buffer.from(key.secretKey).toString('hex')
  await lanes[0]?.terminal.run('init', '--key-file', keyFile, '--nsec', nsec)
  await lanes[1]?.terminal.run('init', '--key-file', keyFile)
  await Promise.all(lanes.map((lane) => lane.begin(url)))
  await first.child.kill()
  const loops = [keepKillingTheServer(), ...lanes.map(keepKilling)].map((loop) =>
    loop.catch((error: unknown) => {
      failure ??= error
    }),
  )
  await Promise.all(loops)
  if (failure !== undefined) throw failure
  const checkedAmongKills = savedChecked

  // In peace: all that is left is sent, and everybody gets it all.
  const { child: server } = await startServer()
  const comeAnew = async (...args: readonly string[]) => {
    for (let index = 0; index < NEWCOMER_KILLS; index++) await newcomer.cut(random, ...args)
    await newcomer.run(...args)
  }
  await Promise.all([comeAnew('init', '--key-file', keyFile), ...lanes.map((lane) => lane.syncInPeace())])
  await Promise.all([comeAnew('sync', '--url', url), ...lanes.map((lane) => lane.syncInPeace())])
  const view = await viewServer(url, [key])
  await checkSaved()
  const dumps = await Promise.all(terminals.map((terminal) => readAll(scope, terminal, view)))
  for (const [index, { model }] of lanes.entries()) model.reopened(dumps[index] as Dump)
  for (const { model } of lanes) model.checkAll('the server', lookAt(view), () => true)
  for (const [address] of view.documents) {
    const written = [...lanes.flatMap(({ model }) => model.messagesIn(address)), ...writtenBy(desks, address)]
    const expected = written.filter((text) => text !== '').sort()
    const found = view.messagesOf(address).map(([, text]) => text)
    if (JSON.stringify(found.sort()) === JSON.stringify(expected)) continue
    throw new BrokenPromise('CRS6', `${address} has ${found.length} messages instead of ${expected.length}`)
  }
  const shown = [...view.documents.keys()].slice(-SHOWN_IN_THE_END)
  for (const address of shown) {
    // What was read is each device's own.
    const words = await Promise.all(terminals.map((each) => each.run<object>('chat', 'show', address)))
    const texts = words.map((each) => JSON.stringify({ ...each, unreadCount: 0 }))
    if (new Set(texts).size > 1) {
      throw new BrokenPromise('CRS6', `devices show ${address} differently`)
    }
  }
  await server.kill()
  const count = (name: keyof LaneCounts) => lanes.reduce((total, { counts }) => total + counts[name], 0)
  return {
    kills: landed() + serverKills,
    serverKills,
    aimed: aimed(),
    landed: landed(),
    afterResult: sum((aim) => aim.afterResult),
    edits: count('edits'),
    kept: count('kept'),
    gone: count('gone'),
    saved: count('saved'),
    unsaved: count('unsaved'),
    cut: count('cut'),
    savedChecked: checkedAmongKills,
    events: view.events,
    seconds: Math.round((Date.now() - startedAt) / 1000),
  }
}

function writtenBy(desks: readonly Desk[], address: string): readonly string[] {
  return desks.filter((desk) => desk.address === address).flatMap(({ written }) => written)
}

/** What cells hold on the server: the texts of messages, and titles under the name `''`. */
function lookAt(view: ServerView): Look {
  return (cell) => {
    const address = addressOfCell(cell)
    const name = cell.slice(address.length + 1)
    if (name === '') return titleOf(view, address)
    return view.messagesOf(address).some(([, text]) => text === name) ? name : null
  }
}

function titleOf(view: ServerView, address: string): string | null {
  return (view.documents.get(address)?.getMap('metadata').get('title') as string | undefined) ?? null
}

/** A device's database in the end, by its commands and by the library: it must be what the server has. */
async function readAll(scope: Scope, terminal: Terminal, view: ServerView): Promise<Dump> {
  const who = terminal.db
  const status = await terminal.run<PrintedStatus>('status')
  if (status.unsent + status.refused > 0) {
    throw new BrokenPromise('CRS6', `${who} still has ${status.unsent} unsent, ${status.refused} refused`)
  }
  const list = await terminal.run<ListedChat[]>('chat', 'list')
  const { chats } = await readDatabase(scope, terminal.db)
  const addresses = JSON.stringify([...view.documents.keys()].sort())
  for (const found of [list.map(({ address }) => address), Object.keys(chats)]) {
    if (JSON.stringify(found.sort()) === addresses) continue
    throw new BrokenPromise('CRS6', `${who} has other chats than the server`)
  }
  const cells: Record<string, Dump['chats'][string]> = {}
  for (const { address, title, messageCount } of list) {
    const onServer = view.messagesOf(address)
    const { messages, rows } = chats[address] as Dump['chats'][string]
    const all = [messages, rows].map((each) => JSON.stringify(each))
    const isSame = all.every((each) => each === JSON.stringify(onServer))
    if (!isSame || messageCount !== onServer.length || title !== (titleOf(view, address) ?? '')) {
      throw new BrokenPromise('CRS6', `${who} has ${address} otherwise than the server`)
    }
    const texts = [['', title], ...onServer.map(([, text]) => [text, text])] as [string, string][]
    cells[address] = { messages: texts, rows: texts }
  }
  return { chats: cells, settings: {}, status: { ...status, setAside: 0 } }
}

/** Documents and query tables as the library finds them, without a server. */
async function readDatabase(scope: Scope, db: string): Promise<Dump> {
  const secret = Buffer.from(key.secretKey).toString('hex')
  const text = JSON.stringify({ name: 'reader', run: 0, db, secret, seed: '', mode: 'orders', chats: [] })
  const child = scope.launch(DEVICE_CHILD, [text])
  const opened = await waitForLine(child, (line) => line.startsWith('["open"'))
  child.tell('close')
  await child.ended
  return (JSON.parse(opened) as [string, Dump])[1]
}
