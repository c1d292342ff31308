import type { Chat } from '@onyx-sync/client'
import { useSettings } from '@onyx-sync/client/react'
import { useCallback } from 'react'
import { chosenModel, type ModelPreferences } from '../answers/model-choice.js'
import { useDevice } from '../device/device-context.js'
import { newId } from '../parts/new-id.js'
import { orToast } from '../parts/toasts.js'

/** A title is the beginning of what was said first. Characters. */
const TITLE_LENGTH = 48

/**
 * Appends what was written to a chat that it opens, and has it answered by the model that is set. What storage refuses, or
 * what takes long, is shown as not kept meanwhile, and goes on once it is. Rejects only where nothing was written.
 */
export function useSending(): (open: () => Promise<Chat>, text: string) => Promise<void> {
  const { marks, keeping, replies, slot } = useDevice()
  const { preferences } = useSettings<ModelPreferences>()
  return useCallback(
    async (open, text) => {
      const model = chosenModel(preferences, slot)
      const id = newId()
      const edit = (chat: Chat) => marks.during(chat.address, id, () => chat.send(text, { id }))
      const chat = await keeping.keep({ messageId: id, text }, open, edit)
      try {
        if (chat.title === '') await orToast(chat.suggestTitle(titleOf(text)))
        void orToast(replies.answer(chat, model))
      } finally {
        chat.release()
      }
    },
    [marks, keeping, replies, slot, preferences],
  )
}

function titleOf(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length <= TITLE_LENGTH ? line : `${line.slice(0, TITLE_LENGTH).replace(/\s+\S*$/, '')}…`
}
