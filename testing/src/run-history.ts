import type { SyncClient } from '@onyx-sync/client'
import { type Limits, SyncError } from '@onyx-sync/shared'
import * as Y from 'yjs'
import { checkWorld, createWatch, type Watch } from './checks.js'
import { drawDeviceSettings } from './device-settings.js'
import { type Action, type Cast, formatAction, STANDARD_CAST } from './history.js'
import { FIRST_CHOICE, HOLDING_DEVICE } from './hold-history.js'
import { checkLogGrowth } from './log-growth.js'
import { type Attempt, createReferenceModel, type ReferenceModel } from './model.js'
import { createSeededRandom } from './seeded-random.js'
import { checkTraining, createTrainingModel, type TrainingModel } from './training-model.js'
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
  /** Whether one device holds only some documents. @default false */
  readonly isHolding?: boolean
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
    ...(options.isHolding === true ? { holds: { [HOLDING_DEVICE]: FIRST_CHOICE } } : {}),
  })
  watch.world = world
  for (const [account, names] of Object.entries(options.cast ?? STANDARD_CAST)) {
    for (const name of names) world.addDevice(name, account)
  }
  const model = createReferenceModel()
  const training = createTrainingModel()
  const writeText = createWriter(world, options)
  const stage: Stage = { world, model, training, watch, chats: [], tokens: 0, writeText }
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
  // The list is told of what came last a moment later, and bodies come after that.
  if (options.isHolding === true) await world.advance(10_000)
  options.trace?.(`${String(world.clock.now()).slice(-9)}  at rest`)
  await options.inspect?.(world)
  const problems = [...watch.problems, ...world.errors, ...stuck]
  if (stuck.length === 0) await excuseRemoved(world, model)
  if (stuck.length === 0)
    problems.push(
      ...(await checkWorld(world, model, watch.isMoving)),
      ...(await checkTraining(world, training)),
    )
  // Last, because a checkpoint that a server had no time for may come a while later. With events that are much
  // smaller or larger than usual, or checkpoints that took the place of nothing, the bounds are others.
  const isUsual = stuck.length === 0 && options.limits === undefined && !endsMerging
  if (isUsual) problems.push(...(await checkLogGrowth(world, settings)))
  return { problems, events: world.clock.fired + world.network.messages, virtualMs: world.clock.now() }
}

interface Stage {
  readonly world: World
  readonly model: ReferenceModel
  readonly training: TrainingModel
  readonly watch: Watch
  /** Chats that exist, by the account that owns them. */
  readonly chats: { readonly id: string; readonly account: string }[]
  tokens: number
  /** The text of a message or an insertion: the token, or a longer text that is as unique. */
  writeText(token: string): string
}

function createWriter(world: World, { maxTextLength = 0 }: HistoryOptions): Stage['writeText'] {
  if (maxTextLength === 0) return (token) => token
  const random = world.random.fork('texts')
  const letter = () => String.fromCharCode(97 + random.below(26))
  return (token) =>
    token.replace('>', ` ${Array.from({ length: random.below(maxTextLength) }, letter).join('')}>`)
}

async function perform(action: Action, stage: Stage): Promise<void> {
  const { world } = stage
  const device =
    'device' in action ? world.devices.find((candidate) => candidate.name === action.device) : undefined
  switch (action.type) {
    case 'wait':
      return world.advance(action.ms)
    case 'crash-server':
      return world.crashServer()
    case 'start-server':
      return world.startServer()
    case 'replace-server':
      world.crashServer()
      await stage.watch.beforeReset()
      world.serverDisk.replace()
      return world.startServer()
    case 'restore-server':
      world.crashServer()
      await stage.watch.beforeReset()
      await world.serverDisk.restore(Math.floor(world.serverDisk.commits.length * action.draw))
      return world.startServer()
    case 'disk': {
      const disk = action.device === 'server' ? world.serverDisk : device?.disk
      if (disk !== undefined) disk.faults.refuse = action.refuse
      return
    }
  }
  if (device === undefined) return
  switch (action.type) {
    case 'crash':
      device.crash()
      // Somebody starts the app again, sooner or later.
      world.clock.setTimeout(() => device.start(), 500 + world.random.below(5_000))
      return
    case 'offline':
    case 'online':
      world.network.setOnline(device.name, action.type === 'online')
      if (action.type === 'online') device.client?.wake()
      return
    case 'move':
      device.isElsewhere = action.isElsewhere
      stage.watch.isMoving = true
      device.crash()
      device.start()
      return
    case 'cut':
      return world.network.cut(device.name)
    case 'half-open':
      return world.network.halfOpen(device.name)
    case 'wake':
      return device.client?.wake()
    case 'skew':
      device.skewMs = action.ms
      return
    case 'signer':
      device.isSignerBroken = action.isBroken
      return
    case 'hold':
      device.client?.hold(action.choice).catch(() => {})
      return
    case 'consent':
      if (device.client === undefined) return
      if (!action.isGiven) stage.training.disagreeing(device.account)
      device.client.training.setConsent(action.isGiven).catch(() => {})
      return
    case 'contribute':
      return contribute(action.draw, device, stage)
    case 'revoke':
      return revoke(action.draw, device, stage)
    case 'evict':
    case 'open': {
      const chat = chatOf(action.draw, stage)
      if (chat === undefined || device.client === undefined) return
      const call =
        action.type === 'evict'
          ? device.client.chats.evict(chat.address)
          : openForAWhile(device.client, chat.address, world)
      call.catch(() => {})
      return
    }
    default:
      if (device.client !== undefined) edit(action.type, action.draw, device, device.client, stage)
  }
}

function contribute(draw: number, { account, client }: WorldDevice, stage: Stage): void {
  const chat = chatOf(draw, stage)
  if (chat === undefined || client === undefined) return
  const candidates = stage.model
    .messagesOf(chat.address)
    .filter((id) => !stage.training.isContributed(account, id))
  const messageId = candidates[Math.floor(draw * 7919) % Math.max(1, candidates.length)]
  if (messageId === undefined) return
  const attempt = stage.training.submitting(account, messageId)
  follow(client.training.submit(chat.address, messageId, 5), () => {}, attempt)
}

/** Takes back something that the device lists, and doesn't wait for it. */
function revoke(draw: number, { account, client }: WorldDevice, { training }: Stage): void {
  client?.training.list().then(
    (listed) => {
      const contribution = listed[Math.floor(draw * listed.length)]
      if (contribution === undefined) return
      const { id, messageId } = contribution
      follow(client.training.revoke(id), () => {}, training.revoking(account, messageId))
    },
    () => {},
  )
}

/** A chat that exists somewhere. */
function chatOf(draw: number, { chats, world }: Stage): { address: string; account: string } | undefined {
  const chat = chats[Math.floor(draw * chats.length)]
  const owner = world.devices.find((candidate) => candidate.account === chat?.account)
  if (chat === undefined || owner === undefined) return undefined
  return { address: `30001:${owner.pubkey}:${chat.id}`, account: chat.account }
}

async function openForAWhile(client: SyncClient, chat: string, world: World): Promise<void> {
  const { release } = await client.chats.open(chat)
  world.clock.setTimeout(release, world.random.below(5_000))
}

/** Begins an edit and does not wait for it: what happens next may hit it in the middle. */
function edit(
  type: Action['type'],
  draw: number,
  device: WorldDevice,
  client: SyncClient,
  stage: Stage,
): void {
  const { model, world } = stage
  const token = `<${++stage.tokens}>`
  const text = stage.writeText(token)
  const chat = type === 'new-chat' || type === 'set' ? undefined : chatOf(draw, stage)
  const kept = () => stage.watch.kept(device, token, chat?.address)
  // A longer text may be cut in two, where the watch can't find it.
  const textKept = () => (text === token ? kept() : undefined)
  const nothingKept = () => {}
  if (type === 'new-chat') {
    const id = `chat${stage.chats.length}`
    stage.chats.push({ id, account: device.account })
    const address = `30001:${device.pubkey}:${id}`
    follow(client.chats.create({ id, title: token }), () => stage.watch.kept(device, token, address))
    return
  }
  if (type === 'set') {
    const key = `key${Math.floor(draw * 4)}`
    follow(client.settings.set(key, token), kept, model.setting(device.account, key, token))
    return
  }
  if (chat === undefined) return
  const { address } = chat
  const by = { chat: address, account: device.account }
  if (type === 'rename') follow(client.chats.rename(address, token), kept)
  if (type === 'share' && chat.account === device.account) {
    const others = world.devices.filter((other) => other.account !== device.account)
    const key = others[Math.floor(draw * 6_700_417) % Math.max(1, others.length)]?.pubkey
    const role = (['write', 'write', 'write', 'read', 'none'] as const)[Math.floor(draw * 31_607) % 5]
    if (key === undefined || role === undefined) return
    const call =
      role === 'none' ? client.chats.unshare(address, key) : client.chats.share(address, key, { role })
    follow(call, nothingKept, model.deciding(address, key, role))
  }
  if (type === 'delete-chat' && chat.account === device.account) {
    stage.watch.deleting(address)
    follow(client.chats.deleteForever(address), nothingKept, model.deletingChat(address))
  }
  if (type === 'send') {
    const id = `m${stage.tokens}`
    follow(client.chats.send(address, text, { id }), textKept, model.sending(by, id, text))
  }
  const candidates = model.messagesOf(address)
  const messageId = candidates[Math.floor(draw * 7919) % Math.max(1, candidates.length)]
  if (messageId === undefined) return
  if (type === 'delete')
    follow(client.chats.deleteMessage(address, messageId), nothingKept, model.deleting(by, messageId))
  if (type === 'insert') {
    follow(
      insertToken(client, address, messageId, text, draw),
      textKept,
      model.inserting(by, messageId, text),
    )
  }
}

/** Errors that say: nothing was there to change, and nothing was changed. */
const DECLINED = [
  'CONSENT_MISSING',
  'DELETED',
  'DOCUMENT_NOT_FOUND',
  'DOCUMENT_NOT_HELD',
  'MESSAGE_NOT_FOUND',
  'VALUE_INVALID',
  'WRITE_RESTRICTED',
]

function follow(call: Promise<unknown>, kept: () => void, attempt?: Attempt): void {
  call.then(
    () => {
      attempt?.returned()
      kept()
    },
    (error: unknown) => {
      if (DECLINED.includes((error as { code?: string }).code ?? '')) attempt?.declined()
    },
  )
}

/** Puts a piece of text between two others, as an app does that holds the `Y.Doc`. */
async function insertToken(
  client: SyncClient,
  chat: string,
  messageId: string,
  token: string,
  draw: number,
): Promise<void> {
  const { doc, release } = await client.chats.open(chat)
  try {
    const map = doc
      .getArray<Y.Map<unknown>>('messages')
      .toArray()
      .find((item) => item.get('id') === messageId)
    const text = map?.get('content')
    if (!(text instanceof Y.Text))
      throw new SyncError('MESSAGE_NOT_FOUND', 'the message is not on this device')
    const ends = [0, ...[...text.toString().matchAll(/>/g)].map((match) => (match.index as number) + 1)]
    text.insert(ends[Math.floor(draw * 104_729) % ends.length] as number, token)
    await client.flush()
  } finally {
    release()
  }
}

/** Makes everything healthy and waits until nothing is left to do. @returns what kept the world from resting */
export async function comeToRest(world: World): Promise<string[]> {
  world.startServer()
  world.serverDisk.faults.refuse = 0
  world.endsMerging = false
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
