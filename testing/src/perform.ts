import type { SyncClient } from '@onyx-sync/client'
import { SyncError } from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Action } from './history.js'
import { performUse } from './perform-use.js'
import { chatOf, follow, pickMessage, type Stage } from './stage.js'
import type { World, WorldDevice } from './world.js'

/** Does one action. What its devices begin goes on by itself: what happens next may hit it in the middle. */
export async function perform(action: Action, stage: Stage): Promise<void> {
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
    case 'restart-server':
      void world.stopServer().then(() => world.clock.setTimeout(world.startServer, 500))
      return
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
    case 'close': {
      const { client } = device
      const reopen = () => world.clock.setTimeout(() => device.start(), 100 + world.random.below(2_000))
      device
        .close()
        .then(() => keepStreams(client, stage))
        .then(reopen, reopen)
      return
    }
    case 'offline':
    case 'online':
      world.network.setOnline(device.name, action.type === 'online')
      if (action.type === 'online') device.client?.wake()
      return
    case 'move':
      device.isElsewhere = action.isElsewhere
      stage.watch.isMoving = true
      stage.watch.mayRepeat = true
      device.crash()
      device.start()
      return
    case 'back-up':
      stage.backups.set(device.name, await device.disk.copy())
      return
    case 'set-back':
      return setBack(device, action.from, stage)
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
    case 'stream':
    case 'show':
    case 'undo':
    case 'mark':
    case 'import':
      return performUse(action.type, action.draw, device, stage)
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

/**
 * A device's disk is lost, and a backup takes its place. Only where nothing is lost with it: it says that everything is on the
 * server's disk.
 */
async function setBack(device: WorldDevice, from: string, stage: Stage): Promise<void> {
  const backup = stage.backups.get(from)
  const { unsent, refused, isCaughtUp } = device.client?.status ?? {}
  const isSaved = unsent === 0 && refused === 0 && isCaughtUp && !device.isElsewhere
  if (backup === undefined || !isSaved) return
  stage.watch.mayRepeat = true
  stage.model.setBack(device.account, device.name === from)
  stage.training.setBack(device.account)
  device.crash()
  await device.disk.replace(backup)
  stage.world.clock.setTimeout(() => device.start(), stage.world.random.below(2_000))
}

/** What a client was still writing when it was closed is where it stays, to the last piece. */
function keepStreams(client: SyncClient | undefined, { streams, hidden }: Stage): void {
  for (const { chat, attempt } of (client && streams.get(client)) ?? []) {
    if (!hidden.has(chat)) attempt.kept()
  }
}

function contribute(draw: number, { account, client }: WorldDevice, stage: Stage): void {
  const chat = chatOf(draw, stage)
  if (chat === undefined || client === undefined) return
  const candidates = stage.model
    .messagesOf(chat.address)
    .filter((id) => !stage.training.isContributed(account, id))
  const messageId = pickMessage(draw, candidates)
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
  const messageId = pickMessage(draw, model.messagesOf(address))
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
