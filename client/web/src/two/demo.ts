import type { Chat, SyncClient } from '@onyx-sync/client'
import type { Marks } from '../device/marks.js'
import type { NetworkSwitch } from '../device/network-switch.js'
import { newId } from '../parts/new-id.js'

/** What the page of two devices asks of the device in a frame; see {@link answerDemo}. */
export type DemoStep =
  | { readonly do: 'network'; readonly isOn: boolean }
  | {
      readonly do: 'begin'
      readonly id: string
      readonly title: string
      readonly text: string
      readonly reply: string
    }
  | { readonly do: 'show'; readonly id: string }
  | { readonly do: 'tell'; readonly id: string }
  | { readonly do: 'edit'; readonly id: string; readonly text: string }
  | { readonly do: 'rename'; readonly id: string; readonly title: string }
  | { readonly do: 'send'; readonly id: string; readonly text: string }

/** What a device has of a chat once everything of it is on the server, or it can't get there. */
export interface DemoAnswer {
  readonly isSynced: boolean
  /** Title and texts, one text that is the same where they are. */
  readonly chat: string
}

/** What the steps are done with. */
export interface DemoDevice {
  readonly client: SyncClient
  readonly network: NetworkSwitch
  readonly marks: Marks
}

interface DemoMessage {
  readonly onyxDemo: DemoStep
}

/** How long a device may take to come to what the other has. Milliseconds. */
const SYNC_MS = 10_000

/** Asks a frame what it has of a chat, once it has brought everything to the server. Resolves with nothing once it is over. */
export function askFrame(
  frame: HTMLIFrameElement,
  id: string,
  signal: AbortSignal,
): Promise<DemoAnswer | undefined> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    const step: DemoStep = { do: 'tell', id }
    port1.onmessage = ({ data }: MessageEvent<DemoAnswer>) => resolve(data)
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
    frame.contentWindow?.postMessage({ onyxDemo: step } satisfies DemoMessage, location.origin, [port2])
  })
}

/** Has a frame of this page do a step. It is shown there as if its user had done it. */
export function sendStep(frame: HTMLIFrameElement, step: DemoStep): void {
  frame.contentWindow?.postMessage({ onyxDemo: step } satisfies DemoMessage, location.origin)
}

/**
 * Does what the page around asks for: it is this site's own, and for the devices of `/two` only. @returns a function that
 * ends it
 */
export function answerDemo(device: DemoDevice): () => void {
  function onMessage({ origin, source, data, ports }: MessageEvent<DemoMessage | undefined>): void {
    if (origin !== location.origin || source !== parent || data?.onyxDemo === undefined) return
    const step = data.onyxDemo
    if (step.do === 'tell') void tell(device.client, step.id).then((answer) => ports[0]?.postMessage(answer))
    else void doStep(device, step)
  }
  addEventListener('message', onMessage)
  return () => removeEventListener('message', onMessage)
}

async function doStep(
  { client, network, marks }: DemoDevice,
  step: Exclude<DemoStep, { do: 'tell' }>,
): Promise<void> {
  const say = (chat: Chat, text: string, role: 'user' | 'assistant') => {
    const id = newId()
    return marks.during(chat.address, id, () => chat.send(text, { id, role }))
  }
  if (step.do === 'network') network.set(step.isOn)
  else if (step.do === 'show') location.hash = `#/chat/${step.id}`
  else if (step.do === 'begin') {
    await client.chats.create({ id: step.id, title: step.title })
    await withChat(client, step.id, async (chat) => {
      await say(chat, step.text, 'user')
      await say(chat, step.reply, 'assistant')
    })
  } else {
    await withChat(client, step.id, async (chat) => {
      const [first] = chat.messages
      if (step.do === 'rename') await chat.rename(step.title)
      if (step.do === 'send') await say(chat, step.text, 'user')
      if (step.do === 'edit' && first !== undefined)
        await marks.during(chat.address, first.id, () => chat.edit(first.id, step.text))
    })
  }
}

async function tell(client: SyncClient, id: string): Promise<DemoAnswer> {
  const isSynced = await client.synced({ timeoutMs: SYNC_MS })
  const { title, messages } = await client.chats.read(id)
  return { isSynced, chat: JSON.stringify([title, messages.map(({ content }) => content)]) }
}

async function withChat(client: SyncClient, id: string, work: (chat: Chat) => Promise<void>): Promise<void> {
  const chat = await client.chats.open(id)
  try {
    await work(chat)
  } finally {
    chat.release()
  }
}
