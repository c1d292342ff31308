import type { View } from '@onyx-sync/client'
import * as Y from 'yjs'
import { atMost, type Bench, type BenchContext, type Figure, medianOf, reported } from './bench.js'
import { createAccount, openDevice } from './devices.js'
import { createWriter } from './text.js'

const SIZES = [100, 300, 1_000, 3_000, 10_000]
/** Appended to each chat, for the mean of one. */
const APPENDS = 100
const LISTED = 1_000

const write = createWriter('chat-size')

/** Whether what a screen does gets slower with the length of a chat, and the list with their number. */
export const chatSize: Bench = {
  name: 'chat-size',
  summary:
    'chats of 100 to 10,000 messages: showing the last 50, appending; a list of 1,000 chats (processor time)',
  async run(context) {
    const signer = createAccount()
    const sizes = context.isQuick ? SIZES.map((size) => size / 10) : SIZES
    const figures: Figure[] = []
    const appendsMs: number[] = []
    for (const size of sizes) {
      const measured = await measureChat(context, signer, size, size === sizes[sizes.length - 1])
      figures.push(...measured.figures)
      appendsMs.push(measured.appendMs)
    }
    const growth = (appendsMs.at(-1) ?? 0) / medianOf(appendsMs)
    const name = 'appending to the longest, against the median of all'
    // A tenth of the messages takes so little time that chance decides.
    figures.push(context.isQuick ? reported(name, growth, '×') : atMost(name, growth, 1.5, '×'))
    return [...figures, ...(await measureList(context, signer, context.isQuick ? LISTED / 10 : LISTED))]
  },
}

async function measureChat(
  { directory, progress }: BenchContext,
  signer: ReturnType<typeof createAccount>,
  size: number,
  isLargest: boolean,
): Promise<{ readonly figures: readonly Figure[]; readonly appendMs: number }> {
  const name = `chat-${size}`
  progress(`writing ${size} messages`)
  const writer = await openDevice(directory, name, { signer })
  await writer.chats.create({ id: 'chat', title: `${size} messages` })
  const chat = await writer.chats.open('chat')
  for (let index = 0; index < size; index += 100) {
    chat.doc.transact(() => {
      for (let each = index; each < Math.min(index + 100, size); each++)
        chat.doc.getArray('messages').push([message(each)])
    })
    await writer.flush()
  }
  await writer.close()

  progress(`a chat of ${size} messages`)
  const client = await openDevice(directory, name, { signer })
  // As a screen does: what was read before is warm, the chat is not.
  await client.chats.list()
  const shownMs = await timed(() => shown(client.chats.messages('chat', { last: 50 })))
  const openMs = await timed(() => client.chats.open('chat'))
  const own = await client.chats.open('chat')
  await own.send('the first one looks at the whole list once')
  const appendMs =
    (await timed(async () => {
      for (let index = 0; index < APPENDS; index++) await own.send(write(60))
    })) / APPENDS
  const streamMs =
    (await timed(async () => {
      for (let index = 0; index < APPENDS / 4; index++) {
        const reply = own.stream()
        reply.push(write(300))
        await reply.complete()
      }
    })) /
    (APPENDS / 4)
  await client.close()
  const of = `${size.toLocaleString('en')} messages`
  const figures = [
    isLargest
      ? atMost(`${of}: the last 50 are shown`, shownMs, 100, 'ms')
      : reported(`${of}: the last 50 are shown`, shownMs, 'ms'),
    reported(`${of}: the whole chat is opened`, openMs, 'ms'),
    reported(`${of}: one more is appended`, appendMs, 'ms'),
    reported(`${of}: a reply is begun and ended`, streamMs, 'ms'),
  ]
  return { figures, appendMs }
}

async function measureList(
  { directory, progress }: BenchContext,
  signer: ReturnType<typeof createAccount>,
  count: number,
): Promise<Figure[]> {
  progress(`writing ${count} chats`)
  const writer = await openDevice(directory, 'list', { signer })
  for (let index = 0; index < count; index += 50) {
    const made = Array.from({ length: 50 }, (_, each) =>
      writer.chats.create({ id: `c${index + each}`, title: write(24) }),
    )
    await Promise.all(made)
  }
  await writer.close()
  const client = await openDevice(directory, 'list', { signer })
  const firstMs = await timed(() => client.chats.list())
  const rounds = 20
  const listMs =
    (await timed(async () => {
      for (let round = 0; round < rounds; round++) await client.chats.list()
    })) / rounds
  await client.close()
  const of = `${count.toLocaleString('en')} chats`
  return [
    reported(`${of}: listed for the first time`, firstMs, 'ms'),
    atMost(`${of}: listed`, listMs, 20, 'ms'),
  ]
}

function message(index: number): Y.Map<unknown> {
  const map = new Y.Map<unknown>()
  map.set('id', `m${index}`)
  map.set('role', index % 2 === 0 ? 'user' : 'assistant')
  map.set('content', new Y.Text(write(index % 2 === 0 ? 100 : 700)))
  map.set('createdAt', 1_700_000_000_000 + index * 1_000)
  map.set('status', 'complete')
  map.set('device', 'bench')
  return map
}

/** Processor time of this process, which other work on the machine hardly touches; waiting for the disk isn't in it. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(from)
  return (user + system) / 1_000
}

function shown<T>(view: View<T>): Promise<void> {
  return new Promise((resolve) => {
    const stop = view.subscribe(() => {
      stop()
      resolve()
    })
  })
}
