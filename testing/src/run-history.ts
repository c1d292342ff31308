import type { Limits } from '@onyx-sync/shared'
import { checkWorld, createWatch } from './checks.js'
import { drawDeviceSettings } from './device-settings.js'
import { type Action, type Cast, formatAction, STANDARD_CAST, type Theme } from './history.js'
import { FIRST_CHOICE, HOLDING_DEVICE } from './hold-history.js'
import { checkLogGrowth } from './log-growth.js'
import { createReferenceModel, type ReferenceModel } from './model.js'
import { perform } from './perform.js'
import { createScreens } from './screens.js'
import { createSeededRandom } from './seeded-random.js'
import type { Stage } from './stage.js'
import { checkTraining, createTrainingModel } from './training-model.js'
import { createWorld, type World, type WorldDevice, type WorldFault } from './world.js'

/** How a history ended. */
export interface HistoryResult {
  /** What broke a promise; empty when nothing did. */
  readonly problems: readonly string[]
  /** Timers fired and messages carried: how much happened. */
  readonly events: number
  /** Virtual time that passed, milliseconds. */
  readonly virtualMs: number
}

export interface HistoryOptions {
  readonly seed: string
  readonly actions: readonly Action[]
  readonly cast?: Cast
  readonly fault?: WorldFault
  /** As in the world's options. */
  readonly limits?: Limits
  /**
   * Longest text of a message or an insertion, characters; with small limits some make edits in parts. Whether
   * what counts as saved is saved is then looked at only in the end. @default a few characters
   */
  readonly maxTextLength?: number
  /** What it is about. @default only the usual */
  readonly themes?: readonly Theme[]
  /** Looks at the world when it has come to rest, before it is checked. */
  inspect?(world: World): Promise<void>
  /** Called with a line for each thing that happens. */
  trace?(line: string): void
}

/** Longer than any message takes, and what it sets off. Milliseconds. */
const SLOWEST_MS = 10_000
/** Longest that a healthy world may need to come to rest: backoffs, dead connections and all. Milliseconds. */
const REST_MS = 15 * 60_000

/** Runs a history, lets the world come to rest with everything healthy, and checks every promise. */
export async function runHistory(options: HistoryOptions): Promise<HistoryResult> {
  const isAbout = (theme: Theme) => options.themes?.includes(theme) === true
  const watch = createWatch()
  const settings = drawDeviceSettings(createSeededRandom(`${options.seed}/settings`))
  const world = createWorld({
    seed: options.seed,
    onDelivered: watch.delivered,
    onSent: watch.sent,
    onStatus: watch.status,
    onServerCrashed: watch.serverCrashed,
    onDeviceCrashed: watch.deviceCrashed,
    settings,
    isSlow: true,
    ...(options.fault === undefined ? {} : { fault: options.fault }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    knowsInstalls: isAbout('copying'),
    ...(isAbout('holding') ? { holds: { [HOLDING_DEVICE]: FIRST_CHOICE } } : {}),
  })
  watch.world = world
  for (const [account, names] of Object.entries(options.cast ?? STANDARD_CAST)) {
    for (const name of names) world.addDevice(name, account)
  }
  const model = createReferenceModel()
  const training = createTrainingModel()
  const writeText = createWriter(world, options)
  const screens = createScreens()
  const stage: Stage = {
    ...{ world, model, training, screens, watch, writeText },
    chats: [],
    tokens: 0,
    backups: new Map(),
    streams: new Map(),
    hidden: new Set(),
    undoing: new Map(),
  }
  world.startServer()
  for (const device of world.devices) device.start()
  await world.advance(1_000)
  for (const action of options.actions) {
    options.trace?.(`${String(world.clock.now()).slice(-9)}  ${formatAction(action)}`)
    await perform(action, stage)
    await world.clock.settle()
  }
  const { endsMerging } = world
  const stuck = await comeToRest(world)
  if (isAbout('using')) stuck.push(...(await screens.check(world)), ...(await reopen(world)))
  // The list is told of what came last a moment later, and bodies come after that.
  if (isAbout('holding')) await world.advance(10_000)
  options.trace?.(`${String(world.clock.now()).slice(-9)}  at rest`)
  await options.inspect?.(world)
  const problems = [...watch.problems, ...screens.problems, ...world.errors, ...stuck]
  if (stuck.length === 0) {
    await excuseRemoved(world, model)
    // What a device has let go of, or lost with its disk, may be lost with the server's, too; and a list that a server with
    // another key tells isn't taken.
    const isLossy = world.serverDisk.resets > 0 && (isAbout('holding') || isAbout('copying'))
    if (isLossy) for (const excused of [model, training]) excused.excuseAll()
    const isListed = !(isLossy && isAbout('holding'))
    const mayHang = isLossy && isAbout('copying')
    problems.push(...(await checkWorld(world, model, { mayRepeat: watch.mayRepeat, isListed, mayHang })))
    problems.push(...(await checkTraining(world, training)))
  }
  // Last, because a checkpoint that a server had no time for may come a while later. With events that are much
  // smaller or larger than usual, or checkpoints that took the place of nothing, the bounds are others.
  const isUsual = stuck.length === 0 && options.limits === undefined && !endsMerging
  if (isUsual) problems.push(...(await checkLogGrowth(world, settings)))
  return { problems, events: world.clock.fired + world.network.messages, virtualMs: world.clock.now() }
}

function createWriter(world: World, { maxTextLength = 0 }: HistoryOptions): Stage['writeText'] {
  if (maxTextLength === 0) return (token) => token
  const random = world.random.fork('texts')
  const letter = () => String.fromCharCode(97 + random.below(26))
  return (token) =>
    token.replace('>', ` ${Array.from({ length: random.below(maxTextLength) }, letter).join('')}>`)
}

/** Makes everything healthy and waits until nothing is left to do. @returns what kept the world from resting */
export async function comeToRest(world: World): Promise<string[]> {
  world.startServer()
  world.serverDisk.faults.refuse = 0
  world.endsMerging = false
  world.isTamperedWith = false
  for (const device of world.devices) {
    device.disk.faults.refuse = 0
    device.skewMs = 0
    device.isSignerBroken = false
    if (device.isElsewhere) {
      device.isElsewhere = false
      device.crash()
    }
    world.network.setOnline(device.name, true)
    device.start()
  }
  const untilMs = world.clock.now() + REST_MS
  while (world.clock.now() < untilMs) {
    await world.advance(5_000)
    for (const { client } of world.devices) {
      client?.retryRefused()
      client?.wake()
    }
    // Long enough for a ping to find out a connection that only looks open.
    await world.advance(25_000)
    if (!world.devices.every((device) => isAtRest(device))) continue
    // What the last of them sent may still be on its way to the others.
    await world.advance(SLOWEST_MS)
    if (world.devices.every((device) => isAtRest(device))) return []
  }
  return world.devices
    .filter((device) => !isAtRest(device))
    .map((device) => {
      const status = device.client?.status
      return `${device.name} does not come to rest: ${JSON.stringify(status ?? 'not running')}`
    })
}

/** Closes every app and opens it again: what it was writing when it was closed has come to an end then. */
async function reopen(world: World): Promise<string[]> {
  for (const device of world.devices) await world.clock.until(device.close())
  return comeToRest(world)
}

/** Whoever may not write to a chat in the end may have had edits refused. */
async function excuseRemoved({ serverDisk, devices }: World, model: ReferenceModel): Promise<void> {
  const addresses = new Set(
    serverDisk.commits.flatMap(({ documents }) => documents.map(({ address }) => address)),
  )
  for (const record of await serverDisk.contents.documents([...addresses])) {
    if (record === undefined) continue
    const writers = record.members.filter(({ role }) => role === 'write')
    const allowed = [record.owner, ...writers.map((member) => member.pubkey)]
    for (const device of devices) {
      if (!allowed.includes(device.pubkey)) model.excuse(record.address, device.account)
    }
  }
}

function isAtRest({ client }: WorldDevice): boolean {
  if (client === undefined) return false
  const { isCaughtUp, unsent } = client.status
  // Edits to a chat that one may no longer write to, or that was deleted, stay refused.
  const isFinal = (reason: string) => /^(restricted|blocked):/.test(reason)
  return isCaughtUp && unsent === 0 && client.refused().every(({ reason }) => isFinal(reason))
}
