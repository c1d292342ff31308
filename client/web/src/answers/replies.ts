import type { Chat, Message, StreamedMessage, SyncClient } from '@onyx-sync/client'
import type { Marks } from '../device/marks.js'
import { newId } from '../parts/new-id.js'
import type { Model } from './model.js'

/** Replies that this device is writing, whatever is shown meanwhile. */
export interface Replies {
  /** Answers to the newest message of a chat, into that chat. Resolves when the reply has ended, however it did. */
  answer(chat: Chat, model: Model): Promise<void>
  /** Ends the reply in a chat where it is; what was written stays. */
  stop(address: string): void
  isWriting(address: string): boolean
  subscribe(listener: () => void): () => void
}

export function createReplies(client: SyncClient, marks: Marks): Replies {
  const writing = new Map<string, AbortController>()
  const listeners = new Set<() => void>()

  function tell(): void {
    for (const listener of [...listeners]) listener()
  }

  async function write(address: string, messages: readonly Message[], model: Model): Promise<void> {
    const controller = new AbortController()
    const id = newId()
    writing.set(address, controller)
    tell()
    marks.begin(address, id)
    try {
      await speak(await client.chats.stream(address, { id }), messages, model, controller.signal)
    } finally {
      marks.end(address, id)
      writing.delete(address)
      tell()
    }
  }

  return {
    async answer(chat, model) {
      if (writing.has(chat.address)) return
      const said = chat.messages.filter(({ status, content }) => status !== 'error' && content !== '')
      await write(chat.address, said, model)
    },
    stop: (address) => writing.get(address)?.abort(),
    isWriting: (address) => writing.has(address),
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

async function speak(
  reply: StreamedMessage,
  messages: readonly Message[],
  model: Model,
  signal: AbortSignal,
): Promise<void> {
  let finishReason: string | undefined
  try {
    for await (const part of model.answer(messages, signal)) {
      if (part.type === 'text') reply.push(part.text)
      else if (part.type === 'reasoning') reply.pushReasoning(part.text)
      else if (part.type === 'tool') reply.tool(part.call)
      else finishReason = part.finishReason
    }
    if (signal.aborted) await reply.abort()
    else await reply.complete(finishReason === undefined ? {} : { finishReason })
  } catch (error) {
    // A message that was deleted meanwhile takes no ending, and needs none.
    await (signal.aborted ? reply.abort() : reply.fail(error))
  }
}
