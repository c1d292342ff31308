import { SyncError } from '@onyx-sync/shared'
import type { SyncClient } from '../client-api.js'
import type { RefusedEntry } from '../core/outbox-queries.js'
import type { Chat } from '../model/chat.js'
import { failed, LOADING, type Progress } from './result.js'
import { keepSame, type SourceParts } from './source.js'
import { createRetry } from './when-there.js'

/** A chat that is open, and what is to be known of it to draw its frame; messages are `useMessages`'. */
export interface ChatResult extends Progress {
  /** The open chat, to edit it; undefined unless `ready`. It is released by the hook, and not usable after that. */
  readonly chat: Chat | undefined
  readonly title: string
  readonly isArchived: boolean
  /** Whether it is marked as deleted, and can be restored. One that is gone for good is `failed`, with `DELETED`. */
  readonly isDeleted: boolean
  /** Whether the server takes what is written here, as far as it is known: not with the role `read`, nor once it refused. */
  readonly canWrite: boolean
  /** What the server refused last of this chat, such as after this account was taken out of it. */
  readonly refused: RefusedEntry | undefined
  readonly canUndo: boolean
  readonly canRedo: boolean
  readonly draft: string
}

/** What is shown of a chat that isn't open. */
export const BLANK_CHAT: ChatResult = {
  ...LOADING,
  chat: undefined,
  title: '',
  isArchived: false,
  isDeleted: false,
  canWrite: false,
  refused: undefined,
  canUndo: false,
  canRedo: false,
  draft: '',
}

/** Opens a chat for all who show it, and lets go of it after the last. */
export function createChatParts(client: SyncClient, id: string): SourceParts<ChatResult> {
  let result = BLANK_CHAT

  function start(tell: () => void): () => void {
    let isOver = false
    let isOpening = false
    let chat: Chat | undefined
    let endChat = () => {}
    let refused: RefusedEntry | undefined
    const mayRetry = createRetry(client, id)

    function show(next: ChatResult): void {
      const kept = keepSame(result, next)
      if (kept === result) return
      result = kept
      tell()
    }

    function close(): void {
      endChat()
      endChat = () => {}
      chat?.release()
      chat = undefined
    }

    async function open(): Promise<void> {
      isOpening = true
      try {
        const opened = await client.chats.open(id)
        if (isOver) return opened.release()
        chat = opened
        endChat = opened.subscribe(look)
        look()
      } catch (error) {
        if (!isOver) show({ ...BLANK_CHAT, ...failed(error) })
      } finally {
        isOpening = false
      }
    }

    function look(): void {
      if (chat === undefined) return
      if (chat.isGone) {
        const error = new SyncError('DELETED', `${chat.address} was deleted by its owner, for good`)
        close()
        show({ ...BLANK_CHAT, ...failed(error) })
        return
      }
      const { title, isArchived, isDeleted, canUndo, canRedo, draft } = chat
      const canWrite = mayWrite(client, chat) && refused?.reason.startsWith('restricted:') !== true
      show({
        ...{ status: 'ready', error: undefined, chat, title, isArchived, isDeleted },
        ...{ canWrite, refused, canUndo, canRedo, draft },
      })
    }

    function onStatus(): void {
      if (result.error !== undefined && !isOpening && mayRetry(result.error)) void open()
      if (chat === undefined) return
      const { address } = chat
      const last = client.status.refused === 0 ? undefined : lastRefused(client, address)
      if (last?.id !== refused?.id || last?.reason !== refused?.reason) refused = last
      look()
    }

    const endStatus = client.onStatus(onStatus)
    void open().then(onStatus)
    return () => {
      isOver = true
      endStatus()
      close()
      result = BLANK_CHAT
    }
  }

  return { read: () => result, start }
}

function lastRefused(client: SyncClient, address: string): RefusedEntry | undefined {
  return client
    .refused()
    .filter(({ lane }) => lane === address)
    .pop()
}

function mayWrite({ pubkey, chats }: SyncClient, { owner, address }: Chat): boolean {
  return (
    owner === pubkey || chats.members(address).find((member) => member.pubkey === pubkey)?.role !== 'read'
  )
}
