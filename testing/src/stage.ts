import type { SyncClient, SyncStore } from '@onyx-sync/client'
import type { Attempt } from './attempt.js'
import type { Watch } from './checks.js'
import type { ReferenceModel, StreamAttempt } from './model.js'
import type { Screens } from './screens.js'
import type { TrainingModel } from './training-model.js'
import type { World } from './world.js'

/** Where actions happen, and who is told of them. */
export interface Stage {
  readonly world: World
  readonly model: ReferenceModel
  readonly training: TrainingModel
  readonly screens: Screens
  readonly watch: Watch
  /** Chats that exist, by the account that owns them. */
  readonly chats: { readonly id: string; readonly account: string }[]
  tokens: number
  /** What was on disks when they were copied last, by device. */
  readonly backups: Map<string, SyncStore>
  /** Replies that were begun, by client. */
  readonly streams: Map<SyncClient, { readonly chat: string; readonly attempt: StreamAttempt }[]>
  /** Chats that somebody marked as deleted: what is streamed into them waits until they are restored. */
  readonly hidden: Set<string>
  /** Chats in which something is being taken back, by client. */
  readonly undoing: Map<SyncClient, Set<string>>
  /** The text of a message or an insertion: the token, or a longer text that is as unique. */
  writeText(token: string): string
}

/** One of some messages, by the same draw as the chat that they are in. */
export function pickMessage(draw: number, candidates: readonly string[]): string | undefined {
  return candidates[Math.floor(draw * 7919) % Math.max(1, candidates.length)]
}

/** A chat that exists somewhere. */
export function chatOf(
  draw: number,
  { chats, world }: Stage,
): { address: string; account: string } | undefined {
  const chat = chats[Math.floor(draw * chats.length)]
  const owner = world.devices.find((candidate) => candidate.account === chat?.account)
  if (chat === undefined || owner === undefined) return undefined
  return { address: `30001:${owner.pubkey}:${chat.id}`, account: chat.account }
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

/** Tells an attempt how its call ended, and `kept` when that was well. */
export function follow(call: Promise<unknown>, kept: () => void, attempt?: Attempt): void {
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
