import type { SyncClient } from '../client-api.js'
import type { Message } from '../model/message.js'
import type { MessagesOptions, MessagesView } from '../model/message-window.js'
import { failed, LOADING, type Progress, progressOf } from './result.js'
import { keepSame, type SourceParts } from './source.js'
import { chatSource } from './use-chat.js'
import { createRetry } from './when-there.js'

/** A window of a chat's messages. */
export interface MessagesResult extends Progress {
  /** In the order of the chat. A message that stays as it was stays the same object, wherever it moves. */
  readonly messages: readonly Message[]
  /** Place in the chat of the first of them, from 0. */
  readonly start: number
  /** How many messages the chat has. */
  readonly total: number
  readonly hasOlder: boolean
  /** Only in a window `around` a place: elsewhere the newest message is always there. */
  readonly hasNewer: boolean
  /** Shows more, so many as at first unless told. What is shown keeps its place and its identity. */
  readonly loadOlder: (count?: number) => void
  readonly loadNewer: (count?: number) => void
}

const BLANK: Omit<MessagesResult, 'loadOlder' | 'loadNewer'> = {
  ...LOADING,
  messages: [],
  start: 0,
  total: 0,
  hasOlder: false,
  hasNewer: false,
}

/** What is shown of a chat whose messages aren't there. */
export const BLANK_MESSAGES: MessagesResult = { ...BLANK, loadOlder: () => {}, loadNewer: () => {} }

/** A window of one component; which part of the chat it shows outlives its resting. */
export function createMessagesParts(
  client: SyncClient,
  chat: string,
  options: MessagesOptions,
): SourceParts<MessagesResult> {
  let view: MessagesView | undefined
  /** Why there is no view, or the chat can't be brought. */
  let failure: Progress | undefined
  const actions = {
    loadOlder: (count = options.last ?? 50) => view?.loadOlder(count),
    loadNewer: (count = options.last ?? 50) => view?.loadNewer(count),
  }
  let result: MessagesResult = { ...BLANK, ...actions }

  function make(): MessagesResult {
    const value = view?.getSnapshot()
    const { messages, start, total, isHeld } = value ?? { ...BLANK, isHeld: true }
    // What isn't here is on its way, or the chat says why not.
    const progress = failure ?? (isHeld ? progressOf(value, view?.getError()) : LOADING)
    const hasOlder = start > 0
    const hasNewer = start + messages.length < total
    return { ...progress, messages, start, total, hasOlder, hasNewer, ...actions }
  }

  function start(tell: () => void): () => void {
    const mayRetry = createRetry(client, chat)
    let endView = () => {}
    let endBringing: (() => void) | undefined

    function show(): void {
      const next = keepSame(result, make())
      if (next === result) return
      result = next
      tell()
    }

    function open(): void {
      try {
        view ??= client.chats.messages(chat, options)
        failure = undefined
        endView = view.subscribe(look)
      } catch (error) {
        failure = failed(error)
      }
      show()
    }

    function look(): void {
      if (view?.getSnapshot()?.isHeld === false) bring()
      show()
    }

    /** Opens a chat that isn't on this device, and keeps it, or it might be let go of at once. */
    function bring(): void {
      if (endBringing !== undefined) return
      const source = chatSource(client, chat)
      const note = () => {
        const { status, error } = source.getSnapshot()
        failure = status === 'failed' ? { status, error } : undefined
        show()
      }
      endBringing = source.subscribe(note)
      note()
    }

    const endStatus = client.onStatus(() => {
      if (view === undefined && failure?.error !== undefined && mayRetry(failure.error)) open()
    })
    open()
    return () => {
      endStatus()
      endView()
      endBringing?.()
    }
  }

  return { read: () => result, start }
}
