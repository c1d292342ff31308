import { type Clock, type EventTemplate, KIND, SyncError } from '@onyx-sync/shared'
import type { Documents } from '../core/documents.js'
import { TRAINING_LANE } from '../core/staging.js'
import type { Chats } from './chats-api.js'

/** Training data that the user chooses to contribute, message by message. Nothing is ever sent unasked. */
export interface Training {
  /**
   * Queues one message as a contribution (kind 1, readable by its author and the server's operator only).
   * Resolves once durable on this device. `quality` is a whole number from 1 to 5.
   */
  submit(chat: string, messageId: string, quality: number): Promise<void>
}

export function createTraining(chats: Chats, documents: Documents, clock: Clock): Training {
  return {
    async submit(chat, messageId, quality) {
      if (!Number.isInteger(quality) || quality < 1 || quality > 5) {
        throw new SyncError('VALUE_INVALID', `quality is a whole number from 1 to 5, not ${quality}`)
      }
      const { address, messages } = await chats.read(chat)
      const message = messages.find((candidate) => candidate.id === messageId)
      if (message === undefined) {
        throw new SyncError(
          'MESSAGE_NOT_FOUND',
          `there is no message ${JSON.stringify(messageId)} in this chat`,
        )
      }
      const template: EventTemplate = {
        kind: KIND.training,
        created_at: Math.floor(clock.now() / 1000),
        tags: [
          ['t', 'training'],
          ['quality', String(quality)],
          ['a', address],
          ['message', messageId],
          ['-'],
        ],
        content: message.content,
      }
      const { journal } = documents
      const seq = journal.nextSeq()
      journal.add({
        outboxPut: [
          {
            id: `training-${seq}`,
            lane: TRAINING_LANE,
            seq,
            throughSeq: seq,
            edits: 1,
            state: 'pending',
            event: JSON.stringify(template),
            reason: '',
          },
        ],
      })
      await journal.flush()
    },
  }
}
