import { useMemo } from 'react'
import type { MessagesOptions } from '../model/message-window.js'
import { BLANK_MESSAGES, createMessagesParts, type MessagesResult } from './messages-parts.js'
import { useProvidedClient } from './provider.js'
import { failed } from './result.js'
import { createSource, createStillSource } from './source.js'
import { useSource } from './use-source.js'

/**
 * The newest messages of a chat, or those around a place, and more on demand: from the query table, without loading the
 * chat. A chat that is only listed is brought. Each component has a window of its own. While a message streams, only its
 * own object is new: a row component in `memo` is not rendered for the others.
 */
export function useMessages(
  chat: string | undefined,
  { last, around }: MessagesOptions = {},
): MessagesResult {
  const { client, error } = useProvidedClient()
  const source = useMemo(() => {
    if (client === undefined)
      return createStillSource(error === undefined ? BLANK_MESSAGES : { ...BLANK_MESSAGES, ...failed(error) })
    if (chat === undefined) return createStillSource(BLANK_MESSAGES)
    const options = { ...(last === undefined ? {} : { last }), ...(around === undefined ? {} : { around }) }
    return createSource(createMessagesParts(client, chat, options))
  }, [client, error, chat, last, around])
  return useSource(source, BLANK_MESSAGES)
}
