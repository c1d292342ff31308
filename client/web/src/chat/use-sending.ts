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
 * Appends what was written to an open chat, and has it answered by the model that is set. What storage refuses is shown as
 * not kept meanwhile, and goes on once it is. Rejects only where nothing was written.
 */
export function useSending(): (chat: Chat, text: string) => Promise<void> {
  const { marks, keeping, replies, slot } = useDevice()
  const { preferences } = useSettings<ModelPreferences>()
  return useCallback(
    async (chat, text) => {
      const model = chosenModel(preferences, slot)
      const id = newId()
      const { address } = chat
      const edit = () => marks.during(address, id, () => chat.send(text, { id }))
      await keeping.keep({ address, messageId: id, text }, edit)
      if (chat.title === '') await orToast(chat.suggestTitle(titleOf(text)))
      void orToast(replies.answer(chat, model))
    },
    [marks, keeping, replies, slot, preferences],
  )
}

function titleOf(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length <= TITLE_LENGTH ? line : `${line.slice(0, TITLE_LENGTH).replace(/\s+\S*$/, '')}…`
}
