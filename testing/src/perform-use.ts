import type { SyncClient } from '@onyx-sync/client'
import { getOrCreate } from '@onyx-sync/shared'
import type { Attempt } from './attempt.js'
import type { StreamAttempt } from './model.js'
import type { SeededRandom } from './seeded-random.js'
import { chatOf, follow, pickMessage, type Stage } from './stage.js'
import type { WorldDevice } from './world.js'

/** Longest pause between two pieces of a reply. Milliseconds. */
const MAX_PAUSE_MS = 300
const MAX_PIECES = 20

/** Does what an app does besides editing, and doesn't wait for it. */
export function performUse(
  type: 'stream' | 'show' | 'undo' | 'mark' | 'import',
  draw: number,
  device: WorldDevice,
  stage: Stage,
): void {
  const { client } = device
  if (type === 'import') importChat(draw, device, stage)
  const chat = chatOf(draw, stage)
  if (chat === undefined || client === undefined) return
  const random = stage.world.random.fork(`${type} ${draw}`)
  const use: Use = { chat: chat.address, device, client, random, stage }
  if (type === 'show') stage.screens.show(device, client, chat.address, random)
  if (type === 'mark') mark(use)
  if (type === 'stream') stream(use).catch(() => {})
  if (type === 'undo') undoAlone(use, draw).catch(() => {})
}

interface Use {
  readonly chat: string
  readonly device: WorldDevice
  readonly client: SyncClient
  readonly random: SeededRandom
  readonly stage: Stage
}

/** What is known of a chat besides its messages; two devices that say different things may both be right. */
function mark({ chat, client, random, stage }: Use): void {
  const calls: readonly (() => Promise<unknown>)[] = [
    () => client.chats.archive(chat, random.chance(0.5)),
    () => client.chats.suggestTitle(chat, '<made up>'),
    () => client.chats.setModel(chat, `model ${random.below(3)}`),
    () => client.chats.markRead(chat),
    () => client.chats.setDraft(chat, random.chance(0.3) ? '' : `draft ${random.below(100)}`),
    () => client.chats.restore(chat),
    () => {
      stage.model.clearing(chat)
      return client.chats.clear(chat)
    },
    () => {
      stage.hidden.add(chat)
      return client.chats.delete(chat)
    },
  ]
  random
    .pick(calls)()
    .catch(() => {})
}

/** Imports one of a few chats: whoever does so, and how often, it is there once. */
function importChat(draw: number, { account, pubkey, client }: WorldDevice, stage: Stage): void {
  if (client === undefined) return
  const id = `imported${Math.floor(draw * 2)}`
  const chat = `30001:${pubkey}:${id}`
  const messages = [1, 2, 3].map((createdAt) => ({
    id: `${id}-${createdAt}`,
    role: 'user' as const,
    content: `<${id}-${createdAt}>`,
    createdAt,
  }))
  const isKnown = stage.chats.some((other) => other.id === id && other.account === account)
  if (!isKnown) stage.chats.push({ id, account })
  const attempts = isKnown
    ? []
    : messages.map((message) => stage.model.sending({ chat, account }, message.id, message.content))
  client.import([{ id, title: id, createdAt: 1, messages }]).then(
    ({ problems }) => {
      for (const attempt of problems.length > 0 ? [] : attempts) attempt.returned()
    },
    () => {},
  )
}

/** Streams a reply, piece by piece, as long as its device runs. */
async function stream({ chat, device, client, random, stage }: Use): Promise<void> {
  const { model, world } = stage
  const id = `m${++stage.tokens}`
  const attempt = model.streaming({ chat, account: device.account }, id)
  const begun = client.chats.stream(chat, { id })
  follow(begun, () => {}, attempt)
  const streamed = await begun
  getOrCreate(stage.streams, client, () => []).push({ chat, attempt })
  for (let pieces = random.below(MAX_PIECES); pieces > 0; pieces--) {
    if (device.client !== client) return
    const token = `<${++stage.tokens}>`
    attempt.pushing(token)
    streamed.push(token)
    const pauseMs = random.below(MAX_PAUSE_MS)
    if (pauseMs > 0) await new Promise<void>((resolve) => world.clock.setTimeout(resolve, pauseMs))
  }
  if (device.client !== client) return
  await end(streamed, attempt, random)
  // In a chat that was deleted nothing can be completed until it is restored.
  await new Promise<void>((resolve) => world.clock.setTimeout(resolve, random.below(3_000)))
  if (device.client === client) await end(streamed, attempt, random)
}

type Streamed = Awaited<ReturnType<SyncClient['chats']['stream']>>

/** Ends a reply, or forgets to. What it ended as first counts. */
async function end(streamed: Streamed, attempt: StreamAttempt, random: SeededRandom): Promise<void> {
  const ending = random.pick(['complete', 'complete', 'complete', 'error', 'aborted', 'never'] as const)
  if (ending === 'never') return
  const call =
    ending === 'complete' ? streamed.complete() : ending === 'error' ? streamed.fail() : streamed.abort()
  follow(call, () => {}, attempt.ending(ending))
  await call.catch(() => {})
}

/** One at a time in a chat on a device: it would do again what another one took back. */
async function undoAlone(use: Use, draw: number): Promise<void> {
  const undoing = getOrCreate(use.stage.undoing, use.client, () => new Set<string>())
  if (undoing.has(use.chat)) return
  undoing.add(use.chat)
  await undo(use, draw).finally(() => undoing.delete(use.chat))
}

/** Sends a message, or puts text into one, and takes that back; and does it again a while later, or not. */
async function undo({ chat, device, client, random, stage }: Use, draw: number): Promise<void> {
  const { model, world } = stage
  const number = ++stage.tokens
  const opened = await client.chats.open(chat)
  try {
    const begun = begin(opened)
    if (begun === undefined) return
    const { attempt, done } = begun
    // In the same tick: what this device does next would be undone in its place.
    const [, isTakenBack] = await Promise.all([done, opened.undo()])
    if (!isTakenBack) return attempt.returned()
    const pauseMs = random.below(2_000)
    await new Promise<void>((resolve) => world.clock.setTimeout(resolve, pauseMs))
    if (device.client !== client) return
    if (random.chance(0.5) && (await opened.redo())) attempt.returned()
    else attempt.declined()
  } finally {
    opened.release()
  }

  function begin({ send, edit, messages }: Opened): { attempt: Attempt; done: Promise<unknown> } | undefined {
    const by = { chat, account: device.account }
    const token = `<${number}>`
    if (random.chance(0.5)) {
      const id = `m${number}`
      return { attempt: model.sending(by, id, token), done: send(token, { id }) }
    }
    const chosen = pickMessage(draw, model.messagesOf(chat))
    const message = messages.find(({ id }) => id === chosen)
    if (message === undefined) return undefined
    const done = edit(message.id, token + message.content)
    return { attempt: model.inserting(by, message.id, token), done }
  }
}

type Opened = Awaited<ReturnType<SyncClient['chats']['open']>>
